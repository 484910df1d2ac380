"""The gRPC door: checks requests, asks the router, and turns decisions and errors into messages."""
