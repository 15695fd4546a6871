"""From an array of any usual layout and number type to uint8 images: what its axes and its values mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from dcgan.data.formats.arrays import Convert
from dcgan.errors import UserError

BLOCK_BYTES = 2**24  # of the array, looked at in one go


def converter(array: Any, origin: object) -> Convert:
    """The function that turns a row of `array` (N, ...) into uint8 (H, W, C), from its shape, type and values.

    Axes: (N, H, W) is grey; of (N, H, W, C) and (N, C, H, W) the axis of length 1 or 3 is the channels.
    Values: uint8 as they are; whole numbers from 0 to 255; true and false as 255 and 0; floating point in [0, 1] times
    255, or, where any is negative, in [-1, 1] as (x + 1) * 127.5. Raises UserError for anything else.
    """
    to_hwc, to_uint8 = layout(array.shape, origin), scale(array, origin)
    return lambda row: to_hwc(to_uint8(row))


def layout(shape: tuple[int, ...], origin: object) -> Convert:
    """The function from a row to (H, W, C)."""
    if len(shape) not in (3, 4):
        raise UserError(f"{origin} has shape {shape}: expected images as (N, H, W), (N, H, W, C) or (N, C, H, W)")
    if min(shape) == 0:
        raise UserError(f"{origin} has shape {shape}: it holds no images")
    if len(shape) == 3:
        if shape[2] in (1, 3) and shape[1] > 3:
            raise UserError(
                f"{origin} has shape {shape}: one image (H, W, C), or {shape[0]} of (H, W)? Give it a leading axis: "
                "array[None] or array[..., None]"
            )
        return lambda row: row[..., None]
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first == last:
        which = "both axis 1 and axis 3 could be the channels" if first else "neither axis 1 nor axis 3 is 1 or 3 long"
        raise UserError(f"{origin} has shape {shape}: {which}; expected (N, H, W, C) or (N, C, H, W) with C 1 or 3")
    return (lambda row: row.transpose(1, 2, 0)) if first else (lambda row: row)


def scale(array: Any, origin: object) -> Convert:
    """The function from a row's numbers to uint8."""
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return lambda row: row
    if kind == "b":
        return lambda row: row * np.uint8(255)
    if kind not in "iuf":
        raise UserError(f"{origin} holds {array.dtype}: expected uint8, other whole numbers or floating point")
    low, high = value_range(array)
    if kind != "f" and low >= 0 and high <= 255:
        return lambda row: row.astype(np.uint8)
    if kind == "f" and low >= 0 and high <= 1:
        return lambda row: np.rint(row * 255.0).astype(np.uint8)
    if kind == "f" and low >= -1 and high <= 1:
        return lambda row: np.rint((row + 1.0) * 127.5).astype(np.uint8)
    expected = "in [0, 1] or [-1, 1]" if kind == "f" else "from 0 to 255"
    raise UserError(
        f"{origin} holds {array.dtype} values from {low:g} to {high:g}: expected {expected}; convert them to uint8"
    )


def value_range(array: Any) -> tuple[float, float]:
    """The smallest and the largest value (NaN where there is one), read block by block."""
    rows = max(1, BLOCK_BYTES // max(1, int(np.prod(array.shape[1:])) * array.dtype.itemsize))
    lows, highs = [], []
    for start in range(0, len(array), rows):
        block = np.asarray(array[start : start + rows])
        lows.append(float(block.min()))
        highs.append(float(block.max()))
    return float(np.min(lows)), float(np.max(highs))
