"""Which visits are marked ``release_blocked`` in ``dataset.csv``.

A visit is blocked until a person has looked if a word was read in it, if a region is uncertain, or
if an image was never checked for text. ``text_check`` finds the words, ``regions`` the regions. Where the
configuration switches the check off (``never``), nobody expects one: unchecked images block nothing, and a
release takes only what a person signed off, unless it is told to take unreviewed visits.
"""

import polars as pl

from eus_etl.domain.tables.catalog import LAYOUTS, TEXT_CHECKS
from eus_etl.settings import StudyConfig
from eus_etl.steps.study_tables import scan_parts

UNCERTAIN_REGION = pl.col("uncertain").fill_null(value=True) & ~pl.col("signed_off").fill_null(value=False)
"""Of ``tables.LAYOUTS``: the region may include text (``doubt`` says why), and nobody has reviewed it."""


def unchecked_patients(
    study: StudyConfig, images: pl.DataFrame, checks: pl.DataFrame, layouts: pl.DataFrame
) -> frozenset[str]:
    """Ids of the visits with images that nobody and nothing has looked at, though the check is switched on.

    Args:
        study: the configuration.
        images: ``tables.PREPROCESSED`` of some visits.
        checks: ``tables.TEXT_CHECKS`` of these.
        layouts: ``tables.LAYOUTS`` of these.
    """
    if study.preprocess.text_check.enabled == "never":
        return frozenset()
    made = images.select("patient_id", "layout_id", "recipe").unique()
    unread = made.join(checks, on=made.columns, how="anti")
    left = unread.join(layouts.filter("signed_off"), on=["patient_id", "layout_id"], how="anti")
    return frozenset(left["patient_id"])


def blocked_patients(study: StudyConfig) -> frozenset[str]:
    """Ids of the visits in which something was found; ``unchecked_patients`` knows those without a look."""
    with_text = scan_parts(study, TEXT_CHECKS).filter("blocks")
    uncertain = scan_parts(study, LAYOUTS).filter(UNCERTAIN_REGION)
    found = pl.concat([rows.select("patient_id") for rows in (with_text, uncertain)]).unique().collect()
    return frozenset(found["patient_id"])
