"""The page that draws with a G in the browser: one file, which loads nothing.

The page's script and its style stand in it, and the policy at its head lets the browser run these alone. A worker,
whose text is in the page, too, computes the pictures.
"""

from __future__ import annotations

import base64
import json
import shlex
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import numpy as np

from dcgan.exchange.browser import plan
from dcgan.reporting.markup import Markup, escaped, source_hash, tag
from dcgan.sampling import balanced_labels, draw_z, lowest, require_numbers
from gpunet import __version__, backend
from gpunet.files import write_atomically
from gpunet.layers import Sequential

if TYPE_CHECKING:
    from dcgan.config import Config
    from dcgan.trained import Trained

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; style-src '{style}'; script-src '{script}'; worker-src blob:; img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
TRIED = 256  # pictures that directions, and the loss by rounding, are measured with
DIRECTIONS = 8
REACH = 3  # sliders go so many standard deviations of z to either side
NEAR = 0.5 / 255  # rms difference, of a range of 1, up to which weights of 8 bits will do: half a level of a byte
SMALL = 160  # pixels: smaller pictures are shown with their pixels to be seen


def write(path: Path, run: Trained) -> None:
    """Write the page of a run's G. UserError: G has a layer that the page cannot compute, or draws NaN."""
    write_atomically(path, page(run).encode())


def page(run: Trained) -> str:
    """Return the page of a run's G as HTML. UserError: as `write`."""
    z, labels = _tried(run.config)
    exact = _drawn(plan.evaluated(run.G), z, labels)  # (N, H, W, C)
    bits, lost = _enough_bits(run, exact, z, labels)
    model, arrays = _model(run, bits, principal(z, exact))
    style, script, (height, width) = _file("page.css"), _file("page.js"), exact.shape[1:3]
    return Template(_file("page.html")).substitute(
        policy=POLICY.format(style=source_hash(style), script=source_hash(script)),
        title=escaped(f"Drawn by {run.run}"),
        about=escaped(_about(run, height, width)),
        same=_same(run),
        weights=escaped(_weights(run, bits, lost)),
        size="small" if max(height, width) < SMALL else "large",
        width=width,
        height=height,
        classes=_chooser(run),
        sliders="\n".join(_slider(number) for number in range(len(model["directions"]))),
        model=json.dumps(model, separators=(",", ":")).replace("<", "\\u003c"),  # "</script>" in a name ends nothing
        arrays=base64.b64encode(arrays).decode(),
        worker="\n".join(map(_file, ("numbers.js", "layers.js", "worker.js"))),
        script=script,
        style=style,
    )


def _model(run: Trained, bits: int, directions: np.ndarray) -> tuple[dict[str, Any], bytes]:
    """Return what the scripts read, and the bytes of all arrays: those of the steps, then the directions."""
    config = run.config
    steps, (height, width, channels) = plan.steps_of(run.G, (1, 1, config.z_dim))
    packed, arrays = plan.packed(steps, bits)
    model = {
        "run": run.run, "step": run.step, "weights": run.weights, "bits": bits, "steps": packed, "low": lowest(run.G),
        "width": width, "height": height, "channels": channels, "z": {"size": config.z_dim, "dist": config.z_dist},
        "directions": [len(arrays) + 4 * config.z_dim * i for i in range(len(directions))],
    }  # fmt: skip
    return model, arrays + directions.astype("<f4").tobytes()


