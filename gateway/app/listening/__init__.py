"""Where the process listens: ports, the gRPC, HTTP and metrics servers, TLS."""
