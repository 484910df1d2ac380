"""The files that an export writes: their names, their record, and how a folder replaces its predecessor."""
