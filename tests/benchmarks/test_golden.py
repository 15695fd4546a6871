"""The compiled kernels against golden.json: a regression of the machine code shows without a GPU.

Without NVRTC and its disassembler (extra nvrtc) these tests are skipped. Every version of NVRTC allots registers in its
own way. So with another version than that of golden.json, such as that of a CUDA toolkit, only the limits are checked;
if pip has installed that version, a test fails, since no figure would be compared anywhere.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import re
from importlib import metadata
from pathlib import Path

import pytest

from benchmarks.static import golden, machine_code
from benchmarks.static.golden import ARCHITECTURES, Row
from benchmarks.static.instructions import disassembled, main_loop
from gpunet.backend.tensor_cores import HUGE, SMALL, TALL, WIDE

ROOT = Path(__file__).parents[2]
FEW = 4.0  # instructions of the main loop for each product on tensor cores, at most
SLOW = ("conv2d/", "conv2d_mma/input_grad_")  # these take long to compile: usual runs do so for one architecture
FILES = [
    pytest.param(stem, arch, marks=[pytest.mark.slow] * (stem.startswith(SLOW) and arch != "sm_90"))
    for stem in golden.stems()
    for arch in ARCHITECTURES
]
every_file = pytest.mark.parametrize("stem, arch", FILES)
MAKE = "python -m benchmarks.static.golden"


@pytest.fixture(scope="session")
def rows():
    """Return a function (file, architecture) -> rows, compiled once."""
    try:
        machine_code.nvrtc()
    except RuntimeError as error:
        pytest.skip(str(error))
    if not golden.disassembler():
        pytest.skip("no nvdisasm: pip install nvidia-cuda-nvdisasm")
    return golden.rows_of


def require_its_nvrtc(kept):
    """Go on with the version of NVRTC that made golden.json. With another one fail, or skip where it is not pip's."""
    here, said = golden.version(), f"golden.json is of NVRTC {kept.nvrtc}, here is {golden.version()}"
    if here == kept.nvrtc:
        return
    if here == of_pip():
        pytest.fail(f"{said}: pip install 'gpunet[nvrtc]' again, or change the version in setup.cfg and run {MAKE}")
    pytest.skip(f"{said}, which is not the one of the extra nvrtc")


def of_pip():
    """Return the version of the installed package of NVRTC, such as "13.5", None without it."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        return ".".join(metadata.version("nvidia-cuda-nvrtc").split(".")[:2])


def test_the_extra_has_the_version_of_golden():
    """So that the figures are compared wherever the extra is installed."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert f"nvidia-cuda-nvrtc == {golden.read().nvrtc}.*" in setup["options.extras_require"]["nvrtc"].splitlines()


@pytest.mark.parametrize("here, outcome", [("13.6", pytest.fail.Exception), ("13.0", pytest.skip.Exception)])
def test_another_version_is_a_failure_where_pip_has_installed_it(monkeypatch, here, outcome):
    monkeypatch.setattr(golden, "version", lambda: here)
    monkeypatch.setattr(metadata, "version", lambda package: "13.6.9")
    with pytest.raises(outcome, match=f"here is {here}"):
        require_its_nvrtc(golden.Golden("13.5", {}))


@pytest.mark.timeout(900)
@every_file
def test_the_figures_are_the_golden_ones(rows, stem, arch):
    found, kept = rows(stem, arch), golden.read()
    expected = [row for row in kept.rows.values() if (row.kernel.rpartition(".")[0], row.arch) == (stem, arch)]
    assert [row.kernel for row in found] == sorted(row.kernel for row in expected), f"then remake it: {MAKE} {stem}"
    require_its_nvrtc(kept)
    assert found == sorted(expected), f"if that is better, or as good: {MAKE} {stem}"


@pytest.mark.timeout(900)
@every_file
def test_no_kernel_spills_and_loops_are_short(rows, stem, arch):
    for row in rows(stem, arch):
        assert row.spill_bytes == 0, row
        if stem.startswith("conv2d_mma/"):
            check_loop(row)


def check_loop(row: Row) -> None:
    """Check the main loop of a convolution on tensor cores: its products, its copies and its length."""
    tile = next(tile for tile in (HUGE, WIDE, TALL, SMALL) if row.kernel.endswith(f"_{tile.name}"))
    of_16 = 8 if "tf32" in row.kernel else 16  # k's of a product; a tile has 64 bytes of them
    depth = 16 if "tf32" in row.kernel else 32
    warps = tile.threads // 32
    times = 3 if "tf32x3" in row.kernel else 1
    assert row.products == tile.rows * tile.columns // (16 * 8) // warps * (depth // of_16) * times, row  # all unrolled
    assert row.wide_loads >= (tile.rows + tile.columns) * 4 // tile.threads, row  # every number comes by 16 bytes
    if tile is not SMALL:
        assert row.loop_per_product <= FEW, row


def test_golden_holds_every_kernel():
    """Also without NVRTC."""
    kept = golden.read()
    assert re.fullmatch(r"\d+\.\d+", kept.nvrtc)
    assert {row.kernel.rpartition(".")[0] for row in kept.rows.values()} == set(golden.stems())
    assert {arch for _, arch in kept.rows} == set(ARCHITECTURES)
    assert not any(row.spill_bytes for row in kept.rows.values())
    for row in kept.rows.values():
        if row.kernel.startswith("conv2d_mma/"):
            check_loop(row)


