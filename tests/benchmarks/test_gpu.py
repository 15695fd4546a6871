"""benchmarks.gpu: every section runs at a tiny size; a section that hangs or fails ends alone; the tables; misuse."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import correctness, findings, launch_times, plans, predictions, products, sized, tables, wgmma
from benchmarks.measure.work import training_step
from benchmarks.static.dry_run import launches_of_a_step
from gpunet import kernels
from gpunet.backend import choices, hopper, tensor_cores, tiled, use, use_conv, use_precision

SCALE = ["--scale", "0.05"]


@pytest.mark.cuda
@pytest.mark.timeout(3600)  # on a virtual device and a busy machine it takes a third of that
def test_every_section_runs_to_its_end_at_a_tiny_size(tmp_path, capsys):
    status = command.main([*SCALE, "--out", str(tmp_path), "--minutes", "90"])
    found = json.loads((tmp_path / "gpu.json").read_text())
    sections = found["sections"]
    assert {name: section["status"] for name, section in sections.items()} == dict.fromkeys(command.SECTIONS, "done")
    assert status == 0 and list(tmp_path.glob("*.tmp")) == []
    results = {name: section["results"] for name, section in sections.items()}
    assert results["correct"]["wrong"] == 0 and len(results["correct"]["products"]) == 2 * 3 * 4
    assert all(row["equal"] for row in results["graph"]["equal"]) and results["graph"]["as_on_cpu"]
    assert results["build"]["kernels_with_local_memory"] == [] and len(results["build"]["files"]) == 3
    assert len(results["step"]["steps"]) == 4 and all(row["whole_ms"] > 0 for row in results["step"]["steps"])
    for step in results["launches"]["steps"]:  # those that the launch code makes on paper, at this size
        paper = launches_of_a_step(step["precision"], 4, width=8, image_size=(16, 16))
        assert [launch["kernel"] for launch in step["launches"]] == [launch.entry for launch in paper]
    assert {(row["precision"], row["blocks"]) for row in results["plans"]["steps"]} == {("bf16", 240), ("fp32", 256)}
    cut = results["plans"]["products"]
    assert len(cut) == 2 * 3 * 4 and all(row["usual"] in row["us"] and row["best"] in row["us"] for row in cut)
    assert {row["by"] for row in cut if row["precision"] == "fp32"} == {"tiled"}
    assert {row["by"] for row in cut if row["precision"] == "bf16"} == {"tiled", "tensor_cores", "one plan"}
    assert results["tests"]["first"]["status"] == results["train"]["bf16"]["status"] == 0
    assert results["train"]["generate"]["status"] == 0
    capsys.readouterr()
    assert command.main(["--report", str(tmp_path / "gpu.json")]) == 0
    shown = capsys.readouterr().out
    assert "operations are right" in shown and "the times say nothing" in shown


@pytest.mark.cuda
def test_the_check_of_products_sees_gaps_writes_beside_the_result_and_changing_bits(tmp_path):
    """The guards and the poison are no decoration: each of three wrong kernels is told from a right one."""
    import cupy

    exact, count = [cupy.ones(1000, "float64")], iter(range(100))
    right = lambda: [cupy.ones(1000, "float32")]  # noqa: E731

    def gap():
        found = cupy.empty(1000, "float32")
        found[1:] = 1
        return [found]

    def beside():
        found = cupy.ones(1000, "float32")
        behind = cupy.ndarray(4, "float32", found.data + found.nbytes + 96)  # memory comes in blocks of 512 bytes
        behind[...] = 1
        return [found]

    def changing():
        return [cupy.ones(1000, "float32") + next(count) * 2.0**-23]

    verdicts = [correctness.is_right(correctness.checked(call, exact, 2), 1e-5) for call in (right, gap, changing)]
    assert verdicts == [True, False, False]
    assert not correctness.checked(beside, exact, 2)["guards"]


SLEEPS = "import subprocess, time; subprocess.Popen(['sleep', '99']); time.sleep(99)"
FAILS = "raise RuntimeError('an illegal address')"
WRITES = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('{\"a\": [1]}')"


def test_a_section_that_hangs_or_fails_ends_alone_and_its_results_stay(tmp_path, monkeypatch, capsys):
    programs, kept = {"machine": SLEEPS, "build": FAILS, "ceilings": WRITES, "correct": SLEEPS}, []
    own = {name: str(tmp_path / f"{name}.json") for name in programs}
    monkeypatch.setattr(command, "command_of", lambda name, options: [sys.executable, "-c", programs[name], own[name]])
    monkeypatch.setattr(command, "require_gpu", lambda: None)
    monkeypatch.setattr(command, "LAST", 0.0)
    for name in programs:
        place = command.SECTIONS[name]._replace(seconds=2.0 if name == "machine" else 99.0)
        monkeypatch.setitem(command.SECTIONS, name, place)
    write = command.findings.write

    def noted(path, content):
        kept.append(list(content["sections"]))
        write(path, content)

    monkeypatch.setattr(command.findings, "write", noted)
    monkeypatch.setattr(command, "MINUTES", 0.1)
    monkeypatch.setattr(command, "stop", without_rest(command.stop))
    status = command.main(["--only", *programs, "--out", str(tmp_path), "--minutes", "0.1"])
    sections = json.loads((tmp_path / "gpu.json").read_text())["sections"]
    assert status == 1 and kept == [list(programs)[:i] for i in range(5)]
    assert [section["status"] for section in sections.values()] == ["deadline", "failed", "done", "deadline"]
    assert sections["build"]["error"] == "RuntimeError: an illegal address"
    assert sections["ceilings"]["results"] == {"a": [1]}


def without_rest(stop):
    """End a section; nothing that it has started may be left."""

    def checked(process):
        stop(process)
        end = time.monotonic() + 20  # the system may take a moment
        while running(process.pid):
            assert time.monotonic() < end
            time.sleep(0.05)

    return checked


def running(group):
    """The processes of a group that have not ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it may end at any time
            state, _, own, *_ = path.read_text().rpartition(")")[2].split()
            found += [path] * (int(own) == group and state not in "ZX")
    return found


