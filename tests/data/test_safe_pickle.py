"""Pickles with a payload are refused by name, and nothing they ask for happens."""

import builtins
import os
import pickle
import struct

import numpy as np
import pytest

from dcgan.data.formats import safe_pickle
from opened import refusal


class Payload:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def payloads(mark):
    """Programs that would leave the file `mark` behind, by every opcode that can call or import."""
    line = f"open({str(mark)!r}, 'w')"
    command = f"touch {mark}"
    yield pickle.dumps(Payload(os.system, command), 0)
    yield pickle.dumps(Payload(os.system, command), 4)
    yield pickle.dumps({"data": Payload(builtins.eval, line), "labels": []}, 2)
    yield b"(S'" + command.encode() + b"'\nios\nsystem\n."  # INST
    yield b"(cos\nsystem\nS'" + command.encode() + b"'\no."  # OBJ
    yield b"cos\nsystem\n(S'" + command.encode() + b"'\nt\x81."  # NEWOBJ
    yield b"cos\nsystem\nS'" + command.encode() + b"'\n\x85R."
    yield b"cnumpy.core.multiarray\n_reconstruct\n(cos\nsystem\n(K\x00tU\x01btR."
    yield b"cnumpy\ndtype\n(S'O'\ntR."
    yield b"ccodecs\nencode\n(X\x01\x00\x00\x00aX\x06\x00\x00\x00latin1tR."
    yield b"c__main__\nX\n}S'a'\nK\x01sb."  # BUILD changes an object
    yield b"\x82\x01."  # EXT1: a registered name
    yield b"Pname\n."  # PERSID
    yield b"S'name'\nQ."  # BINPERSID


def test_nothing_is_executed(tmp_path):
    mark, file = tmp_path / "executed", tmp_path / "data_batch_1"
    count = 0
    for program in payloads(mark):
        with pytest.raises(ValueError, match="refused|damaged"):
            safe_pickle.load(program)
        file.write_bytes(program)
        assert "no CIFAR-10 batch" in refusal(file)
        assert not mark.exists()
        count += 1
    assert count == 14


def test_the_payloads_are_real(tmp_path):
    """Python's own reader does execute the first of them: the test above sees what it should."""
    mark = tmp_path / "executed"
    pickle.loads(next(payloads(mark)))
    assert mark.exists()


@pytest.mark.parametrize(
    "value",
    [
        {"data": np.arange(6, dtype=np.uint8).reshape(2, 3), "labels": [1, 255, 256, 70000, -1, 2**40]},
        {"a": [None, True]},
    ],
)
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_plain_data_is_read_as_pickle_reads_it(value, protocol):
    data = pickle.dumps(value, protocol)
    read, expected = safe_pickle.load(data), pickle.loads(data)
    assert read.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(read[name], expected[name], strict=True)


def test_fortran_order_and_lists_that_contain_themselves():
    array = np.asfortranarray(np.arange(6, dtype=np.uint8).reshape(2, 3))
    assert (safe_pickle.load(pickle.dumps({"data": array}, 2))["data"] == array).all()
    loop: list = []
    loop.append(loop)
    read = safe_pickle.load(pickle.dumps(loop, 2))
    assert read[0] is read


DAMAGED = [
    b"",
    b".",
    b"K\x01",
    b"\xff.",
    b"e.",
    b"(e.",
    b"h\x05.",
    b"K\x01K\x02a.",
    b"}(K\x01u.",
    b"}(]K\x01u.",
    b"t.",
    b"T" + struct.pack("<I", 2**31 - 1) + b"short",
    b"\x8e" + struct.pack("<Q", 2**62) + b"short",
    b"cnumpy\n\n.",
    pickle.dumps({"data": np.arange(3.0)}, 2),
    pickle.dumps({"data": np.array([{}], object)}, 2),
]


@pytest.mark.parametrize("data", DAMAGED, ids=range(len(DAMAGED)))
def test_damage_and_other_types_end_in_one_line(tmp_path, data):
    file = tmp_path / "test_batch"
    file.write_bytes(data)
    assert "no CIFAR-10 batch" in refusal(file)


def test_every_truncation_and_flipped_byte_ends_in_one_line_or_a_value():
    whole = pickle.dumps({"data": np.zeros((2, 5), np.uint8), "labels": [3, 4]}, 2)
    for at in range(len(whole)):
        with pytest.raises(ValueError):
            safe_pickle.load(whole[:at])
        try:
            safe_pickle.load(whole[:at] + bytes([whole[at] ^ 0x15]) + whole[at + 1 :])
        except ValueError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    "batch", [{}, [], {"data": []}, {"data": np.zeros((2, 9), np.uint8), "labels": [1, 2]}]
    + [{"data": np.zeros((2, 3072), np.uint8), "labels": labels} for labels in ([1], [1, 10], [1, -1], [1, "2"], None)],
)  # fmt: skip
def test_sound_pickles_that_are_no_batch(tmp_path, batch):
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batch, 2))
    assert "no CIFAR-10 batch: expected data" in refusal(tmp_path / "test_batch")


def twice(start, pair):
    """60 steps that each put the value before into a new one twice: 2^60 leaves."""
    steps = (pair % (bytes([i - 1]), bytes([i - 1])) + b"q" + bytes([i]) for i in range(1, 60))
    return start + b"q\x00" + b"".join(steps)


BOMBS = {
    "shared lists to be printed": twice(b"]", b"](h%bh%be") + b"cnumpy\ndtype\n(h\x3btR.",
    "shared tuples to be hashed": twice(b")", b"h%bh%b\x86") + b"}h\x3bK\x01s.",
    "shared tuples among many keys": twice(b")", b"h%bh%b\x86") + b"}(h\x3bK\x01u.",
    "shared tuples as a name": twice(b")", b"h%bh%b\x86") + b"X\x01\x00\x00\x00ah\x3b\x93)R.",
    "shared tuples as a shape": twice(b")", b"h%bh%b\x86") + b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n"
    b"tR(K\x01h\x3bcnumpy\ndtype\n(X\x02\x00\x00\x00u1tR\x89C\x01atb.",
    "nested tuples": b")q\x00" + b"h\x00\x85q\x00" * 300_000 + b"}h\x00K\x01s.",
    "a million steps": b"N0" * 600_000 + b"N.",
    "copies of a text": b"X"
    + struct.pack("<I", 2**22)
    + b"a" * 2**22
    + b"q\x000X\x06\x00\x00\x00latin1q\x010"
    + b"c_codecs\nencode\n(h\x00h\x01tR" * 100
    + b".",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_at_once(bomb):
    with pytest.raises(ValueError, match="refused|damaged"):
        safe_pickle.load(b"\x80\x02" + BOMBS[bomb])
