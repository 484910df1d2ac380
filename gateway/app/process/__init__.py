"""The process itself: heartbeat to its supervisor, memory that goes back, an end within its grace."""
