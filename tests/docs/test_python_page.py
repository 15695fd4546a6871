"""The Python examples of README.md and docs/python.md run as they are pasted, and say what their comments say."""

import re

import numpy as np

from pages import ROOT


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)


def test_the_page_of_the_python_interface(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks("docs/python.md"):
        exec(compile(block, "docs/python.md", "exec"), names)
    printed = capsys.readouterr().out.splitlines()
    for line in re.findall(r"^print\(.*?# (.*)$", "\n".join(blocks("docs/python.md")), re.M):
        assert line in printed
    assert len(names["losses"]) == 20 and names["pictures"].shape == (64, 32, 32, 3)
    assert names["where"] == "0001-dcgan64_20_1_12"
    assert names["images"].shape == (2, 32, 32, 3) and names["images"].dtype == np.float32
    assert np.abs(names["images"]).max() <= 1 and names["logits"].shape == (64,)
    assert names["features"].shape == (64, 4 * 4 * (8 + 16) + 4 * 4 * 32)


def test_the_examples_of_the_first_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    import dcgan

    dcgan.train(width=4, image_size=16, batch_size=8, steps=1, device="cpu")
    names: dict = {}
    for block in blocks("README.md"):
        exec(compile(block, "README.md", "exec"), names)
    assert names["pictures"].shape == (64, 16, 16, 3) and names["pictures"].dtype == np.uint8
    assert names["dx"].shape == names["x"].shape
