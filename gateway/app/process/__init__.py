"""The process itself: its event loop, heartbeat to its supervisor, memory that goes back, an end within its grace."""
