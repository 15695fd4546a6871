"""Spectral normalisation: a weight divided by its largest singular value, so that the layer stretches no input by more
than 1 (Miyato et al., "Spectral normalization for generative adversarial networks", 2018).

A weight is read as a matrix W (K, F): F outputs, and K = KH KW C_in numbers that each is made from. Its largest
singular value is |W u| for the best unit vector u (F,). Power iteration finds u, and v (K,), its partner:

    u <- W^T v / |W^T v|,      v <- W u / |W u|,      sigma = v . (W u)

Weights change little from step to step, so one iteration per training step, from the last step's v, keeps up with them
(algorithm 1 of the paper). The layer computes with  W' = W / sigma.

Backward, with g the gradient of the loss by W', u and v held: sigma = sum of v_k W_kf u_f has the derivative v u^T by
W, so

    dW = g / sigma - (sum of g * W) / sigma^2 * v u^T = (g - <g, W'> v u^T) / sigma

u and v may be held because sigma is stationary in them where the iteration has converged; PyTorch holds them, too.
torch.nn.utils.parametrizations.spectral_norm is the convention: max(|x|, eps) for |x|, one iteration in training, none
in evaluation. The kernels are in kernels/spectral.cu; products of matrices and vectors are `matmul`.
"""

from __future__ import annotations

from gpunet.backend.devices import Array, array_module, operation, written
from gpunet.backend.launches import elements, empty, rows_of_blocks
from gpunet.backend.matmul import matmul


@operation
def spectral_norm(weight: Array, u: Array, v: Array, eps: float, iterations: int) -> tuple[Array, Array]:
    """Return W' = weight / sigma, of the weight's shape (..., F), and sigma (1, 1).

    u (F,) and v (K,) move by so many power iterations, in place; with 0 they stay.
    """
    xp, W = array_module(weight), weight.reshape(-1, weight.shape[-1])  # (K, F)
    for _ in range(iterations):
        u[...] = _unit(xp, v @ W, eps)
        v[...] = _unit(xp, W @ u, eps)
    sigma = (v @ (W @ u)).reshape(1, 1)
    return weight / sigma.reshape(()), sigma


def _unit(xp, x: Array, eps: float) -> Array:
    return x / xp.maximum(xp.sqrt(x @ x), x.dtype.type(eps))


@spectral_norm.kernel
def spectral_norm_kernel(weight, u, v, eps, iterations) -> tuple[Array, Array]:
    W = weight.reshape(-1, weight.shape[-1])
    row_u, row_v = u[None], v[None]  # (1, F), (1, K)
    Wu = None
    for _ in range(iterations):
        _write_unit(u, matmul(row_v, W), eps)
        Wu = matmul(W, row_u.T).T  # (1, K)
        _write_unit(v, Wu, eps)
    if Wu is None:
        Wu = matmul(W, row_u.T).T
    sigma, divided = matmul(row_v, Wu.T), empty(weight, *weight.shape)
    elements("spectral.divided", (divided, weight, sigma, weight.size), weight.size)
    return divided, sigma


def _write_unit(unit: Array, x: Array, eps: float) -> None:
    """Write x (1, size) / |x| into unit (size,)."""
    elements("spectral.normalised", (unit, x, matmul(x, x.T), unit.size, eps), unit.size)


@operation
def spectral_norm_backward(
    g: Array, divided: Array, u: Array, v: Array, sigma: Array, out: Array | None = None
) -> Array:
    """Return the gradient of the weight, in `out` if given, from g, that of W' = `divided`."""
    xp, shape = array_module(g), (-1, g.shape[-1])
    inner = xp.vdot(g, divided)
    dweight = (g.reshape(shape) - inner * xp.outer(v, u)) / sigma
    return written(dweight.reshape(g.shape), out)


@spectral_norm_backward.kernel
def spectral_norm_backward_kernel(g, divided, u, v, sigma, out=None) -> Array:
    dweight = empty(g, *g.shape) if out is None else out
    inner = matmul(g.reshape(1, -1), divided.reshape(-1, 1))  # (1, 1)
    args = (dweight, g, inner, sigma, u, v, v.size, u.size)
    rows_of_blocks("spectral.backward", args, v.size, u.size)
    return dweight
