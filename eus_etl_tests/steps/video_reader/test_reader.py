"""A file that kills, hangs or fills its reader, or that names others, costs itself alone."""

import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import polars as pl
import pytest

from benchmarks.support.hospitals.visits_of_videos import PATIENT, lay_out, study_at
from benchmarks.support.places import CHECKOUT
from benchmarks.support.processes import children, descendants
from benchmarks.support.videos.pictures import read_picture
from benchmarks.support.videos.small_videos import evenly, read_number, write_video
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import VideoUnreadableError
from eus_etl.settings import ReadingConfig, StudyConfig
from eus_etl.steps.frames import STAGE, extract_patient
from eus_etl.steps.video_reader.answer import rejection_of
from eus_etl.steps.video_reader.reader import extract_apart, probe_apart
from eus_etl.storage.extraction_store import load_rows
from eus_etl.storage.tables.parts import rejected_part
from eus_etl_tests.support.videos.refusals import EXTRACTION, READING, photos, refusal


def write_large(path: Path, side: int) -> Path:
    """A video of two black pictures, ``side`` by ``side``, in a few kilobytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        sound = kind + content
        return len(content).to_bytes(4, "big") + sound + zlib.crc32(sound).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])  # a bit a pixel
    lines = zlib.compress(bytes((1 + side // 8) * side))
    picture = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width = stream.height = side
        stream.pix_fmt = "monob"
        for number in range(2):
            packet = av.Packet(picture)
            packet.stream, packet.time_base = stream, Fraction(1, 25)
            packet.pts = packet.dts = number
            packet.is_keyframe = True
            container.mux(packet)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_video(tmp_path / "good.mkv", evenly(40, 10))


def test_facts_and_frames_are_those_of_a_reader_in_this_process(tmp_path: Path, good: Path) -> None:
    facts = probe_apart(good, "v1", EXTRACTION, READING)
    assert (facts.frames_held, facts.duration_s, facts.time_base) == (10, 0.4, Fraction(1, 1000))
    images = tmp_path / "images"
    images.mkdir()
    told: list[int] = []
    made = extract_apart(good, "v1", images, None, EXTRACTION, READING, told.append)
    shown = [read_number(read_picture(images / f"{stem}.jpg")) for stem in made.frames["stem"]]
    assert shown == made.frames["frame_index"].to_list() == list(range(10))
    assert sum(told) == made.counts.frames == 10
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_reader_that_dies_is_that_files_end_alone(tmp_path: Path, good: Path) -> None:
    endless = tmp_path / "endless.mp4"
    os.mkfifo(endless)
    killer = threading.Thread(target=kill_reader)
    killer.start()
    assert refusal(endless) == "reader_died"
    killer.join()
    assert probe_apart(good, "v1", EXTRACTION, READING).frames_held == 10


def kill_reader() -> None:
    """As a library does that reads where nothing is."""
    wait_for(lambda: any(children(server) for server in children(os.getpid())))
    (reading,) = (child for server in children(os.getpid()) for child in children(server))
    os.kill(reading, signal.SIGSEGV)


def test_a_reader_that_gets_nowhere_is_ended(tmp_path: Path, good: Path) -> None:
    endless = tmp_path / "endless.mp4"
    os.mkfifo(endless)
    assert refusal(endless, reading=ReadingConfig(no_progress_s=0.5)) == "no_progress"
    assert probe_apart(good, "v1", EXTRACTION, READING).frames_held == 10


def test_pictures_that_are_too_large_are_refused(tmp_path: Path) -> None:
    assert refusal(write_large(tmp_path / "large.mov", 16_000)) == "too_large"


def test_a_raised_limit_has_the_file_read_again(tmp_path: Path, good: Path) -> None:
    large = write_large(tmp_path / "large.mov", 8000)
    small = study_at(tmp_path / "root").model_copy(update={"reading": ReadingConfig(memory_mb=200)})
    ids = lay_out(small, [large, good])
    assert extract_patient(small, PATIENT).metadata["videos_rejected"] == 1
    assert rejections(small) == [(ids[0], "too_large")]
    assert extract_patient(small, PATIENT).metadata["videos_decoded"] == 0
    again = extract_patient(study_at(tmp_path / "root"), PATIENT)
    assert (again.metadata["videos_rejected"], again.metadata["videos_decoded"]) == (0, 1)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{good}\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "ffconcat version 1.0\nfile {good}\n"),
        ("list.mpd", "<?xml version='1.0'?><MPD><Period><BaseURL>{good}</BaseURL></Period></MPD>"),
        ("stream.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"),
        ("titles.srt", "1\n00:00:01,000 --> 00:00:02,000\nwords\n"),
        ("titles.ass", "[Script Info]\n[Events]\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,words\n"),
        ("notes.txt", "words " * 500),
    ],
)
def test_what_names_other_files_or_holds_text_is_no_video(
    tmp_path: Path, good: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    path.write_text(content.format(good=good))
    assert refusal(path) == "unreadable"


@pytest.mark.parametrize(
    "name", ["pipe:1.vob", "10:30 visit.mp4", "concat:a|b.ts", "shot%03d.png", "-i.mkv", "a?b*.jpg"]
)
def test_a_name_is_only_a_name(tmp_path: Path, good: Path, name: str) -> None:
    path = good.rename(tmp_path / name)
    assert probe_apart(path, "v1", EXTRACTION, READING).frames_held == 10


def rejections(study: StudyConfig) -> list[tuple[str, str]]:
    part = pl.read_parquet(rejected_part(StudyPaths(study.root), STAGE, PATIENT))
    return part.select("item", "reason").rows()


def test_the_visit_goes_on(tmp_path: Path, good: Path) -> None:
    (tmp_path / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:9,\n{good}\n#EXT-X-ENDLIST\n")
    photo = photos(tmp_path)["png"]
    large = write_large(tmp_path / "large.mov", 16_000)
    study = study_at(tmp_path / "root")
    ids = lay_out(study, [photo, tmp_path / "list.m3u8", good, large])
    result = extract_patient(study, PATIENT)
    paths = StudyPaths(study.root)
    assert load_rows(paths, PATIENT)["video_id"].unique().to_list() == [ids[2]]
    assert result.metadata["frames"] == 10
    assert rejections(study) == [(ids[0], "still_image"), (ids[1], "unreadable"), (ids[3], "too_large")]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TypeError("ZQ"), "unreadable"),
        (ValueError("ZQ"), "unreadable"),
        (ZeroDivisionError("ZQ"), "unreadable"),
        (UnicodeDecodeError("ascii", b"ZQ", 0, 1, "ZQ"), "unreadable"),
        (RecursionError("ZQ"), "unreadable"),
        (av.error.BlockingIOError(11, "ZQ", "ZQ"), "unreadable"),
        (av.error.FileNotFoundError(2, "ZQ", "ZQ"), "unreadable"),
        (MemoryError("ZQ"), "too_large"),
        (av.error.MemoryError(12, "ZQ", "ZQ"), "too_large"),
        (VideoUnreadableError("v1", "its picture is cut", "cut less", "no_progress"), "no_progress"),
    ],
)
def test_every_exception_is_the_files_rejection_without_its_text(error: Exception, reason: str) -> None:
    reply = rejection_of(error)
    assert reply.rejected is not None
    assert reply.rejected.reason == reason
    assert "ZQ" not in reply.model_dump_json()


def test_a_disk_that_fails_is_not_the_files_fault(tmp_path: Path) -> None:
    reply = rejection_of(OSError(28, "No space left"))
    assert (reply.disk_error, reply.rejected) == (28, None)
    with pytest.raises(FileNotFoundError):
        probe_apart(tmp_path / "gone.mp4", "v1", EXTRACTION, READING)


def test_a_confined_process_reads_its_own_file_alone(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("own")
    (tmp_path / "other").write_text("other")
    (tmp_path / "folder").mkdir()
    code = (
        "import sys; from pathlib import Path; from eus_etl.steps.confinement import confine\n"
        "base = Path(sys.argv[1])\n"
        "print(confine(500, [base / 'own'], [base / 'folder']))\n"
        "def tries(what):\n"
        "    try: what(); print('yes')\n"
        "    except (OSError, MemoryError) as error: print(type(error).__name__)\n"
        "tries((base / 'own').read_text)\n"
        "tries((base / 'other').read_text)\n"
        "tries(Path('/etc/passwd').read_text)\n"
        "tries(Path('/proc/self/environ').read_text)\n"
        "tries(lambda: (base / 'folder' / 'new').write_text('x'))\n"
        "tries(lambda: (base / 'new').write_text('x'))\n"
        "tries(lambda: (base / 'own').write_text('x'))\n"
        "tries(lambda: bytearray(700_000_000))\n"
        "import socket\n"
        "tries(lambda: socket.create_connection(('127.0.0.1', 9)))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    said = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split()
    if said[0] == "False":
        pytest.skip("this kernel has no Landlock")
    assert said[1:9] == [
        "yes",
        *["PermissionError"] * 3,
        "yes",
        *["PermissionError"] * 2,
        "MemoryError",
    ]
    assert said[9] in (
        "PermissionError",
        "ConnectionRefusedError",
    )  # the latter where Linux is older than 6.7


def test_nothing_is_left_of_readers_when_the_asking_process_is_killed(tmp_path: Path) -> None:
    endless = tmp_path / "endless.mp4"
    os.mkfifo(endless)
    code = (
        "import sys; from pathlib import Path; from eus_etl.settings import *\n"
        "from eus_etl.steps.video_reader.reader import probe_apart\n"
        "print('asks', flush=True)\n"
        "probe_apart(Path(sys.argv[1]), 'v1', ExtractionConfig(frame_rate_hz=1), ReadingConfig())\n"
    )
    asking = subprocess.Popen(
        [sys.executable, "-c", code, str(endless)], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    assert asking.stdout is not None
    assert asking.stdout.readline() == "asks\n"
    wait_for(lambda: len(descendants(asking.pid)) == 2)
    readers = descendants(asking.pid)
    asking.kill()
    asking.wait()
    asking.stdout.close()
    wait_for(lambda: not any(runs(process) for process in readers))


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds; a test that never ends shows where."""
    while not condition():
        time.sleep(0.05)
