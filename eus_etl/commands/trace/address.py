"""Which frame a person means: by the study's frame id, a release's, or the path of a picture of either."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath

import polars as pl

from eus_etl.domain.frame_ids import is_video_id
from eus_etl.domain.paths import StudyPaths
from eus_etl.domain.release.pseudonyms import Pseudonyms, looks_like_release
from eus_etl.domain.tables.catalog import KEPT_FRAMES, VIDEOS
from eus_etl.errors import ConfigError, FrameUnknownError
from eus_etl.settings import StudyConfig
from eus_etl.settings.secrets import secret_key
from eus_etl.steps.observation.snapshot import aliases, known_visits
from eus_etl.steps.release.records import kept_frames, records
from eus_etl.storage.extraction_store import extracted_videos
from eus_etl.storage.tables.parts import load_part
from eus_etl.storage.tables.table_files import read_part

_RELEASED = re.compile(r"p[0-9a-f]{16}/v[0-9a-f]{16}/(?P<index>[0-9]{8})")
_STEM = re.compile(r"m?[0-9]{12,}(-[0-9]+)?")
_PICTURES = (".jpg", ".png")
_HOW = "give a frame_id, or the path of a picture that this study or one of its releases holds"


@dataclass(frozen=True, slots=True)
class Address:
    """A frame of the study, and by what it was asked for.

    Attributes:
        frame_id: the study's.
        recipe: of the picture that was named; None if none was.
        release: the release that was named, or the newest one that holds the frame.
        release_frame: ``tables.KEPT_FRAMES`` of the release's picture; None outside of a release.
        by_key: the frame was found by making pseudonyms with the key, as no record of a release has it.
    """

    frame_id: str
    recipe: str | None = None
    release: str | None = None
    release_frame: dict[str, str] | None = None
    by_key: bool = False

    @property
    def patient_id(self) -> str:
        """The visit."""
        return self.frame_id.split("/")[0]

    @property
    def video_id(self) -> str:
        """The video."""
        return self.frame_id.split("/")[1]


def find(study: StudyConfig, given: str) -> Address:
    """The frame that a person means.

    Raises:
        FrameUnknownError: the study has no such frame, as far as this machine can tell.
    """
    paths = StudyPaths(study.root)
    parts = PurePath(given.strip()).parts[-12:]
    if len(parts) < 3:
        raise FrameUnknownError(given, "is neither a frame_id nor the path of a picture", _HOW)
    *before, visit, video, name = parts
    suffix = PurePath(name).suffix
    stem = name.removesuffix(suffix) if suffix in _PICTURES else name
    frame_id = f"{visit}/{video}/{stem}"
    if match := _RELEASED.fullmatch(frame_id):
        named = next((part for part in before if looks_like_release(part)), None)
        return _of_release(study, paths, frame_id, named, int(match["index"]))
    if not (is_video_id(video) and _STEM.fullmatch(stem)):
        raise FrameUnknownError(given, "is neither a frame_id nor the path of a picture", _HOW)
    if not known_visits(paths, [visit]):
        raise FrameUnknownError(given, "no source has shown a visit with this id", _HOW)
    recipe = None
    if paths.preprocessed.name in before[-2:-1]:
        recipe = before[-1]
    return Address(frame_id, recipe=recipe)


def _of_release(
    study: StudyConfig, paths: StudyPaths, frame_id: str, named: str | None, frame_index: int
) -> Address:
    for record in reversed(records(paths)):
        if named not in (None, record.release):
            continue
        kept = read_part(kept_frames(paths, record.release), KEPT_FRAMES).filter(frame_id=frame_id)
        if kept.height:
            row = kept.row(0, named=True)
            recipe = PurePath(row["source_path"]).parts[-4]
            return Address(row["source_frame_id"], recipe, record.release, row)
    keys = list(_keys(study))
    for pseudonyms in keys:
        for patient_id in aliases(study):
            if pseudonyms.visit(patient_id) == frame_id.split("/")[0]:
                found = _by_key(paths, pseudonyms, patient_id, frame_id, frame_index)
                if found:
                    return Address(found, release=named, by_key=True)
    cause = "no record of a release has it"
    if keys:
        raise FrameUnknownError(
            frame_id, f"{cause}, and no visit gives this pseudonym with the key at hand", _HOW
        )
    remedy = (
        "set the environment variable that the selection names as `key_variable`, or trace it where it is set"
    )
    raise FrameUnknownError(frame_id, f"{cause}, and no key is at hand to make its pseudonyms again", remedy)


def _keys(study: StudyConfig) -> Iterator[Pseudonyms]:
    """Pseudonyms by each key that this machine has."""
    for variable in dict.fromkeys(rule.key_variable for rule in study.releases.values()):
        with suppress(ConfigError):
            yield Pseudonyms(study.study, secret_key(variable, "releases", "other pseudonyms"))


def _by_key(
    paths: StudyPaths, pseudonyms: Pseudonyms, patient_id: str, frame_id: str, frame_index: int
) -> str | None:
    for video_id in load_part(paths, VIDEOS, patient_id)["video_id"]:
        if pseudonyms.video(patient_id, video_id) == frame_id.split("/")[1]:
            for video in extracted_videos(paths, patient_id):
                own = video.frames.filter(
                    pl.col("frame_index") == frame_index, pl.lit(video.video_id == video_id)
                )
                if own.height:
                    return str(own["frame_id"][0])
    return None
