"""gpunet: a small neural-network library with every backward pass written by hand. It knows nothing of GANs."""

import os

__version__ = "0.1.0"

# gpunet/kernels is a symbolic link to ../kernels. A checkout on a system without such links has a text file there.
if not os.path.isdir(os.path.join(__path__[0], "kernels")):
    __path__.append(os.path.dirname(os.path.abspath(__path__[0])))  # then gpunet.kernels is found beside gpunet
