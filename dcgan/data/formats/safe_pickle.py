"""Reading the pickles of CIFAR-10's Python version without ever executing one.

A pickle is a little program for a stack machine, and Python's own reader imports and calls whatever the program
names. This reader is a stack machine of its own. It knows texts, numbers, lists, tuples and dictionaries, and NumPy
arrays of bytes. A name is just a pair of words to it: it imports nothing and calls nothing. It knows what the following
mean, with which NumPy writes an array of bytes, and refuses every other call:

_reconstruct(ndarray, (0,), b"b")        an array, to be filled
dtype("u1", ...)                         its type
BUILD (1, shape, dtype, order, bytes)    its content
_codecs.encode(text, "latin1")           how Python 3 writes bytes into an old pickle

Nothing here walks into a value: a few steps can build lists of lists with 2^60 leaves, or tuples nested so deep that
comparing, hashing or printing them never ends or crashes. So the keys of dictionaries, and all that is compared or
printed, are texts and numbers. The steps, and the bytes they make, are limited.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any

import numpy as np

NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG1")
TEXTS = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
OLD_TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING")  # Python 2's, bytes that are read as Latin-1
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}  # how many values they take from the stack
IGNORED = ("PROTO", "FRAME")
MOST_STEPS = 1_000_000  # a batch of CIFAR-10 takes about 60,000
MOST_BYTES = 2**28  # that texts are turned into


@dataclass(frozen=True)
class Name:
    """The module and name of what a pickle wants to call; compared with the names below, never imported."""

    module: str
    name: str


@dataclass
class Array:
    """An array that was announced; the opcode BUILD gives it its value."""

    value: np.ndarray | None = None


@dataclass(frozen=True)
class ByteType:
    """NumPy's uint8, the only type of numbers that is read."""


