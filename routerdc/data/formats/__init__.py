"""How tables are read: files, formats, columns and cells; `routerdc.data.table` says what a row must contain."""
