"""How much each row measures."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT", "FULL", "SMALLEST", "Sizes"]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of all rows.

    Attributes
    ----------
    runs : int
        Alternating runs of ours and the reference.
    minimum_s : float
        A short function is called until it takes so long.
    windows : int
        Windows of a standardization batch.
    network_batch : int
        Of the rows of large batches, fine-tuning included.
    architecture : str, optional
        Instead of the released networks.
    records, reference_records : int
        Files; the reference is slow and linear, so it gets fewer.
    minutes, reference_minutes : float
        Of the long record.
    memory_hours : tuple of float
        Records whose memory is measured.
    stream_s : float
        Of the live stream.
    """

    runs: int = 5
    minimum_s: float = 0.15
    windows: int = 64
    network_batch: int = 32
    architecture: str | None = None
    records: int = 60
    reference_records: int = 16
    minutes: float = 8.0
    reference_minutes: float = 8.0
    memory_hours: tuple[float, ...] = (1.0, 6.0, 24.0)
    stream_s: float = 30.0


DEFAULT = Sizes()
"""Under ten minutes for all rows on two free cores."""
FULL = Sizes(records=1000, reference_records=125, minutes=24 * 60, reference_minutes=60)
"""``files`` then takes minutes; ``long`` most of an hour, because it reads 24 hours five times."""
SMALLEST = Sizes(
    runs=1, minimum_s=0.0, windows=2, network_batch=2, architecture="net1d-tiny", records=4,
    reference_records=2, minutes=1.5, reference_minutes=1.5, memory_hours=(0.05,), stream_s=4.0,
)  # fmt: skip
"""Whether the rows run at all; for the tests."""
