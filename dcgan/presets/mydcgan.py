"""mydcgan: Denstiny2017/myDCGAN, carpedm20's networks for CelebA with its own cadence, a crop of 108x108, and the
data's first pictures beside every sample grid.

Its batch norm had nameless scales and shifts, which no optimiser found, and its checkpoint was read again at the start
of every epoch. Here both networks are trained whole, and a run is read once.
"""

from __future__ import annotations

from dataclasses import replace

from dcgan.presets import carpedm20

PRESET = replace(
    carpedm20.PRESET,
    summary="Denstiny2017/myDCGAN: carpedm20's networks, a sample every 100 steps",
    settings={
        **carpedm20.SETTINGS,
        "crop_larger": (108, 108),
        "sample_every": 100,
        "checkpoint_every": 500,
        "real_grids": True,
        "real_first": True,
    },
)
