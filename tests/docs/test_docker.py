"""Dockerfile, Dockerfile.cuda and .dockerignore, read as Docker reads them; no Docker is needed.

The files that .dockerignore lets through are copied, and a wheel is built from them and used.
"""

import ast
import configparser
import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dcgan.__main__ import COMMANDS
from gpunet.kernels.loader import machine

ROOT = Path(__file__).parents[2]
FILES = ("Dockerfile", "Dockerfile.cuda")
IMAGES = (r"python:3\.\d+-slim", r"nvidia/cuda:13\.[\d.]+-base-ubuntu24\.04")
WORDS = ("FROM", "RUN", "COPY", "USER", "ENV", "WORKDIR", "ENTRYPOINT", "CMD")


def instructions(name):
    """The (word, rest) of every instruction; a line that ends in a backslash goes on in the next."""
    text = re.sub(r"^#.*\n", "", (ROOT / name).read_text(), flags=re.M)
    lines = [line.strip() for line in re.sub(r"\s*\\\n\s*", " ", text).splitlines() if line.strip()]
    return [tuple(line.split(" ", 1)) for line in lines]


def rest_of(name, word):
    return [rest for found, rest in instructions(name) if found == word]


def context():
    """The tracked files that Docker gets."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [path for path in tracked.split("\0") if path and kept(path)]


def kept(path):
    """Whether .dockerignore lets a path through: the last line that fits it, or a folder above it, decides."""
    lines = [line.strip() for line in (ROOT / ".dockerignore").read_text().splitlines()]
    rules = [(line.removeprefix("!"), line[0] == "!") for line in lines if line and line[0] != "#"]
    parents = ["/".join(path.split("/")[: i + 1]) for i in range(path.count("/") + 1)]
    keep = True
    for pattern, allowed in rules:
        anywhere = pattern.removeprefix("**/")
        for place in parents:
            name = place.rsplit("/", 1)[-1] if anywhere != pattern else place
            if fnmatch.fnmatchcase(name, anywhere) and ("/" not in name or "/" in anywhere):
                keep = allowed
    return keep


@pytest.mark.parametrize("name", FILES)
def test_the_instructions_are_known_and_in_order(name):
    words = [word for word, _ in instructions(name)]
    assert set(words) <= set(WORDS) and words[0] == "FROM" and words.count("FROM") == 1
    assert words[-2:] == ["ENTRYPOINT", "CMD"] and words.index("COPY") < words.index("USER")
    for script in rest_of(name, "RUN"):
        assert subprocess.run(["sh", "-n", "-c", script]).returncode == 0, script
        assert shlex.split(script)


@pytest.mark.parametrize("name, image", list(zip(FILES, IMAGES, strict=True)))
def test_the_base_is_an_official_image_of_a_named_version(name, image):
    assert re.fullmatch(image, *rest_of(name, "FROM"))


@pytest.mark.parametrize("name", FILES)
def test_not_root_trains(name):
    """The user exists before it is taken, and nothing is installed after."""
    words = instructions(name)
    at = words.index(("USER", "dcgan"))
    assert any("useradd" in rest and " dcgan" in rest for word, rest in words[:at] if word == "RUN")
    assert not any("apt-get" in rest or "pip install" in rest for _, rest in words[at:])
    assert ("ENV", "HOME=/home/dcgan") in words[at:] and ("WORKDIR", "/work") in words[at:]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [False, True])
def test_a_command_follows_the_images_name(name, kept, tmp_path):
    """The entry point is run, with words behind it; the compiled kernels are the user's own then, and trusted.

    kept: the user's cache folder is there already, and stays as it is.
    """
    built, home = tmp_path / "kernels/gpunet", tmp_path / "home"
    built.mkdir(parents=True)
    (built / "a.so").write_text("compiled")
    built.chmod(0o755)
    (home / ".cache/gpunet").mkdir(parents=True) if kept else home.mkdir()
    script = tmp_path / "python"
    script.write_text('#!/bin/sh\nprintf "%s," "$@"')
    script.chmod(0o755)
    words = [word.replace("/kernels", f"{tmp_path}/kernels") for word in json.loads(*rest_of(name, "ENTRYPOINT"))]
    environment = {"HOME": str(home), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    words += ["dcgan.train", "--data", "two words"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, umask=0o022)
    assert (done.returncode, done.stdout, done.stderr) == (0, "-m,dcgan.train,--data,two words,", "")
    assert (home / ".cache/gpunet/a.so").exists() != kept
    assert machine._unfit(home / ".cache/gpunet") == ""
    assert json.loads(*rest_of(name, "CMD")) == ["dcgan"]


@pytest.mark.parametrize("name", FILES)
def test_the_kernels_are_compiled_where_the_entry_point_takes_them(name):
    words = instructions(name)
    compiled = ("RUN", "XDG_CACHE_HOME=/kernels python -m gpunet.kernels && chmod -R a+rX /kernels")
    assert words.index(compiled) < words.index(("USER", "dcgan"))
    assert "cp -r /kernels/gpunet ~/.cache/" in rest_of(name, "ENTRYPOINT")[0]


@pytest.mark.parametrize("name", FILES)
def test_the_extras_and_modules_exist(name):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    text = (ROOT / name).read_text()
    for extra in re.findall(r"/source\[(\w+)\]", text):
        assert extra in setup["options.extras_require"]
    assert ("cuda13" in text) == (name == "Dockerfile.cuda")
    for module in re.findall(r"python -m ([a-z.]+)", "\n".join(rest_of(name, "RUN"))):
        assert module == "venv" or (ROOT / module.replace(".", "/") / "__main__.py").exists()


def docker_lines():
    """Every command of Docker in the files' own heads and in README.md."""
    texts = [re.sub(r"^#  ", "  ", (ROOT / name).read_text(), flags=re.M) for name in FILES]
    return re.findall(r"^ +(docker .*)$", "\n".join([*texts, (ROOT / "README.md").read_text()]), re.M)


