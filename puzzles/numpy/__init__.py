"""The pages of the puzzles in NumPy."""
