"""BatchNorm over all axes but the last: one class for dense and for spatial inputs."""

from __future__ import annotations

import numpy as np

from gpunet import backend
from gpunet.backend import factors
from gpunet.backend.choices import fused
from gpunet.backend.devices import Array, written
from gpunet.backend.epilogue import Gradients, Statistics, Summed, taken_apart
from gpunet.backend.factors import Factor
from gpunet.layers.base import Layer, Rounding, unrounded
from gpunet.layers.parameter import Parameter


class BatchNorm(Layer):
    """Batch normalisation of x (..., C): y = (x - mean) / sqrt(var + eps) * scale + shift.

    Training uses the batch's mean and biased variance and moves the running averages by
    new = (1 - momentum) old + momentum batch, with the unbiased variance (PyTorch's convention); evaluation uses the
    running averages, so that a sample does not depend on its batch. scale and shift may each be left out.
    batch_statistics=True makes evaluation use the batch's statistics, too, as some published samplers do; the running
    averages then stay as they are. Within `among_ranks` the batch is that of all ranks together
    (gpunet.backend.batchnorm_ranks), and the gradients of scale and shift are those of this rank's rows.

    Sequential sets `slope` where a ReLU or LeakyReLU follows: both then run in one pass (see gpunet.backend.batchnorm).
    It sets rounding_y and rounding_dx where the neighbour is a convolution, which may want y or dx as a Factor
    (see gpunet.backend.factors). x and dy may be Factors of 16 bits. Such a neighbour asks for `statistics` or
    `gradients`, and may then hand over x or dy with their sums (see gpunet.backend.epilogue).
    """

    def __init__(
        self,
        channels: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        scale: bool = True,
        shift: bool = True,
        batch_statistics: bool = False,
    ) -> None:
        super().__init__()
        if channels < 1:
            raise ValueError(f"got channels={channels}, expected at least 1")
        self.channels, self.eps, self.momentum, self.slope = channels, eps, momentum, 1.0
        self.batch_statistics = batch_statistics
        self.rounding_y: Rounding = unrounded
        self.rounding_dx: Rounding = unrounded
        self.scale = Parameter(np.ones(channels, "float32")) if scale else None
        self.shift = Parameter(np.zeros(channels, "float32")) if shift else None
        self.buffers = {"running_mean": np.zeros(channels, "float32"), "running_var": np.ones(channels, "float32")}

    def statistics(self) -> Statistics | None:
        """Return what the next forward pass will want to know of x, None if nothing."""
        if not fused() or not (self.training or self.batch_statistics):
            return None
        moved = None if self.ranks else self._running()  # over ranks, the averages move once those have answered
        return Statistics(moved, self.channels, self.batches, self.eps)

    def gradients(self) -> Gradients | None:
        """Return what the next backward pass will want to know of dy, None if nothing."""
        if not fused() or self._saved is None or len(self._saved) < 3:
            return None
        x, mean, rstd = self._saved
        return Gradients(x, mean, rstd, *self._affine(), self.slope, self._first_grads())

    def forward(self, x: Array | Factor | Summed) -> Array | Factor:
        x, found = taken_apart(x)
        running_mean, running_var = self.buffers["running_mean"], self.buffers["running_var"]
        if x.shape[-1] != self.channels or x.dtype != running_mean.dtype:
            raise ValueError(
                f"{self!r}: got x of shape {x.shape} and {x.dtype}, "
                f"expected (..., {self.channels}) and {running_mean.dtype}"
            )
        scale, shift = self._affine()
        if not self.training and not self.batch_statistics:
            self.save(x)
            given = (x, running_mean, running_var, scale, shift, self.eps, self.slope)
            return backend.batchnorm_inference(*given, self.rounding_y())
        if x.shape[0] % self.batches:
            raise ValueError(f"{self!r}: got x of shape {x.shape}, expected {self.batches} batches of equal size")
        if x.size // self.channels * (self.ranks.size if self.ranks else 1) < 2 * self.batches:
            raise ValueError(f"{self!r}: got one row, expected two or more: use a larger batch or net.eval()")
        more = (self.eps, self.slope, self._running(), self.batches, self.rounding_y(), self.ranks)
        y, mean, _, rstd = backend.batchnorm(x, scale, shift, *more, **found)
        self.save(x, mean, rstd)
        return y

    def backward(self, dy: Array | Factor | Summed, input_grad: bool = True) -> Array | Factor | None:
        x, *statistics = self.take()
        dy, found = taken_apart(dy)
        more = (self.slope, self._first_grads(), self.rounding_dx())
        if statistics:
            given = (dy, x, *statistics, *self._affine())
            dx, dscale, dshift = backend.batchnorm_backward(*given, *more, self.ranks, **found)
        else:  # of the running averages
            running = (self.buffers["running_mean"], self.buffers["running_var"])
            given = (dy, x, *running, *self._affine(), self.eps, *more)
            dx, dscale, dshift = backend.batchnorm_inference_backward(*given)
        if self.scale and self.scale.trainable:
            self.scale.add_grad(written, dscale)
        if self.shift and self.shift.trainable:
            self.shift.add_grad(written, dshift)
        return dx

    def _running(self) -> tuple[Array, Array, float] | None:
        """Return the averages that a forward pass moves, with their momentum."""
        running = self.buffers["running_mean"], self.buffers["running_var"], self.momentum
        return running if self.training else None

    def _first_grads(self) -> tuple[Array | None, Array | None]:
        """Return the arrays that the gradients of scale and shift may be computed in."""
        return self.scale and self.scale.first_grad(), self.shift and self.shift.first_grad()

    def rounding_x(self) -> str | None:
        """Return the precision of a Factor that this layer takes for x now, None if it takes none; the same for dy."""
        return factors.storage(self.buffers["running_mean"])

    rounding_dy = rounding_x

    def _affine(self) -> tuple[Array | None, Array | None]:
        return self.scale.data if self.scale else None, self.shift.data if self.shift else None

    def __repr__(self) -> str:
        more = "".join(f", {name}=False" for name in ("scale", "shift") if getattr(self, name) is None)
        return f"BatchNorm({self.channels}, eps={self.eps}, momentum={self.momentum}{more})"
