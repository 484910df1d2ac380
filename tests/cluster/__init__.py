"""What a platform engineer would check, on the cluster that the kubeconfig names: `make check-cluster`."""
