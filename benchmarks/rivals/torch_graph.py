"""PyTorch's training step as one CUDA graph: its strongest way on a GPU, where launching costs more than computing.

PyTorch's own way to graphs (torch.compile with the mode "reduce-overhead") captures each network by itself. It fails in
a GAN's step: G's picture still lives when D's first backward pass has ended a generation of its graphs. So the whole
step is captured here, both networks and both optimisers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

WARM_UP = 3  # steps before the capture: cuDNN chooses its algorithms, Adam makes its moments


class Replayed:
    """A step without inputs as a CUDA graph; `state()` returns the tensors that the step changes.

    The steps before the capture leave no trace: the tensors that were there get their values back, and what came into
    being, Adam's moments and step counts, becomes 0.
    """

    def __init__(self, step: Callable[[], dict[str, torch.Tensor]], state: Callable[[], list[torch.Tensor]]) -> None:
        before = {id(tensor): tensor.detach().clone() for tensor in state()}
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, stream=stream):
            self.losses = step()
        with torch.no_grad():
            for tensor in state():
                tensor.copy_(before[id(tensor)]) if id(tensor) in before else tensor.zero_()

    def __call__(self) -> dict[str, Any]:
        """Run the step; the next call overwrites the losses."""
        self.graph.replay()
        return self.losses
