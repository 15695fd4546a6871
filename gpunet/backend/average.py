"""The moving average of a network's weights, which draws better pictures than the newest weights (kernels/average.cu).

    average += (1 - decay) (values - average),    decay = min(most, (1 + s) / (10 + s))

after s steps of the optimiser. The decay begins small, so that the average forgets the first weights: it is 0.5 after
8 steps, 0.92 after 100, 0.99 after 890. Such averages are Polyak & Juditsky's ("Acceleration of stochastic
approximation by averaging", 1992); Yazici et al., "The unusual effectiveness of averaging in GAN training", 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gpunet.backend.devices import Array, array_module, operation
from gpunet.backend.launches import elements
from gpunet.backend.threads import by_rows

STEP = 1  # the place of s in Adam's state


class Averages(NamedTuple):
    """The averages of a network, as one step of Adam moves them: of Adam's flat parameters, and of flat buffers."""

    of_parameters: Sequence[Array]
    of_buffers: Sequence[tuple[Array, Array]]  # each with its buffer
    most: float


@operation
def average_update(average: Array, values: Array, state: Array, most: float) -> None:
    """Move an average (size,) towards values (size,) in place; state is Adam's, whose state[STEP] is s."""
    step = state[STEP]
    gain = (1 - array_module(average).minimum(most, (1 + step) / (10 + step))).astype(average.dtype)

    def body(average: Array, values: Array) -> None:
        average += gain * (values - average)

    by_rows(body, average, values)


@average_update.kernel
def average_update_kernel(average: Array, values: Array, state: Array, most: float) -> None:
    elements("average.average_update", (average, values, state, average.size, most), average.size)
