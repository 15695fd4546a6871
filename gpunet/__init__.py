"""gpunet: a small neural-network library with every backward pass written by hand. It knows nothing of GANs."""

__version__ = "0.1.0"
