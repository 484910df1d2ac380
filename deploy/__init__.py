"""Running the service: the local stack, container files, Kubernetes."""
