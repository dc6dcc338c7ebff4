"""Least squares that outliers do not spoil: for the shapes of ``fit`` and ``edges``."""

from collections.abc import Callable

import numpy as np

from eus_etl.domain.screen.field.shapes import Floats

_STEPS = 15


def least_squares(
    distances: Callable[[Floats], Floats],
    start: Floats,
    weights: Callable[[Floats], Floats],
    steps: int = _STEPS,
) -> Floats:
    """Numbers that bring distances near 0, each pulling with its weight.

    Iteratively reweighted Gauss-Newton (Holland and Welsch, 1977), damped as by Levenberg (1944). A step is
    taken where it lowers the weighted squares, with the weights as they are before it.

    Args:
        distances: of the numbers (k), how far each point is off (n).
        start: first guess (k).
        weights: of the distances (n), each point's weight (n), not negative.
        steps: at most so many.
    """
    values, damping = start.astype(np.float64), 1e-3
    here = distances(values)
    for _ in range(steps):
        lengths = 1e-4 * np.maximum(1.0, np.abs(values))
        slopes = np.column_stack(
            [
                (distances(values + step) - here) / length
                for step, length in zip(np.diag(lengths), lengths, strict=True)
            ]
        )
        own = weights(here)
        cost = float((own * here**2).sum())
        normal = slopes.T @ (own[:, np.newaxis] * slopes)
        damped = normal + damping * np.diag(np.diag(normal) + 1e-9)
        proposed = values - np.linalg.solve(damped, slopes.T @ (own * here))
        there = distances(proposed)
        proposed_cost = float((own * there**2).sum())
        if proposed_cost < cost:
            small = cost - proposed_cost < 1e-6 * cost
            values, here, damping = proposed, there, damping / 5
            if small:
                break
        else:
            damping *= 5
    return values
