"""The card of a release: ``README.md``, for people and for Hugging Face."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import yaml

from eus_etl.domain.release.selection import REASONS
from eus_etl.domain.tables.schema import Column

MEANINGS: Mapping[str, str] = {
    "no_picture": "no region was found, so there is no masked picture",
    "blocked": "words were read in the visit, or its region is uncertain, and nobody signed that off",
    "excluded": "the selection excludes the visit",
    "stale": "the visit was to be made again when the release was made",
    "unreviewed": "nobody signed off all regions of the visit",
    "person": "the patient columns do not fit the selection",
    "status": "the frame is disturbed",
    "label_uncertain": "a label border is nearer than it may be off",
    "unlabelled": "it has no label of the required families",
    "min_gap": "too near to the frame before it",
    "visit_cap": "the visit has more frames than the selection takes",
    "person_cap": "the person has more frames than the selection takes",
}
"""Reasons why a frame is left out, in words."""


def card(
    release: str,
    statistics: Mapping[str, Any],
    columns: Sequence[Column],
    *,
    licence: str,
    intended_use: str,
    grouped_by_visit: int,
    leaks: str,
) -> str:
    """The card.

    Args:
        release: the release's id.
        statistics: of ``statistics.json``.
        columns: the patient columns.
        licence: for the front matter and the text.
        intended_use: a paragraph.
        grouped_by_visit: of how many visits the person is not known.
        leaks: what the search for leaks found, in a sentence.
    """
    parts = [
        _front_matter(statistics, licence),
        f"# {statistics['title']}",
        _summary(release, statistics),
        "## Load it",
        _loading(),
        "## What is in it",
        _counts(statistics),
        _columns(columns),
        "## How it was made",
        _how(statistics, grouped_by_visit),
        f"- Leaks (`leaks.csv`): {leaks}",
        "## Left out",
        _left_out(statistics),
        "## Intended use",
        intended_use,
        f"Licence: {licence}.",
        "## Known gaps",
        _gaps(statistics),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(statistics: Mapping[str, Any], licence: str) -> str:
    splits = [
        {"split": split, "path": f"{split}/**"}
        for split, counts in statistics["splits"].items()
        if counts["frames"]
    ]
    frames = int(statistics["frames"])
    sizes = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M")
    facts = {
        "license": licence,
        "pretty_name": statistics["title"],
        "task_categories": ["image-classification"],
        "tags": ["medical", "ultrasound"],
        "size_categories": [sizes[min(len(sizes) - 1, max(0, len(str(frames)) - 3))]],
        "configs": [{"config_name": "default", "drop_labels": True, "data_files": splits}],
    }
    return f"---\n{yaml.safe_dump(facts, sort_keys=False, allow_unicode=True).rstrip()}\n---"


def _summary(release: str, statistics: Mapping[str, Any]) -> str:
    text = (
        f"{statistics['frames']} masked ultrasound pictures of {statistics['visits']} visits and "
        f"{statistics['subjects']} persons; release `{release}` of study `{statistics['study']}`, selection "
        f"`{statistics['name']}`. The pictures are masked and checked, not anonymised: "
    )
    if unreviewed := statistics["unreviewed_visits"]:
        return text + (
            f"**in {unreviewed} of {statistics['visits']} visits no person reviewed the masks** "
            "(`--accept-unreviewed`). Do not pass this release on before somebody has looked."
        )
    return text + "a person signed off the mask of every layout."


def _loading() -> str:
    return (
        "```python\n"
        "from datasets import load_dataset\n\n"
        'dataset = load_dataset("imagefolder", data_dir="PATH OF THIS FOLDER", drop_labels=True)\n'
        "```\n\n"
        "or, with `eus_etl` installed, `eus_etl.dataset.load(path)`. `sha256sum -c SHA256SUMS` "
        "verifies a copy."
    )


def _counts(statistics: Mapping[str, Any]) -> str:
    lines = ["| split | frames | visits | persons |", "|---|---|---|---|"]
    for split, counts in statistics["splits"].items():
        lines.append(f"| {split} | {counts['frames']} | {counts['visits']} | {counts['subjects']} |")
    lines += ["", "| family | label | split | frames | visits | persons |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {family} | {label} | {split} | {n['frames']} | {n['visits']} | {n['subjects']} |"
        for family in statistics["families"]
        for label in statistics["families"][family]
        for split, counts in statistics["splits"].items()
        if (n := counts["labels"][family].get(label))
    ]
    return "\n".join(lines)


def _columns(columns: Sequence[Column]) -> str:
    files = (
        "`metadata.csv` of each split lists its pictures, `frames.parquet` all of them with more columns; "
        "`labels.csv` holds label intervals, `patients.csv` visits, `splits.csv` the place of each visit, "
        "`leaks.csv` the nearest training frame of each held-out frame, `statistics.json` counts and grey "
        "levels."
    )
    if not columns:
        return files + " It has no columns about patients."
    lines = ["| column | unit | meaning |", "|---|---|---|"]
    lines += [f"| `{c.name}` | {c.unit} | {c.meaning.replace('|', chr(92) + '|')} |" for c in columns]
    return "\n".join([files + " Columns about patients:", "", *lines])


def _how(statistics: Mapping[str, Any], grouped_by_visit: int) -> str:
    rate, gap = statistics["frame_rate_hz"], statistics["min_gap_s"]
    rate_said = "every frame" if rate is None else f"{rate:g} frames a second"
    lines = [
        f"- Rate: {rate_said} of each video were extracted"
        + ("." if gap is None else f"; of these, frames at least {gap:g} s apart were taken."),
        "- `video_s` is the true presentation time. Where two frames of a video are further apart than the "
        "rate says, frames between them are not in the release: treat it as a gap.",
        "- **A frame without a label of a family was not labelled; that does not mean that what the label "
        "names is absent.** Doctors pressed the labels during the procedure.",
        "- `label_certain` is false where a label border is nearer than it may be off.",
        f"- Pictures: recipe `{statistics['recipe']}`, {statistics['size_px']} x {statistics['size_px']} px; "
        "all outside the ultrasound region is black.",
        "- Splits hold persons apart, and each person stays in a split in all later releases.",
    ]
    if statistics["mean"] is not None:
        lines.append(
            f"- Grey levels inside the mask, over training frames: mean {statistics['mean']}, deviation "
            f"{statistics['std']} (of 255)."
        )
    if grouped_by_visit:
        lines.append(
            f"- **Of {grouped_by_visit} of {statistics['visits']} visits the person is not known: they are "
            "split by visit, so one person may be in two splits.**"
        )
    return "\n".join(lines)


def _left_out(statistics: Mapping[str, Any]) -> str:
    counts = cast("Mapping[str, Mapping[str, int]]", statistics["left_out"])
    if not counts:
        return "No extracted frame was left out."
    lines = ["| reason | meaning | frames | of visits |", "|---|---|---|---|"]
    for reason in (known for known in REASONS if known in counts):
        n = counts[reason]
        lines.append(f"| `{reason}` | {MEANINGS[reason]} | {n['frames']} | {n['visits']} |")
    rejected = sum(sum(of_stage.values()) for of_stage in statistics["rejected"].values())
    lines += [
        "",
        f"Before that, the study recorded {rejected} items that could not be used, or only with doubt.",
    ]
    if dropped := statistics["cells_dropped"]:
        said = ", ".join(f"{count} of `{column}`" for column, count in dropped.items())
        lines += ["", f"Values of patient columns that did not fit their declaration are empty: {said}."]
    return "\n".join(lines)


def _gaps(statistics: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            "- What is written inside the ultrasound region is found by a program that misses some text.",
            "- Labels were pressed live: borders are off by seconds. Use `label_certain`.",
            "- The ids of subjects, visits and videos are pseudonyms of this study's key.",
            f"- Statuses of its frames: {', '.join(statistics['status'])}.",
        ]
    )
