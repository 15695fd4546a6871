"""Features of a network in an .onnx file, which onnxruntime computes: Inception, CLIP, DINO or any other.

The file may come from a stranger. It is read as data: no library of operators is loaded, and weights that it keeps in
other files must lie in its own folder or below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from dcgan.errors import UserError
from dcgan.measuring.features import Features, average_over_places
from dcgan.options import Size, size_text
from dcgan.streams import one_line, shortened

# onnxruntime's names of the types of numbers, and NumPy's
NUMPYS = {"float": "float32", "float16": "float16", "double": "float64", "uint8": "uint8"}
# The numbers that a network reads, as (mean, deviation) of bytes, per channel: number = (byte - mean) / deviation.
RANGES: dict[str, tuple[Any, Any]] = {
    "unit": (0.0, 255.0),
    "signed": (127.5, 127.5),
    "bytes": (0.0, 1.0),
    "imagenet": (255 * np.array([0.485, 0.456, 0.406]), 255 * np.array([0.229, 0.224, 0.225])),
    "clip": (
        255 * np.array([0.48145466, 0.4578275, 0.40821073]),
        255 * np.array([0.26862954, 0.26130258, 0.27577711]),
    ),
}
TYPES = {f"tensor({name})": dtype for name, dtype in NUMPYS.items()}
LARGEST_SIDE = 4096  # pixels of a picture that a file may ask for
BATCH = 32


class Input(NamedTuple):
    """What a network reads: its name and dtype, whether channels come first, channels, size, pictures at once."""

    name: str
    dtype: str
    channels_first: bool
    channels: int
    size: Size
    batch: int


def features_of(path: str, size: Size | None = None, numbers: str = "unit") -> Features:
    """Return the features of a file. size: of the pictures that it reads, where the file does not say; numbers: RANGES.

    Its first output is taken; a map or a row of tokens is averaged. Raises UserError where it can't be used.
    """
    content = _checked(path)
    session = _session(path)
    reads = _input(session.get_inputs(), size, path)
    if reads.channels == 1 and numbers in ("imagenet", "clip"):
        raise UserError(f"--feature-range: got {numbers}, expected unit, signed or bytes: {path} reads grey pictures")

    def extract(images: np.ndarray, _: np.ndarray | None) -> np.ndarray:
        x = prepared(images, reads, numbers)
        cuts = [x[start : start + reads.batch] for start in range(0, len(x), reads.batch)]
        return np.concatenate([_run(session, reads, cut, path) for cut in cuts])

    origin = {"name": Path(path).name, "sha256": hashlib.sha256(content).hexdigest(), "range": numbers}
    origin |= {"size": size_text(reads.size), "resize": "bicubic, antialiased, to bytes"}
    return Features(extract, origin)


def prepared(images: np.ndarray, reads: Input, numbers: str) -> np.ndarray:
    """Return uint8 pictures (n, H, W, C) as the network reads them: (n, C, H, W) or (n, H, W, C)."""
    mode, (height, width) = "L" if reads.channels == 1 else "RGB", reads.size
    shown = [Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image).convert(mode) for image in images]
    resized = [each.resize((width, height), Image.Resampling.BICUBIC) for each in shown]  # the same size: unchanged
    mean, deviation = RANGES[numbers]
    x = np.stack([np.asarray(each) for each in resized]).reshape(len(images), height, width, reads.channels)
    if reads.dtype != "uint8":
        x = ((x - mean) / deviation).astype(reads.dtype)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2) if reads.channels_first else x)


def _run(session: Any, reads: Input, x: np.ndarray, path: str) -> np.ndarray:
    """Return the features (n, F) of n pictures; a file of one batch size gets its batch filled up."""
    filled = np.concatenate([x, x[:1].repeat(reads.batch - len(x), axis=0)])
    try:
        y = session.run([session.get_outputs()[0].name], {reads.name: filled})[0]
    except Exception as error:  # noqa: BLE001  (onnxruntime has a dozen kinds, all of its own)
        raise UserError(f"{path} could not be run: {_in_short(error)}") from error
    if not isinstance(y, np.ndarray) or y.dtype.kind not in "fiu" or y.ndim < 2 or len(y) != len(filled):
        raise UserError(f"{path}: its first output is no array of a row per picture, expected (N, ...)")
    channels = 1 if y.ndim == 4 and reads.channels_first else -1  # of tokens (N, tokens, F) the last, too
    return average_over_places(y[: len(x)].astype("float32"), channels)


def _input(inputs: list[Any], size: Size | None, path: str) -> Input:
    """Return what the network reads, by the shape of its only input."""
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in TYPES:
        found = ", ".join(f"{each.name} {each.type} {each.shape}" for each in inputs[:4]) or "none"
        raise UserError(f"{path}: got inputs {shortened(found, 200)}, expected one of four axes: pictures")
    first, (batch, *axes) = inputs[0], inputs[0].shape
    if axes[0] not in (1, 3) and axes[2] not in (1, 3):
        raise UserError(f"{path}: got an input of shape {first.shape}, expected 1 or 3 channels first or last")
    channels_first = axes[0] in (1, 3)
    places = axes[1:] if channels_first else axes[:2]
    fixed = [side if isinstance(side, int) and side > 0 else None for side in places]
    wanted = tuple(known or (size[i] if size else 0) for i, known in enumerate(fixed))
    if 0 in wanted:
        raise UserError(f"{path} reads pictures of any size: say which by --feature-size, such as 299")
    if size and wanted != size:
        raise UserError(f"--feature-size: got {size_text(size)}, {path} reads {wanted[0]}x{wanted[1]}")
    if max(wanted) > LARGEST_SIDE:
        raise UserError(f"{path} reads pictures of {wanted[0]}x{wanted[1]}, expected at most {LARGEST_SIDE} a side")
    count = batch if isinstance(batch, int) and 0 < batch <= 1024 else BATCH
    channels = axes[0] if channels_first else axes[2]
    return Input(first.name, TYPES[first.type], channels_first, channels, (wanted[0], wanted[1]), count)


# ---- opening a file that may be hostile -----------------------------------------------------------------------------


def _session(path: str) -> Any:
    """Return the session of onnxruntime, on the CPU, which says nothing by itself."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  (onnxruntime has a dozen kinds, all of its own)
        raise UserError(f"{path} cannot be run: {_in_short(error)}") from error


