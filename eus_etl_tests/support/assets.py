"""The assets of a visit, for tests of what a run makes."""

from eus_etl.defs.assets.patient import patient_assets
from eus_etl.settings import load_shipped_study

CHAIN = tuple(spec.name for spec in patient_assets(load_shipped_study("eusml")))
"""What one run of a new visit makes, in topological order."""
