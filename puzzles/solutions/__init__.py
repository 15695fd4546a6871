"""A solution of each puzzle, in a file of its name."""
