"""Outputs of a network for recordings, and means over patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Outputs", "patient_means"]

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Outputs:
    """Outputs of a network for rows of a manifest.

    Attributes
    ----------
    rows : ndarray of int
        Rows that have at least one window.
    records : ndarray (rows, outputs)
        Mean over the windows of each row.
    windows : ndarray (windows, outputs)
    owner : ndarray of int (windows,)
        Place in ``rows`` of each window.
    """

    rows: NDArray[np.intp]
    records: Float64
    windows: Float64
    owner: NDArray[np.intp]

    @classmethod
    def of_single_windows(cls, outputs: Float64) -> Outputs:
        """Return outputs (windows, outputs) of which each window is a record of its own."""
        every = np.arange(len(outputs), dtype=np.intp)
        return cls(every, outputs, outputs, every)


def patient_means(
    outputs: Float64, values: Float64, groups: Sequence[str]
) -> tuple[Float64, Float64, list[str]]:
    """Average outputs and known targets over the records of each patient.

    Returns
    -------
    outputs (patients, outputs), values (patients, columns), patients
        A target that differs between a patient's records (a 0/1 label) becomes missing unless it
        is constant; numeric targets are averaged.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    mean_outputs = np.stack([outputs[member == k].mean(axis=0) for k in range(len(names))])
    means = np.full((len(names), values.shape[1]), np.nan)
    for k in range(len(names)):
        own = values[member == k]
        for column in range(values.shape[1]):
            known = own[~np.isnan(own[:, column]), column]
            if known.size and (set(np.unique(known)) - {0.0, 1.0} or np.ptp(known) == 0):
                means[k, column] = known.mean()
    return mean_outputs, means, [str(name) for name in names]
