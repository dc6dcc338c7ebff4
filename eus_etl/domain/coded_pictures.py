"""What a packet's own headers say of its picture: who refers to it, and whether decoding can begin there.

Only what ``skipping`` needs is read: the kinds of the units of H.264, HEVC and MPEG-2, never a picture.
Which packets are left out is settled there.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

_START_CODE = b"\x00\x00\x01"

_H264_SLICE, _H264_IDR, _H264_PASSIVE = 1, 5, frozenset({6, 9, 12})  # notes, borders, filling
_H264_PARAMETERS = frozenset({7, 8, 13, 15})
_HEVC_SLICES, _HEVC_IDR, _HEVC_PASSIVE = range(32), frozenset({19, 20}), frozenset({35, 38, 39, 40})
_HEVC_PARAMETERS = frozenset({32, 33, 34})
_MPEG2_PICTURE, _MPEG2_SEQUENCE, _MPEG2_EXTENSION = 0x00, 0xB3, 0xB5
_MPEG2_I, _MPEG2_B = 1, 3
_MPEG2_OF_ONE_PICTURE = frozenset({7, 8})  # extensions that hold for their picture alone


class CodedPicture(NamedTuple):
    """What one packet says.

    Attributes:
        restarts: what comes after it, in the order of decoding, and is shown after it refers to nothing that
            came before it.
        referenced: something may refer to it.
        parameters: the parameters for later pictures that it carries; empty where it carries none.
    """

    restarts: bool
    referenced: bool
    parameters: bytes


_UNKNOWN = CodedPicture(restarts=False, referenced=True, parameters=b"")

PacketReader = Callable[[bytes], CodedPicture]
"""From the bytes of a packet; whatever it does not know it takes for referred to."""


def packet_reader(codec: str, extradata: bytes | None) -> PacketReader | None:
    """How to read a stream's packets; None for a codec whose headers are not known here.

    Args:
        codec: FFmpeg's name of it.
        extradata: what the container holds for the decoder: it says how units are told apart.
    """
    held = extradata or b""
    # the records of ISO/IEC 14496-15 begin with their version, 1; start codes begin with 0
    in_record = held[:1] == b"\x01"
    if codec == "h264":
        return _h264_reader((held[4] & 3) + 1 if in_record and len(held) > 4 else None)
    if codec == "hevc":
        return _hevc_reader((held[21] & 3) + 1 if in_record and len(held) > 21 else None)
    return _read_mpeg2 if codec == "mpeg2video" else None


def _h264_reader(length_bytes: int | None) -> PacketReader:
    def read(packet: bytes) -> CodedPicture:
        """ITU-T H.264, 7.4.1: the unit's header holds nal_ref_idc and nal_unit_type."""
        restarts, referenced, pictures, parameters = False, False, 0, []
        for unit in _units(packet, length_bytes):
            kind = unit[0] & 31
            if kind in (_H264_SLICE, _H264_IDR):
                pictures += 1
                restarts |= kind == _H264_IDR
                referenced |= bool(unit[0] >> 5 & 3)
            elif kind in _H264_PARAMETERS:
                parameters.append(unit)
            elif kind not in _H264_PASSIVE:
                return _UNKNOWN
        return CodedPicture(restarts, referenced or not pictures, _START_CODE.join(parameters))

    return read


def _hevc_reader(length_bytes: int | None) -> PacketReader:
    def read(packet: bytes) -> CodedPicture:
        """ITU-T H.265, 7.4.2.2.

        A picture of a kind that its own sub-layer does not refer to may be referred to by a higher one: every
        picture counts as referenced.
        """
        restarts, parameters = False, []
        for unit in _units(packet, length_bytes):
            kind = unit[0] >> 1 & 63
            if kind in _HEVC_SLICES:
                restarts |= kind in _HEVC_IDR
            elif kind in _HEVC_PARAMETERS:
                parameters.append(unit)
            elif kind not in _HEVC_PASSIVE:
                return _UNKNOWN
        return CodedPicture(restarts, True, _START_CODE.join(parameters))

    return read


def _read_mpeg2(packet: bytes) -> CodedPicture:
    """ITU-T H.262, 6.2: picture_coding_type, and the headers whose matrices and sizes stay in force.

    An I picture restarts: what is shown after it refers to it and what follows. B pictures that follow it
    and are shown before it refer to what came before.
    """
    kinds, parameters = [], []
    for unit in _units(packet, None):
        code = unit[0]
        if code == _MPEG2_PICTURE and len(unit) > 2:
            kinds.append(unit[2] >> 3 & 7)
        elif code == _MPEG2_SEQUENCE or (
            code == _MPEG2_EXTENSION and len(unit) > 1 and unit[1] >> 4 not in _MPEG2_OF_ONE_PICTURE
        ):
            parameters.append(unit)
    if not kinds:
        return _UNKNOWN
    return CodedPicture(
        restarts=kinds[0] == _MPEG2_I,
        referenced=any(kind != _MPEG2_B for kind in kinds),
        parameters=_START_CODE.join(parameters),
    )


def _units(packet: bytes, length_bytes: int | None) -> Iterator[bytes]:
    """The units of a packet, each behind its length, or without lengths behind start codes; none is empty."""
    if length_bytes is None:
        for unit in packet.split(_START_CODE)[1:]:
            if unit := unit.rstrip(b"\x00"):
                yield unit
        return
    place = 0
    while place + length_bytes < len(packet):
        start = place + length_bytes
        place = start + int.from_bytes(packet[place:start])
        if start < place:
            yield packet[start:place]
