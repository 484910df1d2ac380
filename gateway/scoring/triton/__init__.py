"""The only room that knows KServe: discovers Tritons, balances requests between them, reads their answers."""
