"""Videos whose beginning is cut off, as a recorder's buffer or a careless tool leaves them."""

from pathlib import Path

import av

_VIDEO = b"\x00\x00\x01\xe0"  # begins a video packet of an MPEG program stream
_REORDERED = 4  # frames by which decoding runs ahead, at most


def without_first_packets(whole: Path, cut: Path, count: int) -> Path:
    """Write ``whole`` without its first ``count`` coded pictures; ``cut`` has the same ending.

    A program stream is cut where one of its own packets begins, so that part of a picture more may be left.
    """
    if whole.suffix in (".mkv", ".mp4"):
        return _remuxed(whole, cut, count)
    content = whole.read_bytes()
    with av.open(str(whole)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        if container.format.name in ("h264", "hevc", "mpegvideo"):
            cut.write_bytes(b"".join(bytes(packet) for packet in packets[count:]))
            return cut
        start = next(packet.pos for packet in packets[count:] if packet.pos is not None)
    cut.write_bytes(
        content[content.rindex(_VIDEO, 0, start + 1) if _VIDEO in content[: start + 1] else start :]
    )
    return cut


def _remuxed(whole: Path, cut: Path, count: int) -> Path:
    with av.open(str(whole)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size][count:]
        shown = sorted(packet.pts for packet in packets if packet.pts is not None)
        for packet, time in zip(packets, shown, strict=True):
            packet.stream, packet.dts = stream, time - _REORDERED * (shown[1] - shown[0])
            target.mux(packet)
    return cut
