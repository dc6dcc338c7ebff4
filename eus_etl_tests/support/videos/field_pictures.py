"""H.264 whose pictures are coded as two fields, a packet each, written by hand: no encoder at hand makes it.

Syntax: ITU-T H.264, 7.3. Macroblocks are I_PCM: their samples stand in the stream as they are.
"""

from fractions import Fraction
from pathlib import Path

import av

_COLS, _FIELD_ROWS = 4, 2  # macroblocks
_I_PCM = 25


class _Bits:
    def __init__(self) -> None:
        self._bits = ""

    def number(self, count: int, value: int) -> None:
        self._bits += f"{value:0{count}b}"

    def flags(self, bits: str) -> None:
        self._bits += bits

    def golomb(self, *values: int) -> None:
        for value in values:
            code = f"{value + 1:b}"
            self._bits += "0" * (len(code) - 1) + code

    def align(self) -> None:
        self._bits += "0" * (-len(self._bits) % 8)

    def unit(self, header: int) -> bytes:
        """All bits as a unit behind a start code."""
        self._bits += "1"
        self.align()
        unit = bytearray([header])
        zeros = 0
        for place in range(0, len(self._bits), 8):
            byte = int(self._bits[place : place + 8], 2)
            if zeros >= 2 and byte <= 3:
                unit.append(3)
                zeros = 0
            unit.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b"\0\0\0\1" + bytes(unit)


def _parameters() -> bytes:
    sequence = _Bits()
    for value in (77, 0, 30):  # main profile
        sequence.number(8, value)
    sequence.golomb(0, 4, 2, 2)  # frame_num of 8 bits, order of output is that of decoding, two references
    sequence.flags("0")
    sequence.golomb(_COLS - 1, _FIELD_ROWS - 1)
    sequence.flags("00100")  # fields, not macroblock-adaptive
    picture = _Bits()
    picture.golomb(0, 0)
    picture.flags("00")
    picture.golomb(0, 0, 0)
    picture.flags("000")
    picture.golomb(0, 0, 0)
    picture.flags("100")
    return sequence.unit(0x67) + picture.unit(0x68)


def _field(idr: bool, number: int, bottom: bool, idr_id: int, grey: int) -> bytes:
    field = _Bits()
    field.golomb(0, 7, 0)
    field.number(8, number)
    field.flags(f"1{bottom:d}")
    if idr:
        field.golomb(idr_id)
    field.flags("00" if idr else "0")
    field.golomb(0, 1)
    for _ in range(_COLS * _FIELD_ROWS):
        field.golomb(_I_PCM)
        field.align()
        for place in range(384):
            field.number(8, grey if place < 256 else 128)
    return field.unit(0x65 if idr else 0x61)


def write_field_pictures(path: Path, frames: int, frames_a_restart: int) -> Path:
    """``frames`` pictures at 25 Hz, each of a dark field and a light one, a packet a field."""
    packets = []
    for frame in range(frames):
        number = frame % frames_a_restart
        idr_id = frame // frames_a_restart % 2
        first = _field(number == 0, number, False, idr_id, 20 + frame)
        packets.append((_parameters() if number == 0 else b"") + first)
        packets.append(_field(False, number, True, 0, 200 - frame))
    raw = path.with_suffix(".h264")
    raw.write_bytes(b"".join(packets))
    with av.open(str(raw)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        stream.time_base = Fraction(1, 50)
        for place, content in enumerate(packets):
            packet = av.Packet(content)
            packet.stream, packet.time_base = stream, Fraction(1, 50)
            packet.pts = packet.dts = place
            packet.is_keyframe = place % (2 * frames_a_restart) == 0
            container.mux(packet)
    return path
