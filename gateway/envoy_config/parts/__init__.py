"""What listener, routes and clusters of a rendered Envoy share."""
