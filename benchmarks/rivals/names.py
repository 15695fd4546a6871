"""The ways in which PyTorch's users make its training step fast, by their names. Needs no PyTorch.

"eager" is the step of pytorch/examples. Each other part of a rival's name switches one thing on: "frozen" computes no
gradients of D's parameters in G's update, "channels_last" is a memory format, "fused" is Adam in one kernel, "compiled"
is torch.compile, and "graphs" replays CUDA graphs on a GPU (the mode "reduce-overhead").
"""

from __future__ import annotations

from dataclasses import dataclass

PARTS = ("eager", "frozen", "channels_last", "fused", "compiled", "graphs")


@dataclass(frozen=True)
class Rival:
    """One way to run the step; its name lists the parts that are switched on, with + between them."""

    name: str

    def __post_init__(self) -> None:
        if not set(self.parts) <= set(PARTS):
            raise ValueError(f"got rival {self.name!r}, expected some of {', '.join(PARTS)}, with + between")

    @property
    def parts(self) -> list[str]:
        return self.name.split("+")

    def has(self, part: str) -> bool:
        """Return whether this part is switched on."""
        return part in self.parts


RIVALS = tuple(map(Rival, (
    "eager", "frozen", "frozen+channels_last", "frozen+fused", "frozen+fused+channels_last",
    "frozen+fused+compiled", "frozen+fused+channels_last+compiled",
)))  # fmt: skip
ON_CUDA = (Rival("frozen+fused+channels_last+compiled+graphs"),)
