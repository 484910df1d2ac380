"""The subcommands of `routerdc` that this package brings."""
