"""Deep convolutional GANs: networks, data, training, the commands, and for code of yours `load` and `train`.

    import dcgan

    run = dcgan.load("runs/0001-dcgan64")
    pictures = run.sample(64, seed=1)  # uint8 (64, H, W, C)

docs/python.md shows the rest.
"""

import sys


def _hook(kind, error, trace, before=sys.excepthook):
    """Tell an uncaught KeyboardInterrupt by one word; hand every other error on."""
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
    else:
        before(kind, error, trace)


# A command was started, `python -m dcgan.NAME` or `dcgan-NAME`: Ctrl-C may come while it still loads its modules. So
# nothing but sys is imported here.
if sys.argv[:1] == ["-m"] or (sys.argv and sys.argv[0].replace("\\", "/").rpartition("/")[2].startswith("dcgan-")):
    sys.excepthook = _hook


def __getattr__(name):
    """Load what code of yours asks for, and only then: a command should not wait for it.

    dcgan.train is the module of the command; it can be called like a function.
    """
    from importlib import import_module

    if name == "train":
        return import_module("dcgan.train")
    if name in ("Run", "load"):
        return getattr(import_module("dcgan.api"), name)
    raise AttributeError(f"module 'dcgan' has no attribute '{name}'")
