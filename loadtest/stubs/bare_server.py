"""What every server that is measured for comparison does once it has its handlers."""

from grpc import aio


async def until_terminated(server: aio.Server) -> None:
    """Serves on a port of the system's choice, prints the address, and ends with the process (SIGTERM)."""
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"ready: gRPC 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()
