"""What holds for every text, number and name, tried with those that hypothesis thinks of."""

import json
import pickle
import string
import types
from dataclasses import fields

import numpy as np
import pytest

from dcgan import options
from dcgan.config import Config
from dcgan.data.formats import safe_pickle
from dcgan.data.formats.archives import member_name
from dcgan.errors import UserError
from dcgan.generate_options import number_list
from dcgan.run import log
from dcgan.streams import GAP, error_text, one_line, shortened

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies
settings = hypothesis.settings(max_examples=60, deadline=None, derandomize=True, database=None)

TEXTS = st.text(st.characters(exclude_categories=[]), max_size=60)  # with halves of surrogate pairs
NUMBERS = st.integers() | st.floats() | st.booleans() | st.none()
VALUES = st.recursive(
    NUMBERS | TEXTS, lambda value: st.lists(value, max_size=3) | st.dictionaries(TEXTS, value, max_size=3)
)
LIKELY = st.from_regex(r"\s?-?[0-9_]{1,12}([x:.e,-][0-9]{1,9})?(ep)?\s?", fullmatch=True)


@pytest.mark.parametrize("item", fields(Config), ids=lambda item: item.name)
@hypothesis.settings(settings, max_examples=20)
@hypothesis.given(data=st.data())
def test_an_option_takes_or_refuses_any_value(item, data):
    """What it takes it takes again, as the config.json of a run is read again."""
    kind = item.metadata["kind"]
    try:
        value = kind(data.draw(VALUES | LIKELY))
    except UserError:
        return
    assert kind(value) == value and kind(json.loads(json.dumps(value))) == value


@settings
@hypothesis.given(st.integers(1, options.LONGEST), st.integers(1, options.LONGEST))
def test_a_size_is_read_as_it_is_written(height, width):
    assert options.size(options.size_text((height, width))) == (height, width)


@settings
@hypothesis.given(TEXTS)
def test_any_text_fits_on_one_line(text):
    line = one_line(text)
    assert line.isprintable() and line.encode().decode() == line and one_line(line) == line


@settings
@hypothesis.given(st.text(string.ascii_letters + string.digits + string.punctuation, max_size=60))
def test_a_text_that_fits_stays(text):
    assert one_line(text) == text


@settings
@hypothesis.given(TEXTS, st.integers(10, 70))
def test_a_shortened_text_keeps_both_ends(text, most):
    short = shortened(text, most)
    kept = most - len(GAP)
    cuts = [text[:front] + GAP + text[front - kept :] for front in range(1, kept)]
    assert short == text if len(text) <= most else short in cuts and len(short) == most


@settings
@hypothesis.given(TEXTS | st.text(min_size=300, max_size=400))
def test_an_error_always_says_something(text):
    words = error_text(KeyError(text)), error_text(ValueError(text))
    assert all(0 < len(said) <= 200 and said.isprintable() for said in words)


@settings
@hypothesis.given(st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_line_of_a_log_is_a_record_or_none(line):
    record = log.record_of(line)
    assert record is None or (type(record["step"]) is int and all(map(np.isfinite, record.values())))


@settings
@hypothesis.given(st.integers(0, options.LARGEST), st.floats(width=32, allow_nan=False, allow_infinity=False), VALUES)
def test_the_numbers_of_a_record_come_back(step, loss, other):
    """Beside anything that somebody else has put into the line."""
    written = {"step": step, "loss_d": loss, "other": other}
    record = log.record_of(json.dumps(written).encode())
    assert record["step"] == step and record["loss_d"] == loss
    assert record.keys() <= written.keys()


@settings
@hypothesis.given(TEXTS | st.lists(st.sampled_from(["..", ".", "", "C:", "a", "\\", "/"])).map("/".join))
def test_a_name_in_a_zip_leads_nowhere_else(text):
    name = member_name(types.SimpleNamespace(filename=text, flag_bits=0x800))
    assert not name.startswith("/") and "\\" not in name
    assert not {"..", ".", ""} & set(name.split("/")) or name == ""


@settings
@hypothesis.given(
    st.dictionaries(TEXTS.filter(str.isprintable), st.integers() | st.binary() | st.lists(st.integers())),
    st.integers(0, 4),
)
def test_plain_pickles_are_read_as_python_reads_them(value, protocol):
    """Whole numbers of any length, in every version of the format; what it does not know it refuses in one way."""
    content = pickle.dumps(value, protocol)
    try:
        found = safe_pickle.load(content)
    except ValueError:
        return
    assert found == pickle.loads(content)


@settings
@hypothesis.given(st.binary(max_size=200))
def test_any_bytes_are_a_pickle_or_a_value_error(content):
    try:
        safe_pickle.load(b"\x80\x04" + content + b".")
    except ValueError as error:
        assert str(error)


@settings
@hypothesis.given(st.lists(st.integers(0, 999), min_size=1, max_size=9), TEXTS)
def test_lists_of_numbers(numbers, other):
    assert number_list(",".join(map(str, numbers)), 999) == list(dict.fromkeys(numbers))
    found = number_list(other, 999)
    assert found is None or all(0 <= number <= 999 for number in found)
