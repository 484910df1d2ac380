"""The root of the command `routerdc`: a table of subcommands that the other packages bring."""