def test_predictions_are_written_first_and_lie_above_the_limit(tmp_path, monkeypatch):
    found = predictions.predicted()
    assert all(0 < row["limit_ms"] < row["predicted_ms"] for row in found["steps"])
    bounds = {(row["gpu"], row["precision"], row["batch"]): row for row in found["steps"] if "kernels_ms" in row}
    assert set(bounds) == {("H100 SXM", precision, 64) for precision in ("tf32", "bf16")}
    assert all(row["limit_ms"] < row["kernels_ms"] for row in bounds.values())
    assert {row["gpu"] for row in predictions.of_device(found, "NVIDIA H200")} == {"H200 SXM"}
    assert {row["gpu"] for row in predictions.of_device(found, "NVIDIA A100-SXM4-40GB")} == {"A100 40GB"}
    assert predictions.of_device(found, "another GPU") == []
    flops = sum(work.uses * work.flops for work in training_step(64))
    (fp32,) = (row for row in found["steps"] if (row["gpu"], row["precision"], row["batch"]) == ("T4", "fp32", 64))
    assert fp32["limit_ms"] >= flops / 8.1e12 * 1e3
    monkeypatch.setattr(command, "require_gpu", lambda: None)
    monkeypatch.setattr(command, "in_a_process", lambda *_: pytest.fail("before the predictions are written"))
    monkeypatch.setattr(command.findings, "write", lambda path, content: kept.append(content["predictions"]) or 1 / 0)
    kept = []
    with pytest.raises(ZeroDivisionError):
        command.main(["--out", str(tmp_path)])
    assert kept == [found]


