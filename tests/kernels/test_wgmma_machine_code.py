"""The kernels for Hopper GPUs, compiled: no spills, TMA and wgmma in the machine code, cubins that are kept."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from gpunet import kernels
from gpunet.kernels.loader import source
from gpunet.kernels.loader.signature import entries

PRECISIONS = ("bf16", "fp16")


@pytest.fixture(scope="module", params=PRECISIONS)
def built(request):
    """The file's name, its machine code and what the compiler said of it."""
    nvrtc = pytest.importorskip("cupy_backends.cuda.libs.nvrtc", reason="no CuPy", exc_type=ImportError)
    from gpunet.kernels.loader.cubin import ARCHITECTURE, compiled
    from gpunet.kernels.loader.cuda import options_of_nvrtc

    stem = f"conv2d_wgmma/conv2d_{request.param}"
    options = (*options_of_nvrtc("float32"), f"-arch={ARCHITECTURE}", "--ptxas-options=-v")
    return (stem, *compiled(nvrtc, stem, source.text_of(stem), options))


def test_nvrtc_compiles_for_hopper(built):
    """Nothing spills, in spite of the registers that the producer gives back; products run one behind another."""
    stem, code, log = built
    names = [entry.name for entry in entries(source.text_of(stem), np.dtype("float32"))]
    assert len(names) == 6 and all(f"entry function '{name}' for 'sm_90a'" in log for name in names)
    assert re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", log) == [("0", "0")] * 6
    assert set(re.findall(r"Used (\d+) registers", log)) == {"168"}  # 384 threads: 64,512 of 65,536
    assert "serialized" not in log  # ptxas's word where it must wait after each product
    assert code.startswith(b"\x7fELF")


def test_machine_code_copies_by_tma_and_multiplies_by_wgmma(built):
    from benchmarks.static.instructions import disassembled, disassembler

    if not disassembler():
        pytest.skip("no nvdisasm")
    stem, code, _ = built
    kind = "BF16" if stem.endswith("bf16") else ""
    for name, text in disassembled(code).items():
        columns = name.rpartition("_")[2]
        products = re.findall(r"HGMMA\.(\S+) R\d+, gdesc\[UR\d+\](\S*), R\d+", text)
        assert len(products) == 8, name  # 4 times 16 k's, 2 squares of a
        assert {kind_of for kind_of, _ in products} == {f"64x{columns}x16.F32" + (f".{kind}" if kind else "")}
        turned = {"forward": "tnspB", "input_grad": "", "weight_grad": "tnspA.tnspB"}[name[7:].rpartition("_")[0]]
        assert {where.strip(".,") for _, where in products} == {turned}, name
        assert "UTMALDG.4D.IM2COL" in text and "UTMALDG.3D" in text
        assert {"USETMAXREG.DEALLOC.CTAPOOL", "USETMAXREG.TRY_ALLOC.CTAPOOL"} <= set(re.findall(r"USETMAXREG\S+", text))
        begin, end = text.index("WARPGROUP.ARRIVE"), text.index("WARPGROUP.DEPBAR.LE gsb0, 0x1")
        assert text[begin:end].count("HGMMA") == 8 and not re.search(r"\b(STL|LDL)\b", text)
        highest = max(int(register) for register in re.findall(r"\bR(\d+)\b", text))
        assert highest < 224, name


def test_the_cubin_is_kept(tmp_path, monkeypatch):
    pytest.importorskip("cupy_backends.cuda.libs.nvrtc", reason="no CuPy", exc_type=ImportError)
    from gpunet.kernels.loader import cubin

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = []
    monkeypatch.setattr(cubin, "compiled", lambda *args: (made.append(args[1]), (b"code", ""))[1])
    paths = [cubin.cubin(stem, "float32") for stem in (*kernels.hopper_stems(), *kernels.hopper_stems())]
    assert made == kernels.hopper_stems() and len(set(paths)) == 2
    assert all(path.read_bytes() == b"code" for path in paths)


def test_a_file_that_does_not_compile_is_named():
    nvrtc = pytest.importorskip("cupy_backends.cuda.libs.nvrtc", reason="no CuPy", exc_type=ImportError)
    from gpunet.kernels.loader.cubin import compiled

    with pytest.raises(kernels.BuildError, match="(?s)mine.cu does not compile .*-arch=sm_90a.*undeclared"):
        compiled(nvrtc, "mine", "void f() { undeclared(); }", ("-arch=sm_90a",))


def test_files_for_hopper_are_for_hopper_alone():
    assert kernels.hopper_stems() == ["conv2d_wgmma/conv2d_bf16", "conv2d_wgmma/conv2d_fp16"]
    assert not any(stem.startswith(source.HOPPER) for stem in kernels.stems())
    assert kernels.of_training_on_cuda(["bf16"], hopper=True)[-1] == "conv2d_wgmma/conv2d_bf16"
    assert "conv2d_wgmma/conv2d_bf16" not in kernels.of_training_on_cuda(["bf16"])
    for stem in kernels.hopper_stems():
        assert Path(source.path_of(stem)).read_text(encoding="utf-8").startswith("// ")
