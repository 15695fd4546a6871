"""Reading event files back, as TensorBoard does."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

pytest.importorskip("tensorboardX")

from tensorboardX.proto.event_pb2 import Event, SessionLog  # noqa: E402
from tensorboardX.record_writer import masked_crc32c  # noqa: E402


def events(folder: Path) -> list[list[Event]]:
    """The events of each file of a folder, the files in the order of their names."""
    return [list(parsed(path.read_bytes())) for path in sorted(folder.glob("events.out.tfevents.*"))]


def parsed(data: bytes):
    """Records are: length (8 bytes), its checksum (4), an Event, its checksum (4)."""
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        body = data[12 : 12 + length]
        assert struct.pack("<I", masked_crc32c(data[:8])) == data[8:12]
        assert struct.pack("<I", masked_crc32c(body)) == data[12 + length : 16 + length]
        yield Event.FromString(body)
        data = data[16 + length :]


def shown(folder: Path) -> dict:
    """What TensorBoard shows, {(tag, step): value}: a file that starts at a step takes back all from that step on."""
    found = {}
    for file in events(folder):
        assert file[0].file_version == "brain.Event:2"
        for event in file:
            if event.session_log.status == SessionLog.START:
                found = {key: value for key, value in found.items() if key[1] < event.step}
            for value in event.summary.value:
                assert (value.tag, event.step) not in found, "twice"
                found[value.tag, event.step] = value
    return found


def steps_of(folder: Path, tag: str) -> list[int]:
    """The steps at which a tag is shown."""
    return sorted(step for name, step in shown(folder) if name == tag)
