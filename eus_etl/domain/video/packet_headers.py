"""What a packet's headers say: whether others refer to its picture, and whether decoding can start there.

Only what ``selective_decode`` needs is read: the unit types of H.264, HEVC and MPEG-2, never a picture. That
module decides which packets are left out.
"""

from collections.abc import Callable
from typing import NamedTuple

from eus_etl.domain.video.h264_sps import may_code_fields

_START_CODE = b"\x00\x00\x01"

_H264_SLICE, _H264_IDR, _H264_SPS, _H264_PPS = 1, 5, 7, 8
_H264_PASSIVE = frozenset({6, 9, 12})  # notes, borders, filling
_HEVC_SLICES, _HEVC_IDR = range(32), frozenset({19, 20})
_HEVC_PARAMETERS, _HEVC_PASSIVE = frozenset({32, 33, 34}), frozenset({35, 38, 39, 40})
_MPEG2_PICTURE, _MPEG2_SEQUENCE, _MPEG2_EXTENSION = 0x00, 0xB3, 0xB5
_MPEG2_I, _MPEG2_B = 1, 3
_MPEG2_OF_ONE_PICTURE = frozenset({7, 8})  # extensions that hold for their picture alone


class CodedPicture(NamedTuple):
    """What one packet says.

    Attributes:
        restarts: it refers to nothing before it, nor does anything that is both decoded and shown after it.
        referenced: something may refer to it.
        parameters: the parameters for later pictures that it carries; empty if it carries none.
        unfinished: it may be the first field of a picture that the next packet finishes.
    """

    restarts: bool
    referenced: bool
    parameters: bytes
    unfinished: bool = False


PacketReader = Callable[[bytes], CodedPicture]
"""Reads a packet's bytes, in decoding order. Unknown units count as parameters."""


READABLE_CODECS = frozenset({"h264", "hevc", "mpeg2video"})
"""FFmpeg's names of the codecs whose headers can be read here."""


def packet_reader(codec: str, extradata: bytes | None) -> PacketReader:
    """How to read a stream's packets.

    Args:
        codec: one of ``READABLE_CODECS``.
        extradata: the container's data for the decoder; it tells how units are delimited.
    """
    held = extradata or b""
    # with start codes it begins with 0, 0, 1 or 0, 0, 0, 1; early HEVC records also begin with 0
    in_record = len(held) > 6 and (held[0] == 1 or (codec == "hevc" and (held[1] != 0 or held[2] > 1)))
    if codec == "h264":
        return _h264_reader(held, (held[4] & 3) + 1 if in_record else None)
    if codec == "hevc":
        return _hevc_reader((held[21] & 3) + 1 if in_record and len(held) > 21 else None)
    return _read_mpeg2


def _unknown(packet: bytes) -> CodedPicture:
    return CodedPicture(restarts=False, referenced=True, parameters=packet, unfinished=True)


def _h264_reader(extradata: bytes, length_bytes: int | None) -> PacketReader:
    if length_bytes:  # ISO/IEC 14496-15, 5.3.3: the first sequence's parameters, after their length
        sequences = [extradata[8 : 8 + int.from_bytes(extradata[6:8])]]
    else:
        sequences = [unit for unit in _units(extradata, None) or () if unit[0] & 31 == _H264_SPS]
    fields = any(may_code_fields(sequence) for sequence in sequences)

    def read(packet: bytes) -> CodedPicture:
        """ITU-T H.264, 7.4.1: the unit's header holds nal_ref_idc and nal_unit_type."""
        nonlocal fields
        slices, parameters, referenced = [], [], False
        for unit in _units(packet, length_bytes) or (b"\x00",):
            kind = unit[0] & 31
            if kind in (_H264_SLICE, _H264_IDR):
                slices.append(kind)
                referenced |= bool(unit[0] >> 5 & 3)
            elif kind in (_H264_SPS, _H264_PPS):
                parameters.append(unit)
                fields = fields or (kind == _H264_SPS and may_code_fields(unit))
            elif kind not in _H264_PASSIVE:
                return _unknown(packet)
        return CodedPicture(
            restarts=bool(slices) and all(kind == _H264_IDR for kind in slices),
            referenced=referenced or not slices,
            parameters=_START_CODE.join(parameters),
            unfinished=fields,
        )

    return read


def _hevc_reader(length_bytes: int | None) -> PacketReader:
    def read(packet: bytes) -> CodedPicture:
        """ITU-T H.265, 7.4.2.2; base layer only.

        A picture of a kind that its own sub-layer does not refer to may be referred to by a higher one: every
        picture counts as referenced.
        """
        slices, parameters = [], []
        for unit in _units(packet, length_bytes) or (b"\x7f",):
            kind, layer = unit[0] >> 1 & 63, (unit[0] & 1) << 5 | (unit[1] >> 3 if len(unit) > 1 else 0)
            if layer == 0 and kind in _HEVC_SLICES:
                slices.append(kind)
            elif layer == 0 and kind in _HEVC_PARAMETERS:
                parameters.append(unit)
            elif layer or kind not in _HEVC_PASSIVE:
                return _unknown(packet)
        restarts = bool(slices) and all(kind in _HEVC_IDR for kind in slices)
        return CodedPicture(restarts, True, _START_CODE.join(parameters))

    return read


def _read_mpeg2(packet: bytes) -> CodedPicture:
    """ITU-T H.262, 6.2: picture_coding_type, and the headers whose matrices and sizes stay in effect.

    An I picture restarts: what is shown after it refers to it and what follows. B pictures that follow it
    and are shown before it refer to what came before.
    """
    kinds, parameters = [], []
    for unit in _units(packet, None) or ():
        code = unit[0]
        if code == _MPEG2_PICTURE and len(unit) > 2:
            kinds.append(unit[2] >> 3 & 7)
        elif code == _MPEG2_SEQUENCE or (
            code == _MPEG2_EXTENSION and len(unit) > 1 and unit[1] >> 4 not in _MPEG2_OF_ONE_PICTURE
        ):
            parameters.append(unit)
    if not kinds:
        return _unknown(packet)
    return CodedPicture(
        restarts=all(kind == _MPEG2_I for kind in kinds),
        referenced=any(kind != _MPEG2_B for kind in kinds),
        parameters=_START_CODE.join(parameters),
    )


def _units(packet: bytes, length_bytes: int | None) -> list[bytes] | None:
    """The units of a packet, prefixed with their lengths, or delimited by start codes; none is empty.

    None if the lengths do not fit the packet.
    """
    if length_bytes is None:
        return [unit for part in packet.split(_START_CODE)[1:] if (unit := part.rstrip(b"\x00"))]
    units, place = [], 0
    while place + length_bytes < len(packet):
        start = place + length_bytes
        place = start + int.from_bytes(packet[place:start])
        units.append(packet[start:place])
    return units if place == len(packet) and all(units) else None
