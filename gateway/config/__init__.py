"""What operators write: settings, endpoints.yaml and API keys, read into checked values."""
