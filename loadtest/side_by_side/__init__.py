"""This router beside what people use today: on the same cores, with the same encoder and queries, in one run."""
