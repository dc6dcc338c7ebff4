"""Selection of frames: all rules hold for what is taken; what is left out breaks the one that is named."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eus_etl.domain.release.selection import REASONS, cap_persons, left_out, select_frames, visits_that_fit
from eus_etl.settings import PersonFilter, ReleaseConfig

VISITS = ("pa", "pb", "pc")
SUBJECT_OF = {"pa": "s1", "pb": "s1", "pc": "s2"}
VIDEOS = ("va", "vb")

frames = st.lists(
    st.fixed_dictionaries(
        {
            "visit": st.sampled_from(VISITS),
            "video": st.sampled_from(VIDEOS),
            "status": st.sampled_from(["ok", "disturbed"]),
            "label_certain": st.sampled_from([True, False, None]),
            "station": st.sampled_from([None, "Station 1"]),
            "has_picture": st.booleans(),
            "blocked": st.booleans(),
            "excluded": st.booleans(),
            "stale": st.booleans(),
            "unreviewed": st.booleans(),
            "fits": st.booleans(),
        }
    ),
    max_size=40,
)
rules = st.builds(
    ReleaseConfig,
    title=st.just("a title"),
    status=st.sampled_from([("ok",), ("ok", "disturbed")]),
    labelled_by=st.sampled_from([(), ("station",)]),
    label_certain=st.booleans(),
    min_gap_s=st.sampled_from([None, 0.2, 0.4, 1.0]),
    frames_per_visit=st.sampled_from([None, 1, 3]),
    frames_per_person=st.sampled_from([None, 1, 4]),
)


def table(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """Rows in order, each video at 5 Hz."""
    names = ["visit", "video", "status", "label_certain", "station"]
    names += ["has_picture", "blocked", "excluded", "stale", "unreviewed", "fits"]
    booleans = dict.fromkeys(["label_certain", *names[5:]], pl.Boolean)
    found = (
        pl.DataFrame(rows, schema_overrides=booleans)
        if rows
        else pl.DataFrame(schema=dict.fromkeys(names, pl.Boolean))
    )
    found = found.with_columns(
        pl.col("visit").cast(pl.String).cast(pl.Enum(VISITS)),
        pl.col("video").cast(pl.String).cast(pl.Enum(VIDEOS)),
        pl.col("status", "station").cast(pl.String),
    ).sort("visit", "video", maintain_order=True)
    place = pl.int_range(pl.len()).over("visit", "video")
    subject = pl.col("visit").cast(pl.String).replace_strict(SUBJECT_OF, return_dtype=pl.Enum(["s1", "s2"]))
    return found.with_columns(
        place.alias("frame_index"), (place / 5).alias("video_s"), subject.alias("subject")
    )


@given(frames, rules)
def test_what_is_taken_keeps_every_rule_and_what_is_not_says_which(
    rows: list[dict[str, object]], rule: ReleaseConfig
) -> None:
    every = table(rows)
    reasons = cap_persons(every, select_frames(every, rule), rule.frames_per_person)
    assert len(reasons) == every.height
    taken = every.filter(reasons.is_null())
    assert taken.select(pl.all_horizontal("has_picture", "fits", ~pl.col("blocked"))).to_series().all()
    assert not taken.select(pl.any_horizontal("excluded", "stale", "unreviewed")).to_series().any()
    assert set(taken["status"]) <= set(rule.status)
    if rule.label_certain:
        assert taken["label_certain"].eq(True).all()
    if rule.labelled_by:
        assert taken["station"].null_count() == 0
    if rule.min_gap_s is not None:
        gaps = taken.select(pl.col("video_s").diff().over("visit", "video")).to_series().drop_nulls()
        assert all(gap >= rule.min_gap_s - 1e-6 for gap in gaps)
    for cap, group in ((rule.frames_per_visit, "visit"), (rule.frames_per_person, "subject")):
        if cap is not None and taken.height:
            assert max(taken[group].value_counts()["count"].to_list()) <= cap
    counts = left_out(every, reasons)
    assert sum(n["frames"] for n in counts.values()) + taken.height == every.height
    assert list(counts) == [reason for reason in REASONS if reason in counts]
    broken = {
        "no_picture": ~pl.col("has_picture"),
        "blocked": pl.col("blocked"),
        "excluded": pl.col("excluded"),
        "stale": pl.col("stale"),
        "unreviewed": pl.col("unreviewed"),
        "person": ~pl.col("fits"),
        "status": ~pl.col("status").is_in(rule.status),
        "label_uncertain": ~pl.col("label_certain").fill_null(value=False),
        "unlabelled": pl.col("station").is_null(),
    }
    for reason, breaks in broken.items():
        assert every.filter(reasons == reason).select(breaks).to_series().all()


def test_what_a_gap_and_caps_keep_is_spread_over_the_video() -> None:
    row = {"visit": "pa", "video": "va", "status": "ok", "label_certain": True, "station": None}
    row |= {"has_picture": True, "blocked": False, "excluded": False, "stale": False}
    row |= {"unreviewed": False, "fits": True}
    every = table([row] * 21)
    rule = ReleaseConfig(title="a title", min_gap_s=1.0)
    assert every.filter(select_frames(every, rule).is_null())["frame_index"].to_list() == [0, 5, 10, 15, 20]
    rule = ReleaseConfig(title="a title", frames_per_visit=3)
    assert every.filter(select_frames(every, rule).is_null())["frame_index"].to_list() == [0, 10, 20]
    reasons = cap_persons(every, select_frames(every, ReleaseConfig(title="a title")), 2)
    assert np.flatnonzero(reasons.is_null().to_numpy()).tolist() == [0, 20]


@pytest.mark.parametrize(
    ("chosen", "fitting"),
    [
        (PersonFilter(column="morphology", any_of=("Cysts", "CCP")), ["one"]),
        (PersonFilter(column="cancer", any_of=("false",)), ["one"]),
        (PersonFilter(column="cap_db_m", minimum=200, maximum=300), ["two"]),
        (PersonFilter(column="cap_db_m", maximum=300), ["one", "two"]),
    ],
)
def test_a_filter_takes_the_visits_that_fit_and_no_empty_cell(
    chosen: PersonFilter, fitting: list[str]
) -> None:
    patients = pl.DataFrame(
        {
            "patient_id": ["one", "two", "three"],
            "morphology": ["Mass|Cysts", "Mass", None],
            "cancer": [False, True, None],
            "cap_db_m": [150.0, 250.0, None],
        }
    )
    assert visits_that_fit(patients, (chosen,))["patient_id"].to_list() == fitting
