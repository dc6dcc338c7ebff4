"""The model that finds text, compiled for the size of page that is read again and again.

Of what the text check reads, nearly all are sheets of one size, and whole pictures of another. On these the
model takes a third of the time once OpenVINO has compiled it for their size. What comes in many sizes stays
with onnxruntime: compiling takes as long as reading a sheet or two, and OpenVINO without a fixed size takes
twice the memory.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pages = NDArray[np.float32]
"""Pages as the model takes them: float32 (n, 3, h, w)."""
Maps = NDArray[np.float32]
"""What of each looks like text: float32 (n, 1, h, w), 0 to 1."""

_WORTH_COMPILING_PX = 500_000
"""Pages of one size that follow one another, px in all: reading them takes longer than compiling."""
_LARGEST_PX = 600_000
"""A larger page takes more memory, compiled, than reading may."""
# single precision, as onnxruntime has: processors that know half of it would find other words
_SETTINGS = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}


class RepeatedSize:
    """Answers as ``session`` does, up to rounding."""

    def __init__(self, session: Callable[[Pages], Maps], model: Path) -> None:
        """Compile nothing yet.

        Args:
            session: runs the model on pages of any size.
            model: the same model, an ONNX file.
        """
        self._session, self._model = session, model
        self._shape: tuple[int, ...] = ()
        self._following = 0
        self._compiled: tuple[tuple[int, ...], Any] | None = None

    def __call__(self, pages: Pages) -> Maps:
        """See ``Maps``."""
        self._following = self._following + 1 if pages.shape == self._shape else 1
        self._shape = pages.shape
        if self._compiled is None or self._compiled[0] != pages.shape:
            size_px = _size_px(pages.shape)
            if size_px > _LARGEST_PX or self._following * size_px < _WORTH_COMPILING_PX:
                if self._compiled and size_px > _size_px(self._compiled[0]):
                    self._compiled = None  # there is not memory for both
                return self._session(pages)
            self._compiled = None
            self._compiled = pages.shape, _compile(self._model, pages.shape)
        request = self._compiled[1]
        request.infer([pages])
        return np.array(request.get_output_tensor().data, np.float32)


def _size_px(shape: tuple[int, ...]) -> int:
    return shape[2] * shape[3]


def _compile(model: Path, shape: tuple[int, ...]) -> Any:
    # as soon as its tools for converting models are loaded, they report to their makers, and keep an id for
    # that in the home folder; the package does without them
    sys.modules["openvino.tools"] = None  # type: ignore[assignment]
    import openvino  # late: a process that reads little does without

    core = openvino.Core()
    network = core.read_model(model)
    network.reshape(shape)
    return core.compile_model(network, "CPU", _SETTINGS).create_infer_request()
