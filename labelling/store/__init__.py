"""The store: every prompt, answer and grade, in one private SQLite file."""
