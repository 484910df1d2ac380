"""How tables are read: files, formats, columns and cells; `routerdc.data.dataset` says what a row must contain."""
