"""The ways in which PyTorch's users make its training step fast, by their names. Needs no PyTorch.

"eager" is the step of pytorch/examples. Each other part of a rival's name switches one thing on: "frozen" computes no
gradients of D's parameters in G's update, "channels_last" is a memory format, "fused" is Adam in one kernel, "compiled"
is torch.compile, "graph" replays the whole step as one CUDA graph, and "bf16" and "fp16" are automatic mixed precision
(autocast), fp16 with a scaled loss.
"""

from __future__ import annotations

from dataclasses import dataclass

MIXED = ("bf16", "fp16")
PARTS = ("eager", "frozen", "channels_last", "fused", "compiled", "graph", *MIXED)


@dataclass(frozen=True)
class Rival:
    """One way to run the step; its name lists the parts that are switched on, with + between them."""

    name: str

    def __post_init__(self) -> None:
        if not set(self.parts) <= set(PARTS):
            raise ValueError(f"got rival {self.name!r}, expected some of {', '.join(PARTS)}, with + between")
        if self.has("graph") and not (self.has("frozen") and self.has("fused")):
            raise ValueError(f"got rival {self.name!r}, expected a graph with frozen+fused, which it needs")

    @property
    def parts(self) -> list[str]:
        return self.name.split("+")

    def has(self, part: str) -> bool:
        """Return whether this part is switched on."""
        return part in self.parts

    @property
    def mixed(self) -> str | None:
        """The precision of the products in mixed precision, None without it."""
        return next((part for part in self.parts if part in MIXED), None)


RIVALS = tuple(map(Rival, (
    "eager", "frozen", "frozen+channels_last", "frozen+fused", "frozen+fused+channels_last",
    "frozen+fused+compiled", "frozen+fused+channels_last+compiled",
)))  # fmt: skip
ON_CUDA = tuple(map(Rival, (  # the strongest ways on a GPU, where the others would only take their time
    "eager", "frozen+fused+channels_last", "frozen+fused+channels_last+graph",
    "frozen+fused+channels_last+compiled+graph",
)))  # fmt: skip