@pytest.mark.parametrize("precision, conv, homes", [("fp32", "tiled", {tiled}), ("tf32", "mma", {tiled, tensor_cores})])
def test_a_product_is_cut_as_it_is_told(tmp_path, monkeypatch, precision, conv, homes):
    """The launch is noted, and nothing runs: it has the tile and the splits of the plan, and covers the whole sum."""
    found, launched = set(), []
    monkeypatch.setattr(kernels, "launch", lambda entry, grid, *rest, **more: launched.append((entry, grid)))
    with use("kernels"), use_conv(conv), use_precision(precision):
        for product in products.products(sized.Settings(0.05, False, tmp_path, None)):
            run = product.ready(*(a.astype("float32") for a in (product.x, product.w, product.dy)))
            with plans.cutting() as asked:
                run()
            if not asked:  # pictures as cells, and a discriminator's last layer: they have one plan
                assert conv == "mma" and [e for e, _ in launched if "of_cells" in e or "inner_products" in e]
                continue
            ((home, (m, n, depth, *phases)),) = asked
            numbers = depth * (16 if home is tensor_cores else 1)  # a tile holds 16 numbers of tf32 along K
            assert m * n * numbers * (phases or [1])[0] >= product.gflop / 2e-9
            for cut in plans.cuts(home, n, depth, (1, 2)):
                launched.clear()
                with plans.cutting(cut):
                    run()
                ((entry, grid),) = ((entry, grid) for entry, grid in launched if entry.startswith("conv2d"))
                assert entry.endswith(f"_{cut.tile.name}") and grid[2] == cut.splits
            found.add(home)
    assert found == homes


@pytest.fixture
def tiny(tmp_path):
    """Settings of a quick try, and the file that its results go to."""
    path = tmp_path / "wgmma.json"
    return sized.Settings(0.05, False, tmp_path, findings.Section(path)), path


def test_the_kernels_for_hopper_are_tried_on_hopper_alone(tiny, monkeypatch):
    settings, path = tiny
    monkeypatch.setattr(choices, "_capability", lambda: 80)
    wgmma.run(settings)
    assert json.loads(path.read_text()) == {"skipped": "no Hopper GPU here"}


def test_a_failed_check_of_the_kernels_for_hopper_is_kept_and_is_all(tiny, monkeypatch):
    def fail(precision):
        raise RuntimeError("wgmma: an illegal address")

    settings, path = tiny
    monkeypatch.setattr(choices, "_capability", lambda: 90)
    monkeypatch.setattr(hopper, "check", fail)
    wgmma.run(settings)
    row = {"precision": "bf16", "said": "wgmma: an illegal address", "right": False}
    assert json.loads(path.read_text()) == {"checks": [row]}
    shown = tables.checks({}, {"wgmma": {"checks": [row]}})
    assert "WRONG" in shown and "an illegal address" in shown


@pytest.mark.cuda
def test_what_the_kernels_for_hopper_take_is_checked_and_timed(tiny, monkeypatch):
    """Their twins stand in for them; each row that they would make is made."""
    settings, path = tiny
    monkeypatch.setattr(choices, "hopper", lambda: True)
    monkeypatch.setattr(hopper, "check", lambda precision: "wgmma: agrees")
    monkeypatch.setattr(hopper, "takes", lambda which, g, precision, after=None: tensor_cores.takes(g.weight_shape))
    for name in ("conv2d", "conv2d_input_grad", "conv2d_weight_grad"):
        monkeypatch.setattr(hopper, name, getattr(tensor_cores, name))
    step = {"workload": "w", "failed": "not run"}
    monkeypatch.setattr(wgmma, "row", lambda settings, name, precision, rivals: step | {"precision": precision})
    with use_precision("fp32"):
        wgmma.run(settings)
    found = json.loads(path.read_text())
    assert [row["right"] for row in found["checks"]] == [True] * 2
    assert len(found["products"]) == 2 * 3 and all(row["right"] for row in found["products"]), found["products"]
    assert [row["precision"] for row in found["steps"]] == ["bf16", "fp16"] * 2
    assert "bf16 wgmma" in tables.steps({"predictions": predictions.predicted()}, {"wgmma": found})


def test_more_blocks_mean_more_splits_and_the_usual_plans_come_back(monkeypatch):
    sizes = 1024, 512, 256, 1  # tiles of 256 x 128 make 16 blocks of such a result
    usual = tensor_cores.plan(*sizes)
    with plans.mock.patch.object(tensor_cores, "BLOCKS", 240), plans.new_plans(tensor_cores):
        more = tensor_cores.plan(*sizes)
    assert more.splits > usual.splits and tensor_cores.plan(*sizes) == usual


