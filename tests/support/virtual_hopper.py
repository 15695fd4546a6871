"""A Hopper GPU in NumPy, as far as kernels/conv2d_wgmma/ needs one: the TMA, shared memory, wgmma, by the books.

Maps, copies and products follow the CUDA driver API ("Tensor Map Object Management") and the PTX ISA ("im2col mode",
"Swizzling Modes", "Matrix Descriptor Format", "Asynchronous Warpgroup Level Matrix ... Shared Memory Layout"). Where
boxes lie and where results go is asked of the kernels' own functions (tests/kernels/wgmma_squares.cu). So a product
comes out right only if maps, functions, the exchange of chunks and the descriptions of squares fit together.

Not played: threads, barriers, the order of what runs at the same time.
"""

from __future__ import annotations

import ctypes
import functools
from pathlib import Path
from typing import Any

import numpy as np

from gpunet import kernels
from gpunet.backend import hopper, tensor_maps
from gpunet.backend.factors import Factor
from gpunet.backend.sizes import Sizes

SOURCE = str(Path(__file__).parents[1] / "kernels" / "wgmma_squares")
PLACE = 16 * 1024  # where the ring begins in shared memory


class Driver:
    """Plays libcuda.so.1: checks the arguments of both functions by the rules of the driver API, and keeps them."""

    def __init__(self) -> None:
        self.maps: list[dict[str, Any]] = []  # a map is its number here, in 128 bytes
        self.error = 0

    def cuTensorMapEncodeTiled(self, to, kind, rank, address, sizes, strides, box, steps, *modes):  # noqa: N802
        found = {"sizes": list(sizes), "strides": list(strides), "box": list(box), "steps": list(steps)}
        assert all(1 <= n <= 256 for n in found["box"]) and found["box"][0] * 2 <= 128 and found["box"][0] * 2 % 16 == 0
        assert rank.value in range(3, 6) and len(found["box"]) == rank.value
        return self._keep(to, kind, rank.value, address, found, modes)

    def cuTensorMapEncodeIm2col(self, to, kind, rank, address, sizes, strides, lower, upper, *more):  # noqa: N802
        channels, pixels, steps, *modes = more
        found = {"sizes": list(sizes), "strides": list(strides), "lower": list(lower), "upper": list(upper)}
        found |= {"channels": channels.value, "pixels": pixels.value, "steps": list(steps)}
        assert rank.value == 4 and len(found["lower"]) == len(found["upper"]) == 2
        assert all(-128 <= n <= 127 for n in found["lower"] + found["upper"])
        assert channels.value <= 256 and channels.value * 2 <= 128 and pixels.value <= 1024
        return self._keep(to, kind, rank.value, address, found, modes)

    def _keep(self, to, kind, rank, address, found, modes):
        assert to.value % 64 == 0 and address.value % 16 == 0 and kind in (6, 9)
        assert len(found["sizes"]) == rank and all(1 <= n <= 2**32 for n in found["sizes"])
        assert len(found["strides"]) == rank - 1 and all(n % 16 == 0 and n < 2**40 for n in found["strides"])
        assert len(found["steps"]) == rank and all(1 <= n <= 8 for n in found["steps"])
        assert found["strides"][0] >= 2 * found["sizes"][0]
        assert modes == [0, 3, 3, 0] or modes == (0, 3, 3, 0)
        self.maps.append(found | {"kind": kind, "address": address.value})
        ctypes.memmove(to.value, (len(self.maps) - 1).to_bytes(128, "little"), 128)
        return self.error

    def array(self, number: int) -> np.ndarray:
        """Return the array that a map describes, as float32, the outermost axis first."""
        found = self.maps[number]
        count = int(np.prod(found["sizes"]))
        assert found["strides"] == [2 * int(np.prod(found["sizes"][:i])) for i in range(1, len(found["sizes"]))]
        memory = (ctypes.c_uint16 * count).from_address(found["address"])
        numbers = np.frombuffer(memory, "uint16").reshape(found["sizes"][::-1])
        name = {6: "fp16", 9: "bf16"}[found["kind"]]
        return Factor(numbers if name == "bf16" else numbers.view("float16"), name).real()


