"""Frames, clips and samplers over a release as the writer makes it."""

import multiprocessing
import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from benchmarks.support.hospitals.released_study import KEY, KEY_VARIABLE, put_study, study_with, visits_of
from eus_etl.dataset import NO_LABEL, BalancedSampler, Frames, ReleaseError, clips, frames, load
from eus_etl.dataset.clips import _voted, _windows
from eus_etl.domain.paths import StudyPaths
from eus_etl.steps.release.step import make_release


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight visits of two files, 30 and 12 frames at 5 Hz; 14 is disturbed, 24 and 25 are near a border."""
    root = tmp_path_factory.mktemp("study")
    study = study_with(root, status=["ok", "disturbed"])
    put_study(study, visits_of(8, frames=(30, 12), disturbed=(14,), uncertain=(24, 25)))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(KEY_VARIABLE, KEY)
        made = make_release(study, "default")
    return StudyPaths(root).releases / made.version


def test_the_index_counts_what_the_statistics_count(release: Path) -> None:
    opened = load(release)
    for split, counts in opened.statistics["splits"].items():
        assert opened.of_split(split).height == counts["frames"] == len(frames(release, split))
        labelled = counts["labels"]["station"]["Station 1"]["frames"]
        assert len(frames(release, split, "station", certain=False)) == labelled
        assert len(frames(release, split, "station")) == labelled // 42 * 40
    assert opened.mean_and_std is not None


def test_a_frame_is_its_picture_and_the_number_of_its_label(release: Path) -> None:
    opened, taken = load(release), frames(release, "train", "station")
    number = opened.families["station"].index("Station 1")
    sample = taken[3]
    row = taken.rows.row(3, named=True)
    assert (sample.frame_id, sample.label) == (row["frame_id"], number)
    assert_array_equal(sample.picture, cv2.imread(str(release / row["path"]), cv2.IMREAD_UNCHANGED))
    assert frames(release, "train")[0].label == NO_LABEL
    assert frames(release, "train", transform=np.mean)[3].picture == pytest.approx(sample.picture.mean())


def test_clips_cross_no_file_status_or_border(release: Path) -> None:
    taken = clips(release, "train", seconds=2, hz=5, stride_s=1, label="station")
    visits = taken.rows["visit"].n_unique()
    starts = {round(float(taken[at].video_s[0]), 3) for at in range(len(taken))}
    # 0 to 13, 15 to 23, 26 to 29 and 0 to 11: ten frames fit into the first and the last
    assert starts == {0.0}
    assert len(taken) == 2 * visits
    unlabelled = clips(release, "train", seconds=2, hz=5, stride_s=1)
    assert sorted(Counter(unlabelled.rows["video_s"][w[0]] for w in unlabelled.windows.tolist()).items()) == [
        (0.0, 2 * visits),
        (3.0, visits),
        (4.0, visits),
    ]
    clip = taken[0]
    assert clip.pictures.shape == (10, 64, 64)
    assert_array_equal(np.diff(clip.video_s).round(6), 0.2)
    slow = clips(release, "train", seconds=2, hz=2.5, stride_s=0.4, label="station")[0]
    assert_array_equal(np.diff(slow.video_s).round(6), 0.4)


@given(data=st.data())
def test_every_clip_is_of_true_seconds_whatever_the_frames(data: st.DataObject) -> None:
    """Frames late by up to a source frame, frames missing, unwanted ones, several files."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    hz, stride_s = (
        data.draw(st.sampled_from([1.0, 2.0, 2.5, 5.0])),
        data.draw(st.sampled_from([0.2, 0.5, 1.0])),
    )
    parts = []
    for number in range(3):
        count = int(rng.integers(1, 80))
        shown = np.arange(count) / 5 + rng.uniform(0, 0.04, count)
        parts.append(
            pl.DataFrame({"visit": "p", "video": f"v{number}", "video_s": shown[rng.random(count) > 0.05]})
        )
    rows = pl.concat(parts)
    wanted = rng.random(rows.height) > 0.05
    windows = _windows(rows, wanted, 0.2, count=4, hz=hz, stride_s=stride_s)
    times, video = rows["video_s"].to_numpy(), rows["video"].to_list()
    for window in windows.tolist():
        assert len({video[at] for at in window}) == 1
        assert wanted[window[0] : window[-1] + 1].all()
        assert (np.diff(times[window[0] : window[-1] + 1]) <= 0.3 + 1e-6).all()
        moments = np.arange(4) / hz
        assert np.abs(times[window] - times[window[0]] - moments).max() <= 0.3 + 1e-6
        assert (np.diff(window) > 0).all()