@pytest.mark.cuda
@pytest.mark.parametrize("precision", predictions.LAUNCHES)
def test_predictions_know_the_launches_of_a_step(monkeypatch, precision):
    """They are counted at full size, and nothing runs."""
    monkeypatch.setattr(kernels, "launch", lambda *_, **__: None)
    with use_precision(precision):
        assert len(launch_times.launches_of("dcgan64-nf64-b64")) == predictions.LAUNCHES[precision]


def test_tables_show_a_step_beside_its_prediction_and_its_rival():
    step = {"workload": "dcgan64-nf64-b64", "precision": "bf16", "replay_ms": 100.0, "whole_ms": 101.0, "host_ms": 1.0}
    step |= {"pictures_per_second": 640.0, "verified": True, "best": "eager", "rivals": {"eager": 150.0}}
    broken = {"workload": "dcgan64-nf64-b128", "precision": "fp32", "failed": "OutOfMemoryError: much"}
    machine = {"machine": {"gpu": "NVIDIA H100"}, "versions": {"numpy": "2"}}
    results = {"machine": machine, "step": {"steps": [step, broken]}, "ncu": {"skipped": "no ncu here"}}
    results["correct"] = {"products": [{"name": "a", "right": True}, {"name": "b", "right": False}]}
    sections = {name: {"status": "done", "seconds": 1.0, "results": own} for name, own in results.items()}
    shown = tables.report({"sections": sections, "predictions": predictions.predicted(), "scale": 1.0})
    (line,) = (line for line in shown.splitlines() if line.startswith("dcgan64-nf64-b64 "))
    assert line.split()[:5] == ["dcgan64-nf64-b64", "bf16", "100", "101", "1"] and line.split()[-2:] == ["eager", "150"]
    assert len(line.split()) == 12  # limit, bound and prediction of that GPU are there
    assert "OutOfMemoryError" in shown and "1 of 2 operations are right" in shown and "no ncu here" in shown


WHOLE = {"status": "done", "seconds": 1.0, "results": {}}
MISUSE = [
    (["--minutes", "0"], "got --minutes 0.0"),
    (["--minutes", "nan"], "got --minutes nan"),
    (["--minutes", "inf"], "expected 0 < N <= 1440"),
    (["--scale", "-1"], "expected 0 < N <= 1440 and 0 < X <= 4"),
    (["--out", "a_file"], "--out: got a_file, expected a folder that is there or can be made: it is a file"),
    (["--out", "a_file/gpu"], "--out: got a_file/gpu, expected a folder"),
    (["--report", "nowhere.json"], "nowhere.json"),
    (["--report", "."], "Is a directory"),
    (["--report", "a_file"], "--report: got a_file, expected a file that benchmarks.gpu wrote"),
    (["--report", "another.json"], "--report: got another.json, expected a file that benchmarks.gpu wrote"),
    (["--report", "a_list.json"], "--report: got a_list.json, expected a file that benchmarks.gpu wrote"),
    (["--report", "half.json"], "half.json, expected a file that benchmarks.gpu wrote: gpu.json (section b is not"),
    (["--report", "damaged.json"], "--report: damaged.json is damaged"),
]


@pytest.mark.parametrize("words, said", MISUSE)
def test_misuse_is_told_in_one_line(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    Path("a_file").write_bytes(b"root:x\xff")
    head = {"command": "c", "scale": 1.0, "predictions": predictions.predicted()}
    broken = WHOLE | {"results": {"memory": [{"what": "copy"}]}}
    files = {"another": {"rows": []}, "a_list": [1], "half": head | {"sections": {"a": WHOLE, "b": {"status": "done"}}}}
    for name, content in (files | {"damaged": head | {"sections": {"ceilings": broken}}}).items():
        Path(f"{name}.json").write_text(json.dumps(content))
    assert command.main(words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("benchmarks.gpu: ") and err.count("\n") == 1 and said in err


def test_a_sound_report_is_shown(tmp_path, capsys):
    found = {"command": "c", "scale": 1.0, "predictions": predictions.predicted(), "sections": {"machine": WHOLE}}
    (tmp_path / "gpu.json").write_text(json.dumps(found))
    assert command.main(["--report", str(tmp_path / "gpu.json")]) == 0
    assert capsys.readouterr().out.split()[-3:] == ["machine", "done", "1"]