def _checked(path: str) -> bytes:
    """Return the content of a file whose weights lie in it, or in its folder. Raises UserError for any other file."""
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError as error:
        need = f"--features {path} needs onnx and onnxruntime ({error})"
        raise UserError(f"{need}: pip install 'gpunet[onnx]'") from error
    place = Path(path)
    try:
        content = place.read_bytes()
        model = onnx.ModelProto.FromString(content)
    except OSError as error:
        reason = f"cannot read {path}: {error.strerror or error}"
        raise UserError(f"--features: {reason}; expected discriminator, classifier or FILE.onnx") from error
    except Exception as error:  # noqa: BLE001  (protobuf's own)
        raise UserError(f"{path} is no .onnx file: {_in_short(error)}") from error
    if not model.graph.input:
        raise UserError(f"{path} is no .onnx file, or a damaged one: it has no input")
    folder = place.resolve().parent
    for location in _locations(model, onnx.TensorProto):
        if not (folder / location).resolve().is_relative_to(folder):
            outside = shortened(location, 100)
            raise UserError(f"{path} keeps weights in {outside}, expected them in its own folder: refused")
    return content


def _locations(message: Any, tensor: Any) -> Iterator[str]:
    """Yield the names of the files that tensors of a message, or of messages in it, keep their numbers in."""
    if isinstance(message, tensor):
        yield from (entry.value for entry in message.external_data if entry.key == "location")
        return
    for field, value in message.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for item in value if hasattr(value, "__len__") else [value]:
                yield from _locations(item, tensor)


def _in_short(error: Exception) -> str:
    return shortened(one_line(str(error)), 200)
