"""What a researcher imports to use a release: no Dagster, no study, no sources."""

from eus_etl.dataset.bootstrap import Bootstrap
from eus_etl.dataset.evaluate import Evaluation, evaluate
from eus_etl.dataset.predictions import PredictionsError

__all__ = ["Bootstrap", "Evaluation", "PredictionsError", "evaluate"]
