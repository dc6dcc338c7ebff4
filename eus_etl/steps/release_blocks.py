"""Which visits are marked ``release_blocked`` in ``dataset.csv``.

A word that was read blocks a visit, and so does a region that is merely what is lit, until a person has
looked. ``text_check`` finds the words, ``regions`` the regions. Images that were never checked block nothing.
"""

import polars as pl

from eus_etl.domain.tables.catalog import LAYOUTS, TEXT_CHECKS
from eus_etl.settings import StudyConfig
from eus_etl.steps.study_tables import scan_parts

UNCERTAIN_REGION = (pl.col("found_by") == "auto_structure") & ~pl.col("signed_off").fill_null(value=False)
"""Of ``tables.LAYOUTS``: the region is merely what is lit, so it may include text; nobody has reviewed it."""


def blocked_patients(study: StudyConfig) -> frozenset[str]:
    """Ids of the visits that must not leave the hospital."""
    with_text = scan_parts(study, TEXT_CHECKS).filter("blocks")
    uncertain = scan_parts(study, LAYOUTS).filter(UNCERTAIN_REGION)
    found = pl.concat([rows.select("patient_id") for rows in (with_text, uncertain)]).unique().collect()
    return frozenset(found["patient_id"])
