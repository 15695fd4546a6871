"""Train a DCGAN: python -m dcgan.train [options]"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from dcgan import cli, launch

EXAMPLES = """\
examples:
  python -m dcgan.train                        the built-in drawn faces
  python -m dcgan.train --data photos/         a folder, or a .zip, of pictures
  python -m dcgan.train --data img_align_celeba.zip --crop 108
                                               CelebA as it is downloaded
  python -m dcgan.train --preset carpedm20-mnist --data mnist/
                                               digits by their label
  python -m dcgan.train --list-presets         all presets
  python -m dcgan.train --config runs/0003-dcgan64/config.json
                                               the options of a run; or .toml
  python -m dcgan.train --resume runs/0003-dcgan64 --epochs 80
                                               go on where a run stopped

The defaults are those of the preset dcgan64; --preset NAME --dry-run shows what
another preset sets.
"""


def parser() -> cli.Parser:
    """Return the parser of the command line."""
    prog = "python -m dcgan.train"
    usage = f"{prog} [--data PATH] [--preset NAME] [options]\n       {prog} --resume RUN [options]"
    parser = cli.Parser(prog=prog, usage=usage, description=__doc__, epilog=EXAMPLES)
    cli.add_options(parser)
    parser.add_argument("--config", metavar="FILE", help="file of options: a config.json, or TOML such as lr = 1e-4")
    parser.add_argument("--resume", metavar="RUN", help="go on from a run folder or a checkpoint file")
    parser.add_argument("--dry-run", action="store_true", help="print the options as they would be used, and stop")
    parser.add_argument("--list-presets", action="store_true", help="print the presets with their sizes, and stop")
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")
    return parser


@launch.on_all_ranks
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    everywhere = launch.everywhere
    given = vars(launch.parsed(parser(), arguments))
    file, path, dry = given.pop("config"), given.pop("resume"), given.pop("dry_run")
    progress = not given.pop("no_progress")
    from dcgan import config_file, presets, session, summary  # not above: --help loads no networks
    from dcgan.run import resume

    if given.pop("list_presets"):
        print(summary.listing())
        return 0
    given = given if file is None else everywhere(config_file.merged, file, given, path is not None)
    if dry:
        config = resume.changed(resume.find(path).config, given) if path else presets.config_of(given)
        print(session.resolved(config).to_json(), end="")
        return 0
    if path:
        trainer, run = session.resumed_run(path, given, progress)
    else:
        trainer, run = session.new_run(everywhere(presets.config_of, given), progress)
    return session.train(trainer, run, progress)


class _Callable(ModuleType):
    """This module as a function: dcgan.train(data="photographs/") trains (dcgan.api)."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from dcgan import api

        return api.train(*arguments, **options)


sys.modules[__name__].__class__ = _Callable

if __name__ == "__main__":
    sys.exit(main())
