"""What an NVIDIA GPU makes of the router, in few steps that need no network: `python -m loadtest.gpu --help`."""
