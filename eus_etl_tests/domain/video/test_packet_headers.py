"""What packets' headers say, against what the decoder says of the same packets; and which ones are needed."""

from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.video.packet_headers import READABLE_CODECS, CodedPicture, packet_reader
from eus_etl.domain.video.selective_decode import needed_packets
from eus_etl_tests.support.videos.coded_videos import FRAMES, encode


def read_file(path: Path) -> list[tuple[int, bool, CodedPicture, PictureType]]:
    """Of each packet: pts, whether the container calls it a key frame, what is read, the decoder's type."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        reader = packet_reader(stream.codec_context.name, stream.codec_context.extradata)
        packets = [(p.pts or 0, p.is_keyframe, reader(bytes(p))) for p in container.demux(stream) if p.size]
    with av.open(str(path)) as container:
        types = {frame.pts: PictureType(frame.pict_type) for frame in container.decode(video=0)}
    return [(pts, key, coded, types[pts]) for pts, key, coded in packets]


@pytest.mark.parametrize("name", ["lengths.mp4", "lengths.mkv", "start_codes.ts"])
def test_h264_says_what_is_referred_to_and_where_it_starts_anew(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, "bframes=2:b-adapt=0:b-pyramid=none:keyint=20:scenecut=0")
    packets = read_file(path)
    assert len(packets) == FRAMES
    for _, key, coded, kind in packets:
        assert coded.referenced == (kind != PictureType.B)
        assert coded.restarts == key == (kind == PictureType.I)
        assert bool(coded.parameters) == (name.endswith(".ts") and key)
    assert len({coded.parameters for _, key, coded, _ in packets if key}) == 1


def test_h264_does_not_start_anew_where_only_a_refresh_ends(tmp_path: Path) -> None:
    packets = read_file(encode(tmp_path / "refresh.ts", "bframes=0:intra-refresh=1:keyint=12"))
    assert sum(key for _, key, _, _ in packets) > 1  # so says the container
    assert [coded.restarts for _, _, coded, _ in packets] == [True] + [False] * (FRAMES - 1)


def test_a_b_frame_that_another_refers_to_is_referenced(tmp_path: Path) -> None:
    packets = read_file(encode(tmp_path / "pyramid.mp4", "bframes=3:b-adapt=0:b-pyramid=normal"))
    of_b = {coded.referenced for _, _, coded, kind in packets if kind == PictureType.B}
    assert of_b == {True, False}


def test_mpeg2_says_what_is_referred_to_and_where_it_starts_anew(tmp_path: Path) -> None:
    for _, _, coded, kind in read_file(encode(tmp_path / "video.mpg", codec="mpeg2video")):
        assert coded.referenced == (kind != PictureType.B)
        assert coded.restarts == (kind == PictureType.I)
        assert bool(coded.parameters) == coded.restarts


@pytest.mark.parametrize("name", ["lengths.mp4", "start_codes.ts"])
def test_hevc_starts_anew_at_idr_pictures_only(tmp_path: Path, name: str) -> None:
    path = encode(
        tmp_path / name, "keyint=20:open-gop=0:bframes=2:scenecut=0:log-level=none", codec="libx265"
    )
    packets = read_file(path)
    assert [place for place, (_, _, coded, _) in enumerate(packets) if coded.restarts] == [0, 20, 40]
    assert all(coded.referenced for _, _, coded, _ in packets)
    open_gops = "keyint=20:min-keyint=20:open-gop=1:bframes=2:scenecut=0:log-level=none"
    path = encode(tmp_path / f"open_{name}", open_gops, codec="libx265")
    assert sum(coded.restarts for _, _, coded, _ in read_file(path)) == 1


@given(st.sampled_from(sorted(READABLE_CODECS)), st.sampled_from([None, b"\x01" * 30]), st.binary())
def test_any_bytes_can_be_read(codec: str, extradata: bytes | None, content: bytes) -> None:
    reader = packet_reader(codec, extradata)
    reader(content)


@pytest.mark.parametrize(
    ("codec", "extradata", "content"),
    [
        ("h264", None, b"\0\0\1\x68\xee\0\0\1\x65\x80\0\0\1\x18\x55"),  # a unit of an unknown kind
        ("h264", b"\1\x64\0\x1e\xff\xe1\0\1\x67", b"\0\0\0\1\x61\xe0\x10\x20"),  # no lengths
        ("h264", b"\1\x64\0\x1e\xff\xe1\0\1\x67", b""),
        # a second layer starts anew, the first does not
        ("hevc", None, b"\0\0\1\x02\1\x80\0\0\1\x26\x09\x80"),
        ("mpeg2video", None, b"\0\0\1\xb3\x10\x20\x30"),  # headers alone
    ],
)
def test_what_is_not_known_is_always_given(codec: str, extradata: bytes | None, content: bytes) -> None:
    reader = packet_reader(codec, extradata)
    coded = reader(content)
    assert (coded.restarts, coded.referenced, coded.parameters) == (False, True, content)


def test_early_records_of_hevc_are_not_taken_for_start_codes() -> None:
    reader = packet_reader("hevc", b"\0\1\x60" + bytes(18) + b"\xff" + bytes(8))
    trailing = b"\x02\1" + b"\x55" * 294
    assert reader(len(trailing).to_bytes(4) + trailing) == CodedPicture(False, True, b"")


@pytest.mark.parametrize("suffix", ["mp4", "ts"])
@pytest.mark.parametrize(
    ("options", "fields"), [("tff=1", True), ("", False), ("cqm=jvt", False), ("cqm=jvt:tff=1", True)]
)
def test_pictures_may_be_of_fields_where_the_sequence_says_so(
    tmp_path: Path, suffix: str, options: str, fields: bool
) -> None:
    packets = read_file(encode(tmp_path / f"video.{suffix}", f"bframes=2:{options}"))
    assert {coded.unfinished for _, _, coded, _ in packets} == {fields}


class Packet(NamedTuple):
    """A packet of an invented stream, that says of itself what its headers would say."""

    pts: int
    segment: int
    coded: CodedPicture

    def __bytes__(self) -> bytes:
        restarts, referenced, parameters, unfinished = self.coded
        return bytes([restarts, referenced, unfinished]) + parameters


def read(content: bytes) -> CodedPicture:
    return CodedPicture(bool(content[0]), bool(content[1]), content[3:], bool(content[2]))


@st.composite
def streams(draw: st.DrawFn) -> list[Packet]:
    """Segments that each start anew, shown in some order: their start may be shown after what follows it."""
    packets: list[Packet] = []
    first, fields = 0, draw(st.booleans())
    for segment in range(draw(st.integers(1, 5))):
        count = draw(st.integers(1, 8))
        order = draw(st.permutations(range(count)))
        for place, shown in enumerate(order):
            carried = draw(st.sampled_from([b"", b"", b"a", b"b"]))
            referenced = place == 0 or draw(st.booleans())
            coded = CodedPicture(place == 0, referenced, carried, fields)
            packets.append(Packet(first + shown, segment, coded))
        first += count
    return packets


@given(streams(), st.data())
def test_all_that_a_wanted_frame_may_refer_to_is_given_and_little_else(
    packets: list[Packet], data: st.DataObject
) -> None:
    all_pts = [packet.pts for packet in packets]
    wanted = np.array(sorted(data.draw(st.sets(st.sampled_from(all_pts)))), np.int64)
    given = list(needed_packets(packets, wanted, read))
    assert [packet for packet in packets if packet in given] == given  # in order, none twice
    starts = {packet.segment: packet.pts for packet in packets if packet.coded.restarts}
    needed: set[Packet] = set()
    parameters = b""
    for place, packet in enumerate(packets):
        if packet.pts in wanted:
            # a frame shown before the start of its segment may look back over it
            looks_back = packet.segment - (packet.pts < starts[packet.segment])
            before = [other for other in packets[:place] if other.segment >= looks_back]
            needed |= {packet, *(other for other in before if other.coded.referenced)}
        if packet.coded.unfinished and place and packets[place - 1].pts in wanted:
            needed.add(packet)
        if packet.coded.parameters not in (b"", parameters):
            needed.add(packet)
            parameters = packet.coded.parameters
    assert needed <= set(given)
    assert all(packet in needed or packet.coded.referenced for packet in given)
    plain = not any(packet.coded.parameters or packet.coded.unfinished for packet in packets)
    if plain and not any(packet.pts < starts[packet.segment] for packet in packets):
        assert needed == set(given)
