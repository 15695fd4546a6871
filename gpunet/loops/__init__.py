"""Every operation of the two networks by its definition, forward and backward: plain loops over single numbers.

Read these pages first. They are as slow as they are obvious, and share no code with the rest of the library: the tests
take their expected values from here. An array is only a table of numbers here, and np.ndindex(2, 3) gives all places of
one in turn: (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2).

    y = operation(x, ...)                  forward
    dx, ... = operation_backward(dy, ...)  backward: the loss's derivatives by x and by the parameters, from those by y

dy has one number for each number of y: how much the loss grows for each unit by which that number of y grows. Whatever
reaches the loss on several ways gets the sum over these ways, which is why backward loops are full of `+=`.
Activations are (N, H, W, C): picture, row, column, channel. Weights are (KH, KW, C, F), or (C, F) of a linear layer.
"""

from gpunet.loops.activations import (
    elementwise,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    tanh,
    tanh_backward,
)
from gpunet.loops.adam import adam
from gpunet.loops.batchnorm import batchnorm, batchnorm_backward, batchnorm_inference, channel_statistics
from gpunet.loops.conv import conv2d, conv2d_backward, conv_transpose2d, conv_transpose2d_backward, transposed_size
from gpunet.loops.linear import linear, linear_backward
from gpunet.loops.losses import bce, bce_with_logits, hinge, mean_loss, square
from gpunet.loops.resize import downsample, upsample
