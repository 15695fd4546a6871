"""A folder as the Hugging Face Hub expects it: model.safetensors, config.json and a model card, README.md."""

from __future__ import annotations

import json
from pathlib import Path

from dcgan.exchange import safetensors
from dcgan.exchange.weights import MODEL, TEXTS, Weights
from gpunet import __version__
from gpunet.files import write_atomically

CARD = """\
---
library_name: gpunet
pipeline_tag: unconditional-image-generation
tags: [gan, dcgan]
---

# {run}

A DCGAN of the preset `{preset}`. It draws pictures of {height}x{width}x{channels} and was trained for {step:,} steps of
{batch} pictures.
{classes}
Draw pictures with gpunet {version}:

```python
import dcgan

run = dcgan.load("FOLDER")         # this folder
pictures = run.sample(64, seed=1)  # uint8 (64, {height}, {width}, {channels})
```

Weights: {weights}. Learning rate {lr:g}, beta1 {beta1:g}, beta2 {beta2:g}, width {filters}. A z has {z_dim} numbers
({z_dist}).

Fill in before you publish: the data and its licence, what the pictures may be used for, and what they should not.
"""
AVERAGED = {"ema": "the moving average of G's weights", "raw": "G's weights as they were trained"}


def write(folder: Path, run: Weights) -> None:
    """Write the three files."""
    folder.mkdir(parents=True, exist_ok=True)
    safetensors.write(folder / MODEL, run.joined(), run.texts())
    write_atomically(folder / TEXTS, as_json(run))
    write_atomically(folder / "README.md", card(run).encode())


def as_json(run: Weights) -> bytes:
    """Return the texts of weights as JSON, one a line."""
    return (json.dumps({"model_type": "dcgan", **run.texts()}, indent=2) + "\n").encode()


def card(run: Weights) -> str:
    """Return the model card."""
    config, (height, width) = run.config, run.config.image_size
    classes = f"It is told the class of every picture: {', '.join(run.classes)}.\n" if run.classes else ""
    return CARD.format(
        run=run.run, preset=config.preset, height=height, width=width, channels=config.channels or 3, step=run.step,
        batch=config.batch_size, classes=classes, version=__version__, weights=AVERAGED[run.weights], lr=config.lr,
        beta1=config.beta1, beta2=config.beta2, filters=config.width, z_dim=config.z_dim, z_dist=config.z_dist,
    )  # fmt: skip
