"""The table that `routerdc train` reads, written from the store."""
