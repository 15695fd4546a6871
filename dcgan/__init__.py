"""Deep convolutional GANs: models, data, the two training steps, and the commands train, generate and prepare."""

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