RECONSTRUCT = {Name(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")}
NDARRAY, DTYPE, ENCODE = Name("numpy", "ndarray"), Name("numpy", "dtype"), Name("_codecs", "encode")


def load(data: bytes, machine: Machine | None = None) -> Any:
    """The lists, dictionaries, numbers, byte strings and uint8 arrays of a pickle; or what another machine knows.

    Texts of Python 2 come as bytes, as pickle.load(..., encoding="bytes") gives them. Raises ValueError for a pickle
    that holds or does anything else, and for a damaged one.
    """
    machine = machine or Machine()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if count > MOST_STEPS:
                raise ValueError(f"the pickle takes more than {MOST_STEPS:,} steps: refused")
            if opcode.name == "STOP":
                return arrays_filled(machine.stack.pop())
            machine.step(opcode.name, argument)
    except ValueError:
        raise
    except Exception as error:  # noqa: BLE001  (a damaged program may end in any way)
        raise ValueError(f"damaged pickle: {type(error).__name__} {error}") from None
    raise ValueError("damaged pickle: it has no end")


def arrays_filled(value: Any) -> Any:
    """A dictionary with its arrays in place of their announcements; anything else as it is."""
    if not isinstance(value, dict):
        return value
    return {key: entry.value if isinstance(entry, Array) else entry for key, entry in value.items()}


def expect(kind: type, value: Any) -> Any:
    """The value, if it is of that kind."""
    if not isinstance(value, kind):
        raise ValueError(f"damaged pickle: a {type(value).__name__} where a {kind.__name__} belongs")
    return value


def as_key(value: Any) -> Any:
    """The value, if it may be the key of a dictionary: a text, bytes, a number or None."""
    if type(value) not in (str, bytes, int, bool, type(None)):
        raise ValueError(f"the pickle has a {type(value).__name__} as the key of a dictionary: refused")
    return value


class Machine:
    """The stack with its marks, the memo, and one method per opcode."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.made = 0  # bytes

    def step(self, opcode: str, argument: Any) -> None:
        """Do one opcode. Raises ValueError for one that plain data does not need."""
        if opcode in NUMBERS or opcode in TEXTS:
            self.stack.append(argument)
        elif opcode in OLD_TEXTS:
            self.stack.append(argument.encode("latin-1"))
        elif opcode in CONSTANTS:
            self.stack.append(CONSTANTS[opcode])
        elif opcode in EMPTY:
            self.stack.append(EMPTY[opcode]())
        elif opcode in TUPLES:
            self.stack[-TUPLES[opcode] :] = [tuple(self.stack[-TUPLES[opcode] :])]
        elif opcode not in IGNORED:
            method = getattr(self, "do_" + opcode.lower(), None)
            if method is None:
                raise ValueError(f"the pickle wants to do {opcode}, which plain data never needs: refused")
            method(argument)

    def pop_to_mark(self) -> list[Any]:
        """Take everything above the last mark, and the mark."""
        at = self.marks.pop()
        taken = self.stack[at:]
        del self.stack[at:]
        return taken

    def do_mark(self, _: None) -> None:
        self.marks.append(len(self.stack))

    def do_binput(self, key: int) -> None:
        self.memo[key] = self.stack[-1]

    do_put = do_long_binput = do_binput

    def do_memoize(self, _: None) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def do_binget(self, key: int) -> None:
        self.stack.append(self.memo[key])

    do_get = do_long_binget = do_binget

    def do_append(self, _: None) -> None:
        value = self.stack.pop()
        expect(list, self.stack[-1]).append(value)

    def do_appends(self, _: None) -> None:
        values = self.pop_to_mark()
        expect(list, self.stack[-1]).extend(values)

    def do_setitem(self, _: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        expect(dict, self.stack[-1])[as_key(key)] = value

    def do_setitems(self, _: None) -> None:
        items = self.pop_to_mark()
        expect(dict, self.stack[-1]).update(zip(map(as_key, items[::2]), items[1::2], strict=True))

    def do_tuple(self, _: None) -> None:
        self.stack.append(tuple(self.pop_to_mark()))

    def do_global(self, argument: str) -> None:
        self.stack.append(Name(*argument.split(" ", 1)))

    def do_stack_global(self, _: None) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Name(expect(str, module), expect(str, name)))

    def do_reduce(self, _: None) -> None:
        arguments, callee = expect(tuple, self.stack.pop()), expect(Name, self.stack.pop())
        value = self.meaning(callee, arguments)
        self.made += len(value) if isinstance(value, bytes) else 0
        if self.made > MOST_BYTES:
            raise ValueError(f"the pickle makes more than {MOST_BYTES:,} bytes of texts: refused")
        self.stack.append(value)

    def meaning(self, callee: Name, arguments: tuple) -> Any:
        """What a call stands for. Raises ValueError for a call that is not known."""
        return meaning(callee, arguments)

    def do_build(self, _: None) -> None:
        state, target = expect(tuple, self.stack.pop()), self.stack[-1]
        if isinstance(target, Array):
            target.value = built(state)
        elif not isinstance(target, ByteType):
            raise ValueError("the pickle wants to change an object that is no array: refused")


def meaning(callee: Name, arguments: tuple) -> Any:
    """What a call that NumPy writes stands for. Raises ValueError for every other call."""
    if callee in RECONSTRUCT and arguments[:1] == (NDARRAY,):
        return Array()
    if callee == DTYPE and arguments[:1] in (("u1",), (b"u1",)):
        return ByteType()
    if callee == ENCODE and arguments[1:] == ("latin1",) and isinstance(arguments[0], str):
        return arguments[0].encode("latin-1")
    plain = callee == DTYPE and arguments[:1] and isinstance(arguments[0], str | bytes)
    given = f" with {arguments[0][:40]!r}" if plain else ""
    raise ValueError(f"the pickle wants to call {callee.module}.{callee.name}{given}: refused, nothing was executed")


def built(state: tuple) -> np.ndarray:
    """The array of a BUILD state. Raises ValueError where that is not one of bytes in C or Fortran order."""
    fits = (
        len(state) == 5
        and isinstance(state[1], tuple)
        and isinstance(state[2], ByteType)
        and type(state[4]) is bytes
        and len(state[1]) <= 4
        and all(type(length) is int for length in state[1])
    )
    if not fits:
        raise ValueError("damaged pickle: an array that is not of bytes")
    _, shape, _, fortran, content = state
    return np.frombuffer(content, np.uint8).reshape(shape, order="F" if fortran else "C")
