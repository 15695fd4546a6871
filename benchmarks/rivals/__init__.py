"""The same training steps in PyTorch and in JAX, and the comparison that verifies them against ours."""
