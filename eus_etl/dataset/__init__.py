"""What a researcher imports to use a release: no Dagster, no study, no sources.

``eus_etl.dataset.torch`` has datasets for PyTorch, which is not needed otherwise.
"""

from eus_etl.dataset.bootstrap import Bootstrap
from eus_etl.dataset.clips import Clip, Clips, clips
from eus_etl.dataset.evaluate import Evaluation, evaluate
from eus_etl.dataset.frames import Frames, Sample, frames
from eus_etl.dataset.predictions import PredictionsError
from eus_etl.dataset.release import NO_LABEL, Release, ReleaseError, load
from eus_etl.dataset.samplers import BalancedSampler

__all__ = [
    "NO_LABEL",
    "BalancedSampler",
    "Bootstrap",
    "Clip",
    "Clips",
    "Evaluation",
    "Frames",
    "PredictionsError",
    "Release",
    "ReleaseError",
    "Sample",
    "clips",
    "evaluate",
    "frames",
    "load",
]
