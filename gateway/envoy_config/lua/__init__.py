"""The Lua filters, and how they are put together."""