def copied_pixels(images: np.ndarray, found: dict[str, Any], c, w, h, n, across, down) -> np.ndarray:
    """Return 64 pixels of 64 channels, as the TMA's im2col mode reads them from images (N, H, W, C)."""
    count, height, width, channels = images.shape
    (low_w, low_h), (up_w, up_h), (_, step_w, step_h, _) = found["lower"], found["upper"], found["steps"]
    in_line, lines = (width + up_w - low_w - 1) // step_w + 1, (height + up_h - low_h - 1) // step_h + 1
    assert (w - low_w) % step_w == (h - low_h) % step_h == 0, "a copy begins at a pixel of the bounding box"
    assert 0 <= (w - low_w) // step_w < in_line and 0 <= (h - low_h) // step_h < lines
    assert 0 <= across < 256 and 0 <= down < 256
    square = np.zeros((found["pixels"], found["channels"]), "float32")
    first = (n * lines + (h - low_h) // step_h) * in_line + (w - low_w) // step_w
    for line, pixel in enumerate(range(first, first + found["pixels"])):
        i = pixel // in_line // lines
        y, x = pixel // in_line % lines * step_h + low_h + down, pixel % in_line * step_w + low_w + across
        if i < count and 0 <= y < height and 0 <= x < width:
            part = images[i, y, x, c : c + found["channels"]]
            square[line, : len(part)] = part
    return square


def copied_box(array: np.ndarray, found: dict[str, Any], x, y, z) -> np.ndarray:
    """Return 64 rows of 64 numbers, as the TMA's tiled mode reads them from an array (planes, rows, columns)."""
    square = np.zeros(found["box"][1::-1], "float32")
    assert found["steps"] == [1, 1, 1] and found["box"][2] == 1 and min(x, y, z) >= 0
    if z < len(array):
        part = array[z, y : y + found["box"][1], x : x + found["box"][0]]
        square[: part.shape[0], : part.shape[1]] = part
    return square


def exchanged(address: np.ndarray) -> np.ndarray:
    """Return an address with its 16-byte chunk exchanged within 128 bytes: bits 4-6 xor bits 7-9."""
    return address ^ (address >> 7 & 7) << 4


class Shared:
    """Shared memory; a place for each two bytes holds a number."""

    def __init__(self) -> None:
        self.numbers = np.full(128 * 1024, np.nan, "float32")

    def write(self, address: int, square: np.ndarray) -> None:
        """Write a square as the TMA does in the mode of 128 bytes."""
        assert address % 1024 == 0
        linear = address + 2 * np.arange(square.size)
        self.numbers[exchanged(linear) // 2] = square.ravel()

    def matrix(self, description: int, rows: int, turned: bool) -> np.ndarray:
        """Return what a product reads of a factor: (rows, 16), for b its columns; turned: rows lie side by side."""
        begin, leading, stride = ((description >> bit & 0x3FFF) << 4 for bit in (0, 16, 32))
        assert description >> 62 & 3 == 1 and description >> 49 & 7 == 0  # chunks within 128 bytes; whole kilobytes
        assert turned or leading == 16  # not used: 1
        m, k = np.arange(rows)[:, None], np.arange(16)[None]
        if turned:  # 64 rows in a line of 128 bytes; the next 64 are `leading` further on, the next 8 k's `stride`
            linear = begin + m // 64 * leading + m % 64 * 2 + k // 8 * stride + k % 8 * 128
        else:  # a row's k's in a line of 128 bytes; the next 8 rows are `stride` further on
            linear = begin + m // 8 * stride + m % 8 * 128 + k * 2
        return self.numbers[exchanged(linear) // 2]


class Hopper:
    """Plays the GPU: `launch` stands for kernels.launch. Use it through the fixture `virtual_hopper`."""

    def __init__(self, driver: Driver) -> None:
        self.driver, self.launched, self.launch_here = driver, [], kernels.launch

    def launch(self, entry: str, grid, block, args, shared=0, **more) -> None:
        """Carry out a launch of kernels/conv2d_wgmma/; any other runs on the CPU."""
        if not entry.startswith("conv2d_wgmma/"):
            return self.launch_here(entry, grid, block, args, shared, **more)
        self.launched.append((entry, grid, block, args, shared))
        which, columns = entry.partition(".conv2d_")[2].rsplit("_", 1)
        *results, a, b, bias, mask, slope, parts, counters = args[:-14] if which != "weight_grad" else (
            args[0], None, *args[1:3], None, None, 1.0, *args[3:5]
        )  # fmt: skip
        total = self._total(which, int(columns), Sizes(*args[-14:-1]), args[-1], a, b)
        numbers = total + (0 if bias is None else bias)
        if slope != 1:
            positive = numbers if mask is None else Factor(mask, _precision(entry)).real()
            numbers = np.where(positive > 0, numbers, np.float32(slope) * numbers)
        if results[0] is not None:
            results[0].reshape(numbers.shape)[...] = numbers
        else:
            from gpunet.backend.factors import factor

            results[1].reshape(numbers.shape)[...] = factor(numbers.astype("float32"), _precision(entry))

    def _total(self, which: str, columns: int, g: Sizes, splits: int, a: bytes, b: bytes) -> np.ndarray:
        turned = {"forward": (False, True), "input_grad": (False, False), "weight_grad": (True, True)}[which]
        left, right = (int.from_bytes(each, "little") for each in (a, b))
        works, pixels, corners, rows = self.described(which, columns, g, splits)
        shapes = {"forward": g.y_shape, "input_grad": g.x_shape, "weight_grad": g.weight_shape}
        result = np.zeros(shapes[which])
        flat, n = result.reshape(-1), result.shape[-1]
        images, matrix, found = self.driver.array(left), self.driver.array(right), self.driver.maps
        for (_, column, begin, end, _, _), of_a, of_b, out in zip(works, pixels, corners, rows, strict=True):
            sums, shared = np.zeros((256, columns)), Shared()
            for step in range(begin, end):
                for i, where in enumerate(of_a[step]):
                    shared.write(PLACE + i * 8192, copied_pixels(images, found[left], *map(int, where)))
                for i, where in enumerate(of_b[step]):
                    shared.write(PLACE + (4 + i) * 8192, copied_box(matrix, found[right], *map(int, where)))
                self._multiply(sums, shared, columns, turned)
            used = min(columns, n - column)
            for row, place in enumerate(out):
                if place >= 0:
                    flat[place + column : place + column + used] += sums[row, :used]
        return result

    def _multiply(self, sums: np.ndarray, shared: Shared, columns: int, turned: tuple[bool, bool]) -> None:
        """Add the products of a stage: of four squares of a, for 16 k's at a time."""
        for i in range(4):
            b = shared.matrix(described(PLACE + 4 * 8192, i, turned[1]), columns, turned[1])
            for square in range(4):
                a = shared.matrix(described(PLACE + square * 8192, i, turned[0]), 64, turned[0])
                sums[64 * square : 64 * square + 64] += a.astype("float64") @ b.astype("float64").T

    def described(self, which: str, columns: int, g: Sizes, splits: int) -> list[np.ndarray]:
        """Return works, pixels, corners and rows of a launch, by the kernels' own functions."""
        phases, m, n = hopper.rows_of(which, g)
        count, steps = -(-m // 256) * phases * -(-n // columns) * splits, hopper.steps_of(which, g)
        works, rows = np.zeros((count, 6), "int32"), np.zeros((count, 256), "int64")
        pixels = np.full((count, steps, 4, 6), -(10**6), "int32")
        corners = np.full((count, steps, columns // 64, 3), -(10**6), "int32")
        number, args = hopper.PASSES.index(which), (works, pixels, corners, rows)
        self.launch_here(f"{SOURCE}.squares", 1, 1, (*args, number, columns, *g, splits, steps))
        return list(args)


@functools.cache
def described(address: int, product: int, turned: bool) -> int:
    """Return the description that the kernels make of a square for a product's k's."""
    found = np.zeros((2, 4), "int64")
    kernels.launch(f"{SOURCE}.descriptions", 1, 1, (*found, address))
    return int(found[0 if turned else 1, product])


def _precision(entry: str) -> str:
    return entry.partition(".")[0].rpartition("_")[2]


def install(monkeypatch: Any) -> Hopper:
    """Let gpunet.backend.hopper run on a virtual GPU with 7 multiprocessors."""
    gpu = Hopper(Driver())
    monkeypatch.setattr(tensor_maps, "_driver", lambda: gpu.driver)
    monkeypatch.setattr(hopper, "_multiprocessors", lambda device: 7)
    monkeypatch.setattr(hopper, "_device", lambda: 0)
    monkeypatch.setattr(hopper, "DEVICE", "cpu")
    monkeypatch.setattr(kernels, "launch", gpu.launch)
    hopper._check.cache_clear()
    return gpu
