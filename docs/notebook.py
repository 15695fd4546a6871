# %% [markdown]
# # A GAN from training to walking, in one notebook
#
# A small DCGAN learns to draw faces in about a minute on two CPU cores. Then we look at its losses and its
# pictures, draw new ones, ask the discriminator what it thinks of them, and walk from one face to another.
#
# It needs the project installed in the notebook's environment: `pip install .` in a checkout.
# [python.md](python.md) explains the functions used here, [training.md](training.md) how to read a training.

# %%
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

import dcgan
from dcgan.images import enlarged, grid


def show(pictures, columns=None, scale=2):
    """Return uint8 pictures (N, H, W, C) as one image, which is shown as the last line of a cell."""
    sheet = enlarged(grid(pictures, columns), scale)
    return Image.fromarray(sheet.squeeze())  # squeeze: grey pictures have one channel


# %% [markdown]
# ## Train
#
# Without `data` the project draws faces by itself; `data="photographs/"` takes pictures of yours. The options are
# those of `python -m dcgan.train --help`. `callback` gets the numbers of every step.

# %%
numbers = []
run = dcgan.train(
    width=16,  # filters of the layer next to the pictures; 64 as published
    image_size=32,
    batch_size=32,
    steps=400,
    lr=1e-3,
    beta1=0,
    beta2=0.99,
    callback=numbers.append,
)
print(run)

# %% [markdown]
# ## Look
#
# D(x) is how likely D finds that real pictures are real, D(G(z)) the same of drawn ones. At the start D tells
# them apart at once. While both stay away from 0 and 1, each network has something to learn from the other.

# %%
steps = [record["step"] for record in numbers]
for key, name in (("d_real", "D(x)"), ("d_fake", "D(G(z))")):
    plt.plot(steps, [record[key] for record in numbers], label=name)
plt.xlabel("step")
plt.legend()
plt.show()

# %% [markdown]
# ## Draw
#
# A seed gives the same pictures each time. The address of a picture says how to draw it again, on any machine
# that has the run: `python -m dcgan.generate --address ...`.

# %%
pictures = run.sample(16, seed=1)
print(run.address(seed=1, index=1))
show(pictures, columns=8)

# %% [markdown]
# What does D say of them? The logit is above 0 where D takes a picture for real. From the least to the most real
# one:

# %%
logits = run.discriminator(pictures)
order = np.argsort(logits)
print(np.round(logits[order], 1))
show(pictures[order], columns=8)

# %% [markdown]
# ## Walk
#
# G draws similar pictures from similar z. So the pictures of the points on a line from one z to another turn one
# face into the other. In many dimensions the middle of a straight line lies nearer to 0 than the z that G has
# seen; a line along the sphere keeps the length.


# %%
def on_the_way(a, b, count=8):
    """Return count z (count, Z) from a (Z,) to b, nearly along the sphere that both are near to."""
    angle = np.arccos(np.clip(a @ b / np.linalg.norm(a) / np.linalg.norm(b), -1, 1))
    t = np.linspace(0, 1, count)[:, None]  # (count, 1)
    return (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)


def as_pictures(x):
    """Return G's numbers, from -1 to 1, as uint8."""
    return np.round((x + 1) * 127.5).astype("uint8")


z = np.random.default_rng(2).standard_normal((5, run.config.z_dim))
ways = np.concatenate([on_the_way(a, b) for a, b in zip(z, z[1:], strict=False)])  # (4 * 8, Z)
show(as_pictures(run.generator(ways)), columns=8)

# %% [markdown]
# ## Invert
#
# The way back: which z draws a given picture? It is looked for by Adam through G's own backward pass. Above stand
# pictures that G has drawn from z which the search does not know, below what it has found. A real photograph is
# found less well ([invert.md](invert.md)).

# %%
wanted = run.sample(4, seed=3)
found = as_pictures(run.generator(run.invert(wanted, steps=150)))
show(np.concatenate([wanted, found]), columns=4)

# %% [markdown]
# ## On from here
#
# `run` is the run folder that the command line makes, too: `python -m dcgan.train --resume runs/0001-dcgan64
# --steps 2000` trains on, and `dcgan.load("runs/0001-dcgan64")` opens it in another notebook.
