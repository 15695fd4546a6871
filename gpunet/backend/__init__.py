"""The operations: pure functions on arrays, one page each: formula, reference, and the launch of the kernel."""

from gpunet.backend.activations import (
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    tanh,
    tanh_backward,
)
from gpunet.backend.adam import adam_step, adam_update, clip_weights
from gpunet.backend.augment import augment, augment_backward
from gpunet.backend.average import average_update
from gpunet.backend.batchnorm import batchnorm, batchnorm_backward
from gpunet.backend.batchnorm_inference import batchnorm_inference, batchnorm_inference_backward
from gpunet.backend.choices import ALGORITHMS, PRECISIONS, implementation, precision, use, use_conv, use_precision
from gpunet.backend.columns import column_sum
from gpunet.backend.conv import convolution
from gpunet.backend.conv.direct import conv2d, conv2d_input_grad, conv2d_weight_grad
from gpunet.backend.devices import array_module, device_of, operations, to_device, to_numpy
from gpunet.backend.gradient_norm import gradient_norm
from gpunet.backend.images import images_to_real, real_to_images
from gpunet.backend.join import join
from gpunet.backend.labels import join_labels, join_labels_backward, pick_label, pick_label_backward
from gpunet.backend.layer_norm import layernorm, layernorm_backward
from gpunet.backend.loss_scale import scale_gradient, unscale_gradients
from gpunet.backend.losses import bce_of_halves, bce_with_logits, loss_of_answers
from gpunet.backend.matmul import matmul
from gpunet.backend.noise import add_noise
from gpunet.backend.norm_tangent import norm_tangent_backward, scale_channels
from gpunet.backend.penalty import between, gradient_penalty
from gpunet.backend.residual import add
from gpunet.backend.resize import downsample, fill_maps, pool_maps, upsample
from gpunet.backend.sizes import conv_sizes
from gpunet.backend.softmax import softmax_cross_entropy
from gpunet.backend.spectral import spectral_norm, spectral_norm_backward
from gpunet.backend.threads import keep_freed_memory, thread_count

keep_freed_memory()
