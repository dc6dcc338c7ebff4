"""The engine: RapidOCR with the models that its package holds, on onnxruntime and OpenVINO.

``worker`` runs it in a process of its own. Nothing is downloaded: each model is named by its file, and
checked against the sum that the package states before the engine sees it. Nothing is logged: the package's
logger is silenced.
"""

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from eus_etl.domain.images.picture import Picture
from eus_etl.steps.text_reader.repeated_size import RepeatedSize
from eus_etl.steps.text_reader.words import Word

PACKAGE = "rapidocr"
THREADS = 1
"""Threads that a model uses; pictures are spread over processes instead."""

_MODELS = ("PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx")
# in the package's list, which a YAML parser takes half a second to read
_STATED = re.compile(r"/([\w.-]+\.onnx)\s+SHA256: ([0-9a-f]{64})")
_LEAST_SCORE = 0.0  # what a score is worth, the callers decide
_SHORTEST_PX = 32
# a line is brought to 48 px high and filled up to so many px: short ones are read as well as at the engine's
# own 320, in a quarter of the time
_LEAST_LINE = [3, 48, 96]
_SETTINGS = 2
"""Increased when the settings below give other words."""


class EngineBrokenError(Exception):
    """The engine cannot work as it is installed; the message is our own and says why."""


@dataclass(frozen=True, slots=True)
class Models:
    """The files of the models."""

    detection: Path
    recognition: Path


def engine_name() -> str:
    """Name, version and settings of the engine: ``rapidocr 3.10.0 PP-OCRv6_small settings 1``.

    Raises:
        EngineBrokenError: it is not installed.
    """
    return f"{PACKAGE} {_version()} PP-OCRv6_small settings {_SETTINGS}"


def installed_engine() -> str | None:
    """``engine_name``, or None where it is not installed."""
    try:
        return engine_name()
    except EngineBrokenError:
        return None


def models(folder: Path | None = None) -> Models:
    """The models as the package holds them, each whole.

    Args:
        folder: where they are instead.

    Raises:
        EngineBrokenError: one is missing or damaged.
    """
    package = _folder()
    sums = _stated_sums(package)
    found = [(folder or package / "models") / name for name in _MODELS]
    for file in found:
        if not file.is_file():
            raise EngineBrokenError(f"its model {file.name} is missing")
        if hashlib.sha256(file.read_bytes()).hexdigest() != sums.get(file.name):
            raise EngineBrokenError(f"its model {file.name} is damaged")
    return Models(*found)


class RapidReader:
    """The engine with its models loaded: a third of a gigabyte, and two seconds of a core.

    Raises:
        EngineBrokenError: it is not installed, or a model is missing or damaged.
    """

    def __init__(self, folder: Path | None = None) -> None:
        files = models(folder)
        try:
            from rapidocr import RapidOCR
        except ImportError as error:
            raise EngineBrokenError(f"it cannot be loaded ({type(error).__name__})") from None
        logging.disable()  # of this process, which has no other work
        side = 1 << 15  # pictures are brought to size here: the engine leaves them as they are
        self._engine = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "Global.max_side_len": side,
                "Global.text_score": _LEAST_SCORE,
                "EngineConfig.onnxruntime.intra_op_num_threads": THREADS,
                "EngineConfig.onnxruntime.inter_op_num_threads": THREADS,
                "Det.model_path": str(files.detection),
                "Det.limit_type": "max",
                "Det.limit_side_len": side,
                "Rec.rec_batch_num": 1,  # several lines at a time take a third more memory, and no less time
                "Rec.rec_img_shape": _LEAST_LINE,
                "Rec.model_path": str(files.recognition),
            }
        )
        self._engine(np.zeros((_SHORTEST_PX, _SHORTEST_PX, 3), np.uint8), use_rec=False)  # loads its model
        detector: Any = self._engine.text_det
        detector.session = RepeatedSize(detector.session, files.detection)

    def words(self, picture: Picture, side_px: int | None, *, recognize: bool) -> list[Word]:
        """The words of one picture; without ``recognize`` only where they are."""
        height, width = picture.shape[:2]
        page = _page(picture, side_px)
        found = self._engine(page, use_det=True, use_cls=False, use_rec=recognize)
        boxes, scores = getattr(found, "boxes", None), getattr(found, "scores", None)
        if boxes is None or scores is None:
            return []
        texts = getattr(found, "txts", None) or [""] * len(boxes)
        scale = np.array([width / page.shape[1], height / page.shape[0]])
        words = []
        for corners, score, text in zip(boxes, scores, texts, strict=True):
            box = np.asarray(corners, np.float64) * scale
            left, top = (max(0, int(at)) for at in np.floor(box.min(axis=0)))
            right, bottom = (int(at) for at in np.ceil(box.max(axis=0)))
            right, bottom = min(width, right), min(height, bottom)
            if right > left and bottom > top:
                words.append(Word(left, top, right - left, bottom - top, float(score), text))
        return words


def _page(picture: Picture, side_px: int | None) -> Picture:
    """What the engine sees: BGR, of the wanted size, and no side too short for it."""
    color = picture if picture.ndim == 3 else np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)
    height, width = picture.shape[:2]
    scale = side_px / max(height, width) if side_px else 1.0
    size = max(_SHORTEST_PX, round(width * scale)), max(_SHORTEST_PX, round(height * scale))
    if size == (width, height):
        return color
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(color, size, interpolation=method), np.uint8)


def _version() -> str:
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        raise EngineBrokenError("it is not installed") from None


def _folder() -> Path:
    """The package's folder, found without loading it."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise EngineBrokenError("it is not installed")
    return Path(found.origin).parent


def _stated_sums(package: Path) -> Mapping[str, str]:
    """SHA-256 of each model that the package names, by file name."""
    try:
        return dict(_STATED.findall((package / "default_models.yaml").read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError):
        raise EngineBrokenError("its list of models cannot be read") from None