def test_labels_by_majority_and_by_the_middle() -> None:
    labels = np.array([[0, 0, 1], [1, 1, 0], [-1, -1, 1], [0, 1, -1], [-1, -1, -1]])
    assert_array_equal(_voted(labels, 2, "majority"), [0, 1, -1, 0, -1])
    assert_array_equal(_voted(labels, 2, "centre"), [0, 1, -1, 1, -1])


def test_what_is_not_there_is_refused(release: Path, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="is not the folder of a release"):
        load(tmp_path)
    with pytest.raises(ReleaseError, match=r"split dev: is not in the release.*train"):
        frames(release, "dev")
    with pytest.raises(ReleaseError, match=r"family organ: is not in the release.*station"):
        frames(release, "train", "organ")
    with pytest.raises(ReleaseError, match="ask for at most 5 Hz"):
        clips(release, "train", 2, 25, 1)
    for seconds, hz, stride in ((0, 5, 1), (1, 0, 1), (1, 5, 0), (0.01, 5, 1)):
        with pytest.raises(ValueError, match="above 0"):
            clips(release, "train", seconds, hz, stride)


def test_a_damaged_picture_is_an_error(release: Path, tmp_path: Path) -> None:
    taken = frames(release, "train")
    taken._folder = tmp_path
    with pytest.raises(ReleaseError, match="sha256sum"):
        taken[0]


_taken: list[Frames] = []


def _take(taken: Frames) -> None:
    _taken[:] = [taken]


def _mean_and_threads(at: int) -> tuple[int, int]:
    return int(_taken[0][at].picture.mean()), cv2.getNumThreads()


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_read_the_same_without_threads_of_their_own(release: Path, method: str) -> None:
    taken = frames(release, "train")
    here = [int(taken[at].picture.mean()) for at in range(4)]
    _take(taken)
    with multiprocessing.get_context(method).Pool(2, _take, (taken,)) as pool:
        found = pool.map(_mean_and_threads, range(4))
        pool.close()
        pool.join()  # by themselves: a handler that was set here before may swallow the signal to end
    assert [mean for mean, _ in found] == here
    assert all(threads <= 1 for _, threads in found)


def test_an_epoch_is_balanced_capped_and_resumable() -> None:
    labels = np.array([0] * 90 + [1] * 9 + [2] * 3)
    subjects = [f"s{at % 3 if at < 80 else 7}" for at in range(102)]
    sampler = BalancedSampler(labels, subjects, seed=3, per_subject=5)
    first = list(sampler)
    assert Counter(labels[first].tolist()) == {0: 34, 1: 34, 2: 34}
    assert len(sampler) == 102
    of_zero = {at for at in first if labels[at] == 0}
    assert max(Counter(subjects[at] for at in of_zero).values()) == 5
    repeats = Counter(at for at in first if labels[at] == 2)
    assert max(repeats.values()) - min(repeats.values()) <= 1
    second = list(sampler)
    assert second != first
    assert list(BalancedSampler(labels, subjects, seed=3, per_subject=5)) == first

    stopped = BalancedSampler(labels, subjects, seed=3, per_subject=5)
    ahead = iter(stopped)
    drawn = [next(ahead) for _ in range(50)]
    resumed = BalancedSampler(labels, subjects, seed=3, per_subject=5)
    resumed.load_state(stopped.state(consumed=40))
    assert drawn[:40] + list(resumed) == first
    assert list(resumed) == second


def test_processes_share_an_epoch() -> None:
    labels, subjects = [0, 0, 0, 1, 1], ["a", "b", "c", "d", "e"]
    whole = BalancedSampler(labels, subjects).order(0)
    parts = [BalancedSampler(labels, subjects, rank=rank, world=2) for rank in (0, 1)]
    assert [len(part) for part in parts] == [3, 3]
    assert_array_equal(np.stack([part.order(0) for part in parts], axis=1).ravel(), whole)
    with pytest.raises(ValueError, match="rank"):
        BalancedSampler(labels, subjects, rank=2, world=2)


def test_importing_it_needs_none_of_the_pipeline() -> None:
    others = "{'dagster', 'av', 'sklearn', 'pydantic', 'torch'}"
    code = f"import sys, eus_etl.dataset; print(*{others} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
