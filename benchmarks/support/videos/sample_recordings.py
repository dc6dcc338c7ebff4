"""Recordings of the synthetic hospital's phantom with every kind of episode, and the truth of each frame."""

import random
from pathlib import Path

import numpy as np
import polars as pl

from eus_etl.sample.encode import write_video
from eus_etl.sample.fields import FieldKind
from eus_etl.sample.phantom import pictures
from eus_etl.sample.plan import EPISODE_KINDS, Cast, Codec, Episode, Recording, Visit

KINDS: tuple[FieldKind, ...] = ("convex", "linear", "radial")

_SIZES = ((480, 360), (512, 384), (640, 480))
_CODECS: tuple[tuple[Codec, str, str], ...] = (
    ("libx264", "mp4", ".mp4"),
    ("mpeg2video", "mpegts", ".ts"),
    ("mjpeg", "avi", ".avi"),
)
_RATE_HZ, _SECONDS = 10, 60
_FIRST_S, _EVERY_S = 3.0, 7.0


def sample_recording(
    folder: Path, kind: FieldKind, seed: int, *, clean: bool = False
) -> tuple[Path, pl.DataFrame]:
    """A recording of a minute below ``folder`` with one episode of each kind, or with none.

    Their order, lengths (2 to 3 s), the screen's size, the codec, tissue and name are drawn from ``seed``.

    Returns:
        The file, and a row a frame: ``frame_index`` and one boolean column per kind of episode.
    """
    choice = random.Random(f"{kind} {seed} {clean}")
    codec, container, suffix = choice.choice(_CODECS)
    episodes: list[Episode] = []
    for number, episode in enumerate(() if clean else choice.sample(EPISODE_KINDS, len(EPISODE_KINDS))):
        start_s = _FIRST_S + number * _EVERY_S + choice.uniform(0, 2)
        episodes.append(Episode(episode, start_s, start_s + choice.uniform(2, 3)))
    name = f"{kind}-{seed}-{'clean' if clean else 'disturbed'}{suffix}"
    recording = Recording((name,), codec, container, _RATE_HZ, _SECONDS, tuple(episodes))
    cast = Cast(choice)
    size = choice.choice(_SIZES)
    visit = Visit(cast.person(), cast.patient_id(), None, cast.day(0), kind, size, (recording,))
    write_video(
        folder / name,
        recording,
        size,
        pictures(visit, recording, np.random.default_rng(seed)),
        visit.started_at,
    )
    times_s = recording.times_s()
    truth = {
        episode: np.any(
            [(times_s >= e.start_s) & (times_s < e.stop_s) for e in episodes if e.kind == episode], axis=0
        )
        if episodes
        else np.zeros(times_s.size, np.bool_)
        for episode in EPISODE_KINDS
    }
    return folder / name, pl.DataFrame({"frame_index": np.arange(times_s.size)} | truth)