def test_the_page_tells_the_longest_loops():
    page, rows = (ROOT / "docs/kernels.md").read_text().replace("\n", " "), golden.read().rows.values()

    def most(begins):
        large = [row for row in rows if row.kernel.startswith(begins) and not row.kernel.endswith("_small")]
        return f"{max(row.loop_per_product for row in large):.2f}"

    forward = most("conv2d_mma/of_cells_tf32.conv2d_forward"), most("conv2d_mma/forward_tf32.")
    assert forward[0] == most("conv2d_mma/")
    assert f"{forward[0]} of pictures as cells and {forward[1]} elsewhere" in page
    assert f"weight gradient in tf32, yet that has {most('conv2d_mma/weight_grad_tf32.')} at most" in page


TEXT = """
.text.other:
        /*0000*/                   MOV R1, c[0x0][0x28] ;
.L_x_0:
        /*0010*/                   HMMA.1688.F32.TF32 R4, R8, R10, R4 ;
        /*0020*/                   IADD3 R2, R2, 0x1, RZ ;
.L_x_1:
        /*0030*/                   LDSM.16.M88.4 R8, [R3] ;
        /*0040*/              @!P0 HMMA.16816.F32.BF16 R4, R8, R10, R4 ;
        /*0050*/               @P0 BRA `(.L_x_1) ;
        /*0060*/                   BRA `(.L_x_2) ;
        /*0070*/              @!P1 BRA `(.L_x_0) ;
.L_x_2:
        /*0080*/                   FADD R1, R1, R2 ;
        /*0090*/                   BRA `(.L_x_2) ;
"""


def test_the_main_loop_is_the_shortest_with_products():
    assert main_loop(TEXT) == ["LDSM.16.M88.4", "HMMA.16816.F32.BF16", "BRA"]
    assert main_loop(TEXT.replace("@P0 BRA `(.L_x_1)", "EXIT")) == [
        "HMMA.1688.F32.TF32", "IADD3", "LDSM.16.M88.4", "HMMA.16816.F32.BF16", "EXIT", "BRA", "BRA",
    ]  # fmt: skip
    assert main_loop(TEXT.replace("HMMA", "FFMA")) == main_loop("") == []


def test_the_main_loop_starts_the_copies_if_any_loop_does():
    outer = TEXT.replace("IADD3 R2, R2, 0x1, RZ", "LDGSTS.E.128 [R2], [R4.64]")
    assert main_loop(outer)[:2] == ["HMMA.1688.F32.TF32", "LDGSTS.E.128"] and len(main_loop(outer)) == 7
    assert main_loop(outer.replace("HMMA", "FFMA")) == []


KERNEL = """
extern "C" __global__ void product(float* y, const float4* x, const unsigned* a, int n) {
    float d[4] = {};
    for (int i = 0; i < n; ++i)
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                     "{%0, %1, %2, %3};" : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(a[4]), "r"(a[5]));
    const float4 wide = x[threadIdx.x];
    y[threadIdx.x] = d[0] + d[1] + d[2] + d[3] + wide.x + wide.y + wide.z + wide.w;
}
extern "C" __global__ void plain(float* y, const float* x) { y[threadIdx.x] = x[threadIdx.x]; }
"""


def test_figures_of_known_kernels(rows, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    stem = str(tmp_path / "two")
    (tmp_path / "two.cu").write_text(KERNEL)
    plain, product = rows(stem, "sm_80")
    assert (plain.kernel, product.kernel) == (f"{stem}.plain", f"{stem}.product")
    assert plain[3:] == (0, 0, 0, 0) and plain.loop_per_product == 0
    assert product.wide_loads == 1 and product.products >= 1 and product.loop > product.products
    monkeypatch.setattr(machine_code, "compile_file", None)  # would raise if called
    assert rows(stem, "sm_80") == [plain, product]


def test_the_command_makes_the_file(rows, tmp_path, monkeypatch, capsys):
    target = tmp_path / "golden.json"
    target.write_bytes(golden.FILE.read_bytes())
    monkeypatch.setattr(golden, "FILE", target)
    before = golden.read()
    content = json.loads(target.read_text())
    content["rows"] = [[*row[:2], 99, *row[3:]] if row[0].startswith("arrays.") else row for row in content["rows"]]
    target.write_text(json.dumps(content))
    monkeypatch.setattr(golden, "version", lambda: "1.0")
    assert golden.main(["arrays"]) == 2 and "write it whole" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(golden, "FILE", target)
    require_its_nvrtc(before)
    assert golden.main(["arrays"]) == 0
    assert golden.read() == before and target.read_bytes() == golden.FILE.read_bytes()
    assert golden.main(["nothing"]) == 2
    assert "got nothing" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_loop_on_the_cuda_cores_divides_nothing(rows, arch):
    """A division by a number that is no constant takes I2F and MUFU.RCP. They stand before the loop, and behind it."""
    found = disassembled(machine_code.compile_file("conv2d/conv2d", "float32", arch).cubin)
    assert len(found) == 12
    for name, text in found.items():
        before, start, loop = text.partition("DEPBAR.LE SB0")  # the loop begins by waiting for copies
        loop = loop[: loop.rindex("FFMA") + 4]
        assert start and loop.count("FFMA") >= 32 and "LDGSTS.E.128" in loop, name
        assert "MUFU" in before, name
        assert not re.search(r"MUFU|I2F|IABS", loop), name
