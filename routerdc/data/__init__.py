"""Tables of graded answers: read, checked and summarised."""
