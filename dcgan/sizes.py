"""Picture sizes as users write them: "64" or "64x48", height x width."""

from __future__ import annotations

from dcgan.errors import UserError

Size = tuple[int, int]  # (height, width)


def parse_size(text: str) -> Size:
    """(H, W) of "64" or "64x48" (height x width); raises UserError for anything else."""
    parts = text.lower().split("x")
    if len(parts) in (1, 2) and all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        return int(parts[0]), int(parts[-1])
    raise UserError(f"size {text!r}: expected a number of pixels such as 64, or height x width such as 64x48")


def size_text(size: Size) -> str:
    """'64x48'."""
    return f"{size[0]}x{size[1]}"
