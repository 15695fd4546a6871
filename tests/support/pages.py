"""Commands and code of the pages (README.md, CONTRIBUTING.md, docs/), and stand-ins for the files that they name."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
import shlex
import textwrap
import zipfile
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from dcgan import prepare, train
from dcgan.data.faces.source import draw_face

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARKDOWN = [*PAGES, ROOT / "CHANGELOG.md", *sorted((ROOT / "kernels").rglob("*.md"))]
PROGRAMS = ("python", "make", "pip", "git", "ncu", "tensorboard", "nvidia-smi", "mpirun", "srun", "module", ".",
            ".venv/bin/", "dcgan-")  # fmt: skip
RUN = re.compile(r"(?:(?P<folder>.+)/)?\d{4}-(?P<preset>[a-z0-9-]+?)(?P<inside>/.*)?")  # as runs/0001-dcgan64


FENCE = re.compile(r"^(?P<excerpt><!-- excerpt: [^\n]*\n+)?```(?P<mark>[^\n]*)\n(?P<text>.*?)^```$", re.M | re.S)


class Fence(NamedTuple):
    """A block between lines of ```: the number of its first line of text, its mark, and whether it is an excerpt."""

    line: int
    mark: str
    text: str
    excerpt: bool


def fences(text: str) -> list[Fence]:
    """Return the fenced blocks of a page's text."""
    return [
        Fence(text.count("\n", 0, each.start("text")) + 1, each["mark"], each["text"], bool(each["excerpt"]))
        for each in FENCE.finditer(text)
    ]


class Command(NamedTuple):
    """A command as it stands on a page; whole: in a block, so that it is meant to be pasted."""

    text: str
    whole: bool

    @property
    def words(self) -> list[str]:
        """Return the words without the comment behind them; a bare name in a sentence is asked for its help."""
        words = shlex.split(self.text, comments=True)
        return words if self.whole or len(words) > 3 or words[0] != "python" else [*words, "--help"]


def commands(page: Path) -> list[Command]:
    """Return the commands of a page in their order, each once: `...` in sentences and the lines of blocks.

    A block of commands is indented, or fenced without a mark.
    """
    found = []
    text = FENCE.sub(
        lambda each: "" if each["mark"] or each["excerpt"] else textwrap.indent(each["text"], "    "),
        page.read_text(encoding="utf-8"),
    )
    for line in text.splitlines():
        if line.startswith("    "):
            found += [Command(line.strip(), True)]
        else:
            found += [Command(inline, False) for inline in re.findall(r"`([^`]+)`", line)]
    return [each for each in dict.fromkeys(found) if is_command(each)]


def blocks(page: Path) -> list[str]:
    """Return the blocks of Python that a page's reader runs: ```python, but for excerpts, which are code of elsewhere.

    A block keeps its line numbers, so that an error names the line of the page.
    """
    found = fences(page.read_text(encoding="utf-8"))
    return ["\n" * (each.line - 1) + each.text for each in found if each.mark == "python" and not each.excerpt]


def is_command(command: Command) -> bool:
    """Return whether a text is a command: it begins with a program and has something behind it."""
    program, _, rest = command.text.partition(" ")
    return bool(rest) and any(program == name or (name[-1] in "/-" and program.startswith(name)) for name in PROGRAMS)


@functools.cache
def installed(module: str) -> bool:
    """Return whether a module is installed."""
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


def left_out(command: Command) -> str:
    """Return why a command is not run by a test; an empty text where it is."""
    for pattern, reason in LEFT_OUT.items():
        if re.match(pattern, command.text):
            return reason
    lacks_torch = re.match(r"python -m benchmarks\.(step|ops|scaling)", command.text) and not installed("torch")
    lacks_nvrtc = re.match(r"python -m benchmarks\.(kernels|first_start|ladder --write)", command.text) and not (
        installed("cupy") and installed("nvidia.cuda_nvrtc")
    )
    if "benchmarks.scaling --ranks" in command.text:
        return "" if installed("mpi4py") else "needs MPI"
    if "--to onnx" in command.text and not installed("onnx"):
        return "needs the package onnx"
    if " --svm" in command.text and not installed("sklearn"):
        return "needs scikit-learn"
    return "needs PyTorch" if lacks_torch else "needs NVRTC" if lacks_nvrtc else ""


LEFT_OUT = {
    r"make ": "sets up an environment with pip (that the target exists is tested)",
    r"pip install": "needs the network",
    r"git clone": "needs the network",
    r"\. \.venv": "changes the shell that it is typed in",
    r"\.venv/bin/pre-commit install": "changes the git repository",
    r"dcgan-": "needs an installation (that the package has the command is tested)",
    r"python -m benchmarks\.launches --write": "writes into the checkout; tests/benchmarks/test_launches.py tests it",
    r"python -m benchmarks\.cluster --write": "writes into the checkout; tests/benchmarks/test_cluster.py tests it",
    r"python docs/": "writes into the checkout; tests/docs/test_pictures.py tests it",
    r"python -m dcgan\.measure .*\.onnx": "needs a file that PyTorch makes",
    r"tensorboard": "is a server, and a program of others",
    r"module": "is a command of clusters",
    r"srun": "needs Slurm (tests/docs/test_ranks_page.py runs on CPUs what it starts)",
    r"mpirun .*--hostfile": "needs several machines",
    r"mpirun .*--device cuda": "needs several GPUs (tests/docs/test_ranks_page.py runs it on CPUs)",
    r"mpirun": "needs MPI (tests/docs/test_ranks_page.py runs those of blocks where it is)",
    r"ncu|nvidia-smi": "needs a GPU",
    r".*--device cuda": "needs a GPU",
    r"python -m benchmarks\.gpu(?!.*--help)": "needs a GPU (a scaled run is tested where there is one)",
    r"python -m pytest": "is these tests themselves",
    r"python -m tests\.fuzz": "kills processes, and has its own tests in tests/fuzz",
}
# Fenced blocks that are neither excerpts nor run nor commands: page, mark and first line; and why.
UNCHECKED = {
    "docs/measure.md py: import torch": "needs pytorch-fid, which loads weights from the network",
}
# Those that a test compares with what the code does, by page and mark.
COMPARED = {
    "docs/puzzles.md text": "tests/docs/test_puzzles_page.py types its commands",
    "docs/puzzles.md cuda": "tests/docs/test_puzzles_page.py checks it as a reader's file",
    "docs/ranks.md text": "tests/docs/test_ranks_page.py looks for it in what training prints",
}
# These take over a few seconds each.
SLOW = r"python -m benchmarks\.(step|ops|scaling|first_start|ladder|kernels|losses|memory|options|pipeline)(?!.*--help)"


def provide(words: list[str]) -> None:
    """Make what a command reads and what is not there: its data, runs, and files of benchmarks."""
    for before, word in zip(["", *words], words, strict=False):
        if Path(word).exists() or before == "--out":
            continue
        if before in ("--data", "--labelled", "--test"):
            pictures(Path(word))
        elif (match := RUN.fullmatch(word)) and not word.startswith("-"):
            finished_run(Path(word.removesuffix(match["inside"] or "")), match["preset"])
        elif word.endswith((".jpg", ".png")):
            Image.fromarray(draw_face(0, 0, (218, 178))).save(word)
        elif word.endswith(".json") and before != "--json":
            Path(word).write_text(json.dumps(OPERATIONS))


def pictures(path: Path) -> None:
    """Make a folder, a .zip or a packed .h5 file of drawn faces, in ten folders of two: so they have classes."""
    folder = path if not path.suffix else path.with_suffix("")
    for number in range(20):
        place = folder / str(number % 10)
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_face(0, number, (218, 178))).save(place / f"{number}.jpg")
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in sorted(folder.rglob("*.jpg")):
                archive.write(file, file.relative_to(folder))
    elif path.suffix:
        assert prepare.main(["--data", str(folder), "--out", str(path), "--no-progress"]) == 0


def finished_run(path: Path, preset: str) -> None:
    """Train a run, which has to be made short by DCGAN_QUICK, and put it where a command expects it."""
    made = path.parent / "made"
    data = path.parent / "faces"
    if not data.exists():
        pictures(data)
    options = ["--preset", preset, "--data", str(data), "--out", str(made), "--no-progress"]
    assert train.main(options) == 0
    (run,) = made.iterdir()
    run.rename(path)


OPERATIONS = {  # what benchmarks.ops writes, as far as benchmarks.roofline_plot reads it
    "rows": [
        {"workload": "conv-k4-64x64x3-32x32x64-forward", "gflop": 0.8, "mbytes": 40, "ours_gflops": 90},
        {"workload": "adam", "gflop": 0.1, "mbytes": 180, "ours_gflops": 9, "best_gflops": 5},
    ],
    "machine": {"cpu": "a processor", "threads": 2, "sgemm_gflops": 200, "fma_gflops": 250, "memory_gbs": 20},
}
