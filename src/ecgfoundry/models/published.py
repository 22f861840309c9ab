"""Published weights that can be pulled by name: where they are, what they are, and their hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PUBLISHED", "PublishedWeights", "published_with_hash"]


@dataclass(frozen=True, slots=True)
class PublishedWeights:
    """One published file of weights.

    Parameters
    ----------
    name : str
        Of the bundle that is made of it.
    repository : str
        On the Hugging Face hub.
    file : str
        Name of the file there.
    sha256 : str
        Of the file.
    size : int
        About, in bytes; for the progress display and as the bound of a download (twice this).
    architecture, leads, vocabulary, preprocessing
        What they are imported as.
    """

    name: str
    repository: str
    file: str
    sha256: str
    size: int
    architecture: str = "net1d"
    leads: int = 12
    vocabulary: str = "ecgfounder-150"
    preprocessing: str = "ecgfounder-finetune@1"


_ECGFOUNDER = "PKUDigitalHealth/ECGFounder"
_ECGFOUNDER_BYTES = 353 * 2**20  # as the hub shows it for both files

PUBLISHED: Mapping[str, PublishedWeights] = {
    entry.name: entry
    for entry in (
        PublishedWeights(
            name="ecgfounder-12lead",
            repository=_ECGFOUNDER,
            file="12_lead_ECGFounder.pth",
            sha256="ee199f3781f4ae1f732973267f003da0a759ea12bddb0dd28a77faa60aca7997",
            size=_ECGFOUNDER_BYTES,
        ),
        PublishedWeights(
            name="ecgfounder-1lead",
            repository=_ECGFOUNDER,
            file="1_lead_ECGFounder.pth",
            sha256="f863a38897fb49a27fec7e44008ea3c7bdbd29c77fa4a02ecbb8c56df4f37603",
            size=_ECGFOUNDER_BYTES,
            leads=1,
        ),
    )
}


def published_with_hash(sha256: str) -> PublishedWeights | None:
    """Return the published weights whose file has this SHA-256, if there are any."""
    return next((entry for entry in PUBLISHED.values() if entry.sha256 == sha256), None)
