"""How many pods Triton needs, and how fast they come: measured service times, and a simulation of the autoscaler."""
