"""Figures of kernels and GPUs that need no GPU: compiled code, counted memory requests, published peaks."""
