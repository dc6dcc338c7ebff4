"""The code location: all studies of the configuration folder; named by ``workspace.yaml``."""

import os
import sys
from pathlib import Path

import dagster as dg

from eus_etl.defs.instance import make_home_ready
from eus_etl.defs.study import build_study_definitions
from eus_etl.defs.triggers.not_loaded import not_loaded_sensor
from eus_etl.domain.paths import StudyPaths
from eus_etl.errors import ConfigError, EusEtlError
from eus_etl.settings import load_study, shipped, study_files
from eus_etl.storage.files.permissions import keep_from_others
from eus_etl.storage.root_owner import require_format
from eus_etl.storage.trouble import silence_libraries

CONFIGS_VARIABLE = "EUS_ETL_CONFIGS"


def load_definitions() -> dg.Definitions:
    """Definitions of every study file in ``EUS_ETL_CONFIGS`` (default: the shipped ``configs``).

    A file that cannot be used takes no other with it: in its study's place there is a sensor that says why.

    Raises:
        ConfigError: there is no such folder.
    """
    loaded: dict[str, dg.Definitions] = {}
    broken: list[dg.SensorDefinition] = []
    for path in study_files(Path(os.environ.get(CONFIGS_VARIABLE) or shipped("configs"))):
        try:
            study = load_study(path)
            if study.study in loaded:
                raise ConfigError(
                    path.name, f"another file describes {study.study} as well", "keep one of them"
                )
            require_format(StudyPaths(study.root), study.study)
            keep_from_others(study.readers)
            loaded[study.study] = build_study_definitions(study, path)
        except EusEtlError as error:
            print(f"eus-etl: {error}", file=sys.stderr)
            broken.append(not_loaded_sensor(path.stem, str(error)))
    return dg.Definitions.merge(*loaded.values(), dg.Definitions(sensors=broken))


silence_libraries()
keep_from_others("group")
make_home_ready()
defs = load_definitions()
