"""The images, built by a real container engine and run as Kubernetes runs them: `make check-containers`."""
