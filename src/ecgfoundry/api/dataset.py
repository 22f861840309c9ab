"""The windows of a table or a corpus as a PyTorch data set, for training loops of one's own."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.errors import MissingExtraError, TrainingError
from ecgfoundry.manifest import ColumnMapping, Manifest, MappedManifest, read_recordings
from ecgfoundry.models.bundle import InputSpec, find_bundle, load_bundle

try:
    import torch
    from torch.utils import data as torch_data
except ImportError:
    raise MissingExtraError.for_extra("a PyTorch data set", "torch") from None

from ecgfoundry.training.data.sources import SourcePool, corpus_sources
from ecgfoundry.training.data.windows import (
    FreshWindows,
    InputWindows,
    store_windows,
)

__all__ = ["Dataset"]


class Dataset(torch_data.Dataset[tuple[Any, torch.Tensor]]):
    """Standardized windows and their targets, as the trainer of this package sees them.

    Every window went through the quality gate and the recipe of the input; refused ones are not
    there. An item is ``(signal, target)``: float32 of (leads, samples) and of (targets,), NaN where
    a target is missing. For an input of any subset of leads ``signal`` is a pair with the presence
    mask (leads,), and absent leads are 0.

    Parameters
    ----------
    data : path, Manifest or MappedManifest
        A table of recordings and labels, or the folder of a corpus.
    input : str, Path or InputSpec
        What the windows are for: a model by name or folder, or an input
        (``InputSpec("exact", leads, get_preprocessing("ecgfounder-finetune@1"))``).
    targets : sequence of str
        Empty: all of a manifest; none of a corpus.
    split : str, optional
        "train", "validation" or "test" of a table; None: all rows.
    lead : str, optional
        The lead that a one-lead input reads.
    cache : path, optional
        Where the windows of a table are kept, for the next time; None: in a temporary folder that
        goes with the object. A corpus is read as it is.

    Attributes
    ----------
    spec : InputSpec
    targets : tuple of str
    groups : list of str
        Patient of each window; recordings without one stand for themselves.
    records : list of str
        Record of each window; empty for a corpus.
    skipped : dict
        Record -> why it has no window.

    Raises
    ------
    TrainingError
        Not one recording can be read by such a model.
    ManifestError, ModelNotFoundError

    Examples
    --------
    >>> windows = Dataset("labels.csv", "rhythm-single-lead", targets=["age"])  # doctest: +SKIP
    >>> loader = torch.utils.data.DataLoader(windows, batch_size=32)            # doctest: +SKIP
    """

    def __init__(
        self,
        data: str | Path | Manifest | MappedManifest,
        input: str | Path | InputSpec,
        *,
        targets: Sequence[str] = (),
        split: str | None = None,
        lead: str | None = None,
        cache: str | Path | None = None,
    ) -> None:
        if isinstance(input, InputSpec):
            self.spec = input
        else:
            self.spec = load_bundle(find_bundle(input)).input
        self.skipped: dict[str, str] = {}
        self.records: list[str] = []
        self._windows: InputWindows
        self._values: NDArray[np.float64]
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if isinstance(data, str | Path) and Path(data).is_dir():
            if split is not None or lead is not None:
                raise TrainingError(
                    "split and lead are of tables of recordings",
                    path=data,
                    remedy="Choose the segments of a corpus with ecgfoundry.corpus.open_corpus",
                )
            self._of_corpus(Path(data), tuple(targets))
        else:
            self._of_table(data, tuple(targets), split, lead, cache)

    def _of_corpus(self, folder: Path, targets: tuple[str, ...]) -> None:
        pool = SourcePool(tuple(corpus_sources(folder, targets)))
        self.targets, self.groups = targets, pool.groups
        self._windows = FreshWindows(pool, self.spec)
        self._values = pool.targets(np.arange(len(pool)))

    def _of_table(
        self,
        data: str | Path | Manifest | MappedManifest,
        targets: tuple[str, ...],
        split: str | None,
        lead: str | None,
        cache: str | Path | None,
    ) -> None:
        if isinstance(data, str | Path):
            data = read_recordings(data, ColumnMapping(targets=targets), need_targets=bool(targets))
        if isinstance(data, MappedManifest):
            targets = targets or data.targets
            data = data.manifest
        manifest = data if split is None else data.of_split(split)
        if not len(manifest):
            raise TrainingError(f"no row of the split '{split}'", path=data.folder)
        if cache is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="ecgfoundry-")
            cache = self._temporary.name
        stored = store_windows(manifest, self.spec, Path(cache), lead=lead)
        self.targets = targets or manifest.target_names
        groups = manifest.groups()
        self.groups = [groups[row] for row in stored.row]
        self.records = [manifest.rows[row].record for row in stored.row]
        self.skipped = stored.skipped
        self._windows = stored
        self._values = manifest.targets(self.targets)[stored.row]

    def __len__(self) -> int:
        """Windows."""
        return len(self._windows)

    def __getitem__(self, position: int) -> tuple[Any, torch.Tensor]:
        """Return one window and its targets."""
        if not -len(self) <= position < len(self):
            raise IndexError(position)
        return self.__getitems__([position % len(self)])[0]

    def __getitems__(self, positions: Sequence[int]) -> list[tuple[Any, torch.Tensor]]:
        """Return several windows, read together; a PyTorch loader asks for its batches so."""
        rows = np.asarray(positions, dtype=np.intp)
        signals, presences = self._windows.get(rows, np.random.default_rng(0))
        targets = torch.from_numpy(self._values[rows].astype(np.float32))
        signal, presence = torch.from_numpy(signals), torch.from_numpy(np.array(presences))
        if self.spec.lead_mode == "any-subset":
            pairs = zip(signal, presence, targets, strict=True)
            return [((one, mask), target) for one, mask, target in pairs]
        return list(zip(signal, targets, strict=True))

    def __repr__(self) -> str:
        return (
            f"Dataset({len(self)} windows of {self.spec.window_s:g} s, "
            f"{self.spec.preprocessing}, targets: {', '.join(self.targets) or 'none'})"
        )
