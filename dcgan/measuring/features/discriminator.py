"""Features of the run's own discriminator: its last map, averaged over the places of the picture.

D has learnt what tells real pictures from those of its own G. So these features exist for every run and cost nothing,
but every run, and every step of it, has others.
"""

from __future__ import annotations

import numpy as np

from dcgan.measuring.features import Features, average_over_places
from dcgan.sampling import lowest
from gpunet import backend
from gpunet.backend.devices import Array
from gpunet.layers import Sequential

WARNING = "these are features of this run's own D: the numbers compare with no other run, nor with another step"


def features_of(D: Sequential, G: Sequential) -> Features:
    """Return the features of D, which is put into evaluation mode; G tells the range of the numbers that D reads."""
    D.eval()
    low, device = lowest(G), backend.device_of(D.parameters()[0].data)

    def extract(images: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        given = None if labels is None else backend.to_device(labels, device)
        with D.given(given), backend.use_precision("fp32"):  # rounded maps would be features of the device, too
            return last_map(D, backend.images_to_real(backend.to_device(images, device), low=low))

    return Features(extract, {"name": "discriminator"}, WARNING)


def last_map(D: Sequential, x: Array) -> np.ndarray:
    """Return the last output of D's layers that is a map of several channels, (N, H, W, C), as its means (N, C).

    Example: dcgan64 ends with a map of 4x4x512, normalised and through LeakyReLU, and then one logit: 512 features.
    """
    found = None
    for _, _, y in D.answers(x):
        if y.ndim == 4 and y.shape[3] > 1:
            found = y
    if found is None:
        raise ValueError(f"{D!r}: got no map of several channels, expected a convolution")
    return average_over_places(backend.to_numpy(found), channels=3)
