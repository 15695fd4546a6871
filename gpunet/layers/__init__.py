"""The layers: objects that hold parameters and what backward needs, over the pure functions of gpunet.backend."""

from gpunet.layers.activations import LeakyReLU, ReLU, Sigmoid, Tanh
from gpunet.layers.base import Layer
from gpunet.layers.batchnorm import BatchNorm
from gpunet.layers.conv import Conv2d, ConvTranspose2d
from gpunet.layers.labels import JoinLabels, PickLabel
from gpunet.layers.layer_norm import InstanceNorm, LayerNorm
from gpunet.layers.linear import Linear
from gpunet.layers.parameter import Parameter
from gpunet.layers.residual import Residual
from gpunet.layers.resize import AveragePool, GlobalAveragePool, GlobalSumPool, Upsample
from gpunet.layers.sequential import Sequential
from gpunet.layers.shape import Flatten, Reshape
from gpunet.layers.spectral import SpectralNorm
