"""MP4 files that describe their samples twice, as programs write them that join files without encoding."""

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import av

_CONTAINERS = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
_LEFT_OUT = (b"edts", b"udta", b"sgpd", b"sbgp", b"ctts")
_TICKS = 512
KEY_FRAMES_APART = 20


def join_described_anew(parts: Sequence[Path], path: Path) -> Path:
    """The samples of MP4 files of equal size, codec and key frames, each with its own parameters."""
    records, samples = [], []
    for part in parts:
        with av.open(str(part)) as container:
            stream = container.streams.video[0]
            records.append(bytes(stream.codec_context.extradata or b""))
            samples.append([bytes(packet) for packet in container.demux(stream) if packet.size])
    top = dict(_boxes(parts[0].read_bytes()))
    start = _box(b"ftyp", top[b"ftyp"])
    tables = _tables(records, samples, len(start) + 8)
    data = _box(b"mdat", b"".join(sample for part in samples for sample in part))
    path.write_bytes(start + data + _rebuilt(b"moov", top[b"moov"], tables, records))
    return path


def _tables(records: Sequence[bytes], parts: Sequence[Sequence[bytes]], base: int) -> dict[bytes, bytes]:
    """What replaces a table of samples: one chunk a part, one description a chunk."""
    samples = [sample for part in parts for sample in part]
    keys = range(1, len(samples) + 1, KEY_FRAMES_APART)
    offsets = [base + sum(len(s) for part in parts[:place] for s in part) for place in range(len(parts))]
    chunks = [number for place, part in enumerate(parts, 1) for number in (place, len(part), place)]
    return {
        b"stts": _numbers(0, 1, len(samples), _TICKS),
        b"stsz": _numbers(0, 0, len(samples), *map(len, samples)),
        b"stsc": _numbers(0, len(parts), *chunks),
        b"stco": _numbers(0, len(parts), *offsets),
        b"stss": _numbers(0, len(keys), *keys),
    }


def _rebuilt(kind: bytes, content: bytes, tables: dict[bytes, bytes], records: Sequence[bytes]) -> bytes:
    if kind in _CONTAINERS:
        inner = (_rebuilt(*box, tables, records) for box in _boxes(content) if box[0] not in _LEFT_OUT)
        return _box(kind, b"".join(inner))
    if kind == b"stsd":
        entry = content[8:]
        entries = [entry.replace(records[0], record) for record in records]
        return _box(kind, _numbers(0, len(entries)) + b"".join(entries))
    return _box(kind, tables.get(kind, content))


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place < len(content):
        size, kind = struct.unpack(">I4s", content[place : place + 8])
        yield kind, content[place + 8 : place + size]
        place += size


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _numbers(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}I", *numbers)