def test_the_commands_name_what_there_is():
    """What is built is what is run, with a command of the project behind it."""
    lines = docker_lines()
    built = {re.search(r"--tag (\S+)", line)[1]: line for line in lines if " build " in line}
    assert set(built) == {"dcgan", "dcgan-cuda"} and "--file Dockerfile.cuda" in built["dcgan-cuda"]
    runs = [shlex.split(line, comments=True) for line in lines if " run " in line]
    assert len(runs) >= 3
    for words in runs:
        image = next(word for word in words[2:] if word in built)
        module = words[words.index(image) + 1]
        assert module.removeprefix("dcgan.") in COMMANDS
        assert ("--gpus" in words) == (image == "dcgan-cuda") and f"--volume {'$PWD:/work'}" in " ".join(words)


def test_the_context_is_what_pip_needs(tmp_path):
    """A wheel of the files that .dockerignore lets through holds every source, and lists its commands."""
    source, site = tmp_path / "source", tmp_path / "site"
    paths = context()
    assert not [path for path in paths if path.startswith(("tests/", "docs/", "benchmarks/", "."))]
    for path in paths:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path, follow_symlinks=False)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "wheel", "--no-deps"]
    subprocess.run([*pip, "--no-build-isolation", "--wheel-dir", tmp_path, source], check=True, cwd=tmp_path)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        archive.extractall(site)
    for folder in ("dcgan", "gpunet"):
        for path in (ROOT / folder).rglob("*.py"):
            ast.parse((site / path.relative_to(ROOT)).read_text())
    assert (site / "gpunet/kernels/common.cuh").exists()
    listed = subprocess.run([sys.executable, "-m", "dcgan"], cwd=site, check=True, capture_output=True, text=True)
    assert "dcgan.train" in listed.stdout


@pytest.mark.parametrize(
    "path, expected",
    [
        ("dcgan/train.py", True),
        ("dcgan/presets/__pycache__/paper.cpython-312.pyc", False),
        ("dcgan/old.pyc", False),
        ("kernels/common.cuh", True),
        ("README.md", True),
        ("docs/README.md", False),
        ("runs/0001-dcgan64/config.json", False),
        (".git/config", False),
    ],
)
def test_what_is_kept(path, expected):
    assert kept(path) is expected
