"""In which order samples are drawn: balanced over labels, capped by person, the same for the same seed."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray


class BalancedSampler:
    """Draws as many samples of each label in every epoch; an epoch can be left and taken up again.

    A label with few samples repeats all of them equally often; of one with many, each epoch draws others.
    The order of an epoch depends on the seed, the epoch and the arguments alone.

    Args:
        labels: the number of each sample's label.
        subjects: the person of each sample.
        seed: another one draws others.
        per_label: samples of each label in an epoch; the mean of all labels where it is None.
        per_subject: at most so many different samples of a person and label in an epoch; None for no limit.
        rank, world: of several processes that share an epoch, which one this is, and how many there are.
            Each draws as many.

    Raises:
        ValueError: numbers of labels and subjects differ, or an argument makes no sense.
    """

    def __init__(
        self,
        labels: Sequence[int] | NDArray[np.int64],
        subjects: Sequence[str],
        *,
        seed: int = 0,
        per_label: int | None = None,
        per_subject: int | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if len(labels) != len(subjects):
            raise ValueError(f"{len(labels)} labels and {len(subjects)} subjects are not of the same samples")
        if not 0 <= rank < world or min(per_label or 1, per_subject or 1) < 1:
            raise ValueError("rank must be below world, and per_label and per_subject at least 1")
        self._labels = np.asarray(labels, np.int64)
        self._kinds = np.unique(self._labels)
        self._subjects = np.unique(np.asarray(subjects, str), return_inverse=True)[1]
        self._seed, self._rank, self._world = seed, rank, world
        self._per_subject = per_subject
        mean = -(-len(self._labels) // max(1, len(self._kinds)))
        self._per_label = mean if per_label is None else per_label
        self.epoch = 0
        self._position = 0

    def __len__(self) -> int:
        """Samples of a whole epoch, of this process."""
        return self._per_label * len(self._kinds) // self._world

    def __iter__(self) -> Iterator[int]:
        """What is left of the epoch; at its end the next one begins."""
        order = self.order(self.epoch)
        while self._position < len(order):
            self._position += 1
            yield int(order[self._position - 1])
        self.epoch, self._position = self.epoch + 1, 0

    def order(self, epoch: int) -> NDArray[np.int64]:
        """(samples,): what an epoch draws, in order, for this process."""
        rng = np.random.Generator(np.random.Philox(key=self._seed, counter=[0, 0, 0, epoch]))
        drawn = [self._draw(np.flatnonzero(self._labels == kind), rng) for kind in self._kinds]
        whole = np.concatenate(drawn) if drawn else np.zeros(0, np.int64)
        return rng.permutation(whole)[self._rank : len(self) * self._world : self._world]

    def state(self, consumed: int | None = None) -> dict[str, int]:
        """Where the epoch stands.

        Args:
            consumed: samples of this epoch that were used: loaders draw ahead of what they hand out. None
                for all that were drawn.
        """
        return {"epoch": self.epoch, "position": self._position if consumed is None else consumed}

    def load_state(self, state: Mapping[str, int]) -> None:
        """Continue where another sampler with the same arguments stood."""
        self.epoch, self._position = state["epoch"], state["position"]

    def _draw(self, pool: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        pool = rng.permutation(pool)
        if self._per_subject is not None:
            # the place of each sample among those of its person
            people = self._subjects[pool]
            by_person = np.argsort(people, kind="stable")
            ordered = people[by_person]
            place = np.arange(len(pool)) - np.searchsorted(ordered, ordered)
            pool = pool[np.sort(by_person[place < self._per_subject])]
        whole = [rng.permutation(pool) for _ in range(-(-self._per_label // len(pool)))]
        return np.concatenate(whole)[: self._per_label]
