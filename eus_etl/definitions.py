"""The code location: all studies of the configuration folder; named by ``workspace.yaml``."""

import os
from pathlib import Path

import dagster as dg

from eus_etl.defs.instance import make_home_ready
from eus_etl.defs.study import build_study_definitions
from eus_etl.settings import load_study, shipped, study_files

CONFIGS_VARIABLE = "EUS_ETL_CONFIGS"


def load_definitions() -> dg.Definitions:
    """Definitions of every study file in ``EUS_ETL_CONFIGS`` (default: the shipped ``configs``).

    Raises:
        ConfigError: a study file says what cannot be meant.
    """
    folder = Path(os.environ.get(CONFIGS_VARIABLE) or shipped("configs"))
    files = study_files(folder)
    return dg.Definitions.merge(*(build_study_definitions(load_study(path), path) for path in files))


make_home_ready()
defs = load_definitions()
