"""Frames and clips for PyTorch; the only module that needs it."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from eus_etl.dataset.clips import Clips
from eus_etl.dataset.frames import Frames

try:
    import torch
    from torch.utils.data import Dataset, IterableDataset, get_worker_info
except ImportError as error:
    raise ImportError("PyTorch is not installed. What to do: pip install 'eus-etl[torch]'") from error


def to_tensor(pictures: Any) -> "torch.Tensor":
    """float32 from 0 to 1: a picture as (channels, height, width), a clip as (channels, frames, height,
    width).

    Args:
        pictures: uint8 (height, width) or (height, width, 3) BGR, or a list or array of them for a clip;
            grey has one channel. A tensor, as a transform may have made it, is left as it is; a list of
            tensors is stacked along the frames.
    """
    if isinstance(pictures, torch.Tensor):
        return pictures
    if isinstance(pictures, list) and pictures and isinstance(pictures[0], torch.Tensor):
        return torch.stack(pictures, dim=1)
    values = torch.from_numpy(np.ascontiguousarray(pictures)).float().div_(255)
    if values.shape[-1] == 3:
        return values.movedim(-1, 0)
    return values.unsqueeze(0)


class TorchSamples(Dataset):  # type: ignore[misc]  # PyTorch is not installed where types are checked
    """Frames or clips by their number: ``(tensor, label)``.

    Args:
        samples: what ``frames`` or ``clips`` returned.
    """

    def __init__(self, samples: Frames | Clips) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, at: int) -> tuple["torch.Tensor", int]:
        sample = self.samples[at]
        shown = sample.pictures if hasattr(sample, "pictures") else sample.picture
        return to_tensor(shown), sample.label


class TorchStream(IterableDataset):  # type: ignore[misc]  # PyTorch is not installed where types are checked
    """Frames or clips in a given order, divided among the loader's workers: ``(tensor, label)``.

    Args:
        samples: what ``frames`` or ``clips`` returned.
        order: numbers of samples, such as ``BalancedSampler.order(epoch)``; None for all, in order.
    """

    def __init__(self, samples: Frames | Clips, order: Iterable[int] | None = None) -> None:
        self._samples = TorchSamples(samples)
        self._order = list(range(len(samples))) if order is None else list(order)

    def __iter__(self) -> Iterator[tuple["torch.Tensor", int]]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for at in self._order[first::step]:
            yield self._samples[at]
