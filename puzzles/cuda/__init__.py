"""The pages of the puzzles in CUDA C++."""
