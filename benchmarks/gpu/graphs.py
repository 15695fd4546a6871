"""Is the captured step the step? Bit for bit with and without the graph, after a resume, and against the CPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.gpu.sized import Settings
from benchmarks.measure.workloads import Workload
from dcgan.config import Config
from dcgan.gan import GAN
from dcgan.sampling import draw_z
from dcgan.stepper import Inputs, Stepper
from gpunet.backend import use, use_precision

STEPS, FEW = 8, 5  # the first two of a plan run without a graph; FEW: of a scaled run
CPU_STEPS = 20
CPU_BOUND = 1e-2  # between the losses of the GPU in fp32 and of the CPU, after so many steps


def run(settings: Settings) -> None:
    """Keep whether the bits are equal, for every precision, two plans, and a resume in the middle."""
    config, steps = Workload.named(settings.workload()).config, STEPS if settings.full else FEW
    for precision in settings.precisions:
        with use("kernels"), use_precision(precision):
            own = replace(config, precision=precision)
            settings.add("equal", {"what": f"graph, {precision}", "equal": equal(own, own, steps)})
    with use("kernels"), use_precision("fp32"):
        uneven = replace(config, ratio=(2, 1), fresh_z=True)
        settings.add("equal", {"what": "graph, ratio 2:1", "equal": equal(uneven, uneven, steps)})
        settings.add("equal", {"what": "resume", "equal": equal(config, config, steps, True)})
        small = replace(config, width=8, batch_size=8)
        on_gpu = losses(small, "cuda", True, settings.times(CPU_STEPS))[0]
    with use("reference"):  # NumPy's: nothing is to be compiled for the CPU
        on_cpu = losses(small, "cpu", False, settings.times(CPU_STEPS))[0]
    apart = float(np.abs(np.array(on_gpu) - np.array(on_cpu)).max())
    settings.keep(apart_from_cpu=apart, as_on_cpu=apart <= CPU_BOUND)


def equal(first: Config, second: Config, steps: int, resume: bool = False) -> bool:
    """Return whether losses and weights of two trainings have the same bits: with a graph, and without or resumed."""
    a, b = losses(first, "cuda", True, steps), losses(second, "cuda", resume, steps, resume)
    return a[0] == b[0] and all(np.array_equal(x, y) for x, y in zip(a[1], b[1], strict=True))


def losses(config: Config, device: str, graph: bool, steps: int, resume: bool = False) -> tuple[list[float], Any]:
    """Return the losses of all steps, and the weights behind them; resume: through a saved state in the middle."""
    rng, found = np.random.default_rng(1), []
    gan = GAN(config, np.random.default_rng(0), device)
    stepper = Stepper(gan, device, graph)
    for number in range(1, steps + 1):
        if resume and number == steps // 2:
            state, gan = gan.state_dict(), GAN(config, np.random.default_rng(5), device)
            gan.load_state_dict(state)
            stepper = Stepper(gan, device, graph)
        shape = (config.batch_size, *config.image_size, config.channels or 3)
        zs = [draw_z(rng, config.batch_size, config) for _ in range(gan.draws(number))]
        with stepper.running():
            stats = stepper(number, Inputs(rng.integers(0, 256, shape, dtype="uint8"), zs))
            found += [float(value) for value in stats.values()]
    return found, [array for name in ("G", "D") for array in gan.state_dict()[name].values()]