def principal(z: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Return directions in z (K, z_dim), as long as a standard deviation of z and at right angles to each other.

    The first is the one along which z moves pictures (N, H, W, C) most: the principal components of the pictures, each
    picture's place on them, and the z that goes with it, by least squares (Haerkoenen et al., "GANSpace", 2020).
    """
    flat = z.reshape(len(z), -1).astype("float64")
    centred = (pictures - pictures.mean(axis=0)).reshape(len(pictures), -1).astype("float64")
    values, vectors = np.linalg.eigh(centred @ centred.T)  # ascending; vectors (N, N)
    count = min(DIRECTIONS, flat.shape[1])
    places = (vectors * np.sqrt(np.maximum(values, 0)))[:, : -count - 1 : -1]  # (N, K)
    along, _ = np.linalg.qr(np.linalg.lstsq(places, flat - flat.mean(axis=0), rcond=None)[0].T)  # (z_dim, K)
    return along.T * flat.std()


def _tried(config: Config) -> tuple[np.ndarray, np.ndarray | None]:
    """Return z (N, 1, 1, z_dim), and labels (N,) for networks that are told them."""
    return draw_z(np.random.default_rng(0), TRIED, config), balanced_labels(TRIED, config)


def _drawn(G: Sequential, z: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
    """Return G's pictures for z, drawn in parts that need little memory."""
    parts = []
    for start in range(0, len(z), 32):
        cut = slice(start, start + 32)
        with G.given(None if labels is None else labels[cut]):
            parts.append(backend.to_numpy(G.forward(z[cut])))
        require_numbers(parts[-1])
    return np.concatenate(parts)


def _enough_bits(run: Trained, exact: np.ndarray, z: np.ndarray, labels: np.ndarray | None) -> tuple[int, float]:
    """Return 8, or 16 where 8 bits are too few, and the rms difference that rounding makes, for a range of 1."""
    for bits in (8, 16):
        difference = (_drawn(plan.evaluated(run.G, bits), z, labels) - exact) / (1 - lowest(run.G))
        lost = float(np.sqrt(np.mean(difference.astype("float64") ** 2)))
        if lost < NEAR:
            break
    return bits, lost


def _about(run: Trained, height: int, width: int) -> str:
    data = " on the built-in drawn faces" if run.config.data is None else ""
    return (
        f"A generator draws pictures of {height}x{width} pixels here, in your browser: preset {run.config.preset}, "
        f"trained for {run.step:,} steps{data}. This page loads nothing and sends nothing."
    )


def _same(run: Trained) -> Markup:
    """Return how to draw the same in Python. A line breaks between the words of the command only."""
    more = ["--sampling-statistics", "running"] if run.config.sampling_statistics == "batch" else []
    more += ["--label", shlex.quote(_names(run)[0])] if run.config.classes else []
    words = ["python", "-m", "dcgan.generate", "RUN", "--seed", "0", "--count", "16", *more, "--out", "grid.png"]
    command = tag("code", [[tag("span", word), " "] for word in words])
    return Markup(
        f"A seed means the same numbers z as in Python: {command} draws the grid of seed 0. The name below the large "
        "picture is its address, which dcgan.generate --address takes."
    )


def _weights(run: Trained, bits: int, lost: float) -> str:
    numbers = sum(parameter.data.size for parameter in run.G.parameters())
    kind = "the moving average of its weights" if run.weights == "ema" else "its weights as trained"
    return (
        f"{numbers:,} parameters, {kind}, rounded to {bits} bits; over {TRIED} pictures that changes a pixel by "
        f"{255 * lost:.2f} of 255 levels (root mean square). Written by gpunet {__version__}."
    )


def _chooser(run: Trained) -> Markup:
    """Return the menu of classes, for a network that is told them."""
    if not run.config.classes:
        return Markup("")
    options = [tag("option", name, value=i) for i, name in enumerate(_names(run))]
    return Markup(tag("label", "Class ", tag("select", options, id="class")) + "\n")


def _names(run: Trained) -> list[str]:
    """Return the names of the classes; a number for one that has none."""
    return [run.classes[i] if i < len(run.classes) else str(i) for i in range(run.config.classes or 0)]


def _slider(number: int) -> Markup:
    name = f"Direction {number + 1}"
    slider = tag("input", type="range", min=-REACH, max=REACH, step=0.1, value=0, autocomplete="off", aria_label=name)
    return tag("label", tag("span", name), slider, tag("output", "0.0"), class_="slider")


def _file(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
