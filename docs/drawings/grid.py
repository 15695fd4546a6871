"""The picture of lesson 8: grid, block, warp and thread, each beside the memory that its threads share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drawings.parts import BLUE, GREEN, GREY, INK, ORANGE, RED, Rectangle, arrow, blank, box, plt, save

BLOCKS, WARPS, LANES = 6, 4, 32
CHOSEN_BLOCK, CHOSEN_WARP, CHOSEN_LANE = 2, 1, 5
LEFT, LANE = 2.6, 0.26  # where the drawings begin, and how wide a lane is
RIGHT = 12.9  # where the memories begin
GLOBAL = "global memory\nthe arrays, tens of GB\nseveral hundred cycles,\nin sectors of 32 bytes"
SHARED = "shared memory\nabout 100 KB, 32 banks\nsome tens of cycles\nbarrier: __syncthreads()"
REGISTERS = "registers\nup to 255 numbers\nat once"


def grid(place: Path) -> None:
    """Draw the levels from top to bottom; each shows one piece of the level above it."""
    figure, ax = plt.subplots(figsize=(12, 7.2))
    blank(ax, 17.6, 10.2)
    draw_grid(ax)
    draw_block(ax)
    draw_thread(ax)
    for y, height, text, colour in (
        (7.85, 1.9, GLOBAL, BLUE),
        (4.3, 2.4, SHARED, ORANGE),
        (1.15, 1.3, REGISTERS, GREEN),
    ):
        box(ax, RIGHT, y, 4.5, height, text, colour)
    save(figure, place)


def level(ax: Any, y: float, name: str, text: str) -> None:
    """Name a level at the left."""
    ax.text(0.1, y + 0.2, name, fontsize=13, color=INK, weight="bold", va="center")
    ax.text(0.1, y - 0.3, text, fontsize=9, color="#666666", va="top")


def draw_grid(ax: Any) -> None:
    """The grid: blocks in a row, each of which any multiprocessor may take."""
    level(ax, 8.8, "grid", "all blocks\nof a launch,\nin any order")
    for number in range(BLOCKS):
        box(ax, LEFT + number * 1.42, 8.2, 1.25, 1.2, f"block {number}", BLUE, 0.4 if number == CHOSEN_BLOCK else 0.12)
    arrow(ax, (LEFT + BLOCKS * 1.42 + 0.1, 8.8), (RIGHT - 0.1, 8.8), BLUE, arrowstyle="<|-|>")


def draw_block(ax: Any) -> None:
    """A block: warps below each other, lanes beside each other, and the ends of the funnel from the grid."""
    level(ax, 5.9, "block", "up to 1024\nthreads of one\nmultiprocessor")
    width = LANES * LANE
    for x, corner in ((LEFT, LEFT + CHOSEN_BLOCK * 1.42), (LEFT + width, LEFT + CHOSEN_BLOCK * 1.42 + 1.25)):
        ax.plot([corner, x], [8.15, 6.85], color=GREY, linewidth=1)
    for warp in range(WARPS):
        y = 6.3 - warp * 0.6
        for lane in range(LANES):
            chosen = warp == CHOSEN_WARP and lane == CHOSEN_LANE
            colour = RED if chosen else ORANGE
            ax.add_patch(
                Rectangle((LEFT + lane * LANE, y), LANE * 0.86, 0.42, color=colour, alpha=1 if chosen else 0.35)
            )
        ax.text(LEFT + width + 0.1, y + 0.2, f"warp {warp}", fontsize=9, color=INK, va="center")
    note = "32 lanes of a warp carry out one instruction together"
    ax.text(LEFT + width / 2 + 0.8, 4.2, note, fontsize=9.5, color="#666666", ha="center", va="top")
    arrow(ax, (LEFT + width + 0.95, 5.5), (RIGHT - 0.1, 5.5), ORANGE, arrowstyle="<|-|>")


def draw_thread(ax: Any) -> None:
    """A thread: its numbers, and the element that it works on."""
    level(ax, 1.8, "thread", "one pass\nof the loop")
    thread = CHOSEN_WARP * LANES + CHOSEN_LANE
    block = WARPS * LANES
    x = LEFT + CHOSEN_LANE * LANE + LANE * 0.43
    arrow(ax, (x, 5.65), (x, 2.6), RED)
    text = (
        f"blockIdx.x = {CHOSEN_BLOCK}     blockDim.x = {block}     threadIdx.x = {thread}\n\n"
        f"i = {CHOSEN_BLOCK} * {block} + {thread} = {CHOSEN_BLOCK * block + thread}:     y[i] = f(x[i])"
    )
    box(ax, LEFT, 1.05, LANES * LANE, 1.5, text, RED)
    arrow(ax, (LEFT + LANES * LANE + 0.1, 1.8), (RIGHT - 0.1, 1.8), GREEN, arrowstyle="<|-|>")


FIGURES = {"lessons/grid": grid}
