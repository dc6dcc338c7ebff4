"""What the page shows in the place of a study whose file cannot be used."""

import re

import dagster as dg


def not_loaded_sensor(file_stem: str, why: str) -> dg.SensorDefinition:
    """A sensor that starts nothing and says at each tick why a study is not loaded.

    Args:
        file_stem: name of the study's file, without its suffix.
        why: what is wrong with it.
    """

    @dg.sensor(
        name=f"{re.sub('[^A-Za-z0-9_]', '_', file_stem)}_not_loaded",
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"NOT LOADED: {why}",
    )
    def sensor(_: dg.SensorEvaluationContext) -> dg.SkipReason:
        return dg.SkipReason(why)

    return sensor
