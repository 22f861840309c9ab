"""What a run goes through: the rows of a table, or the segments of a corpus."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ecgfoundry.corpus import layout
from ecgfoundry.corpus.remote import is_url
from ecgfoundry.corpus.store import Corpus, open_corpus
from ecgfoundry.errors import CorpusError
from ecgfoundry.formats.common.stamps import stamp_of
from ecgfoundry.formats.common.subjects import parse_age, parse_sex
from ecgfoundry.manifest import Manifest, ManifestRow
from ecgfoundry.recording import Recording, Subject

__all__ = [
    "CorpusSegments",
    "Recordings",
    "contents_of",
    "corpus_segments",
    "identity_of",
    "is_corpus",
    "part_of",
]

_COLUMNS = ("segment", "record", "patient", "split", "age", "sex", "start_s")


def is_corpus(argument: str | Path) -> bool:
    """Whether this is the folder of a corpus, or a URL (which can be nothing else)."""
    return is_url(argument) or (Path(argument) / layout.DOCUMENT).is_file()


def corpus_segments(argument: str | Path) -> CorpusSegments:
    """Open a corpus for inference; see :func:`ecgfoundry.corpus.open_corpus` for the errors."""
    return CorpusSegments(open_corpus(argument, columns=_COLUMNS))


@dataclass(frozen=True)
class CorpusSegments:
    """Every segment of a corpus, or of a part of one, as a recording of its own.

    It survives pickling; another process maps the shards anew.
    """

    corpus: Corpus

    def __len__(self) -> int:
        return len(self.corpus)

    @property
    def folder(self) -> Path:
        """Where the corpus lies, or the cache of a remote one."""
        return self.corpus.path

    @property
    def target_names(self) -> tuple[str, ...]:
        """None: targets stand in a corpus's table of records."""
        return ()

    @property
    def rows(self) -> tuple[ManifestRow, ...]:
        """One row per segment: named by it (``RECORD@MICROSECONDS``), in its shard."""
        index = self.corpus.index.select(*_COLUMNS, "shard", "row")
        return tuple(
            ManifestRow(
                record=entry["segment"],
                path=entry["shard"],
                index=entry["row"],
                start_s=entry["start_s"],
                patient=entry["patient"],
                split=entry["split"],
                age=entry["age"],
                sex=entry["sex"],
            )
            for entry in index.iter_rows(named=True)
        )

    def part(self, start: int, stop: int) -> CorpusSegments:
        """Return the segments from one position up to another."""
        return CorpusSegments(self.corpus.subset(np.arange(start, min(stop, len(self)))))

    def open_raw(self, row: ManifestRow) -> Recording:
        """Read the segment of one of :attr:`rows`; a corpus holds nothing but raw signals.

        Raises
        ------
        CorpusError
            It is not here, or its shard is damaged or cannot be fetched.
        """
        index = self.corpus.index
        found = ((index["shard"] == row.path) & (index["row"] == row.index)).arg_true()
        if len(found) == 0:
            raise CorpusError(f"there is no segment '{row.record}'", path=self.folder / row.path)
        position = int(found[0])
        return Recording(
            self.corpus.read([position])[0],
            float(index["sampling_rate"][position]),
            tuple(index["leads"][position].split(",")),
            subject=Subject(age=parse_age(row.age), sex=parse_sex(row.sex)),
            source=row.record,
        )


Recordings = Manifest | CorpusSegments
"""The rows of a table, or the segments of a corpus."""


def part_of(recordings: Recordings, start: int, stop: int) -> Recordings:
    """Return the recordings from one position up to another; of a table with absolute folder.

    A worker may stand in another folder.
    """
    if isinstance(recordings, CorpusSegments):
        return recordings.part(start, stop)
    part = recordings.with_rows(recordings.rows[start:stop])
    return replace(part, folder=recordings.folder.absolute())


def identity_of(recordings: Recordings) -> dict[str, object]:
    """Return what tells these recordings from others, for a run that is to be resumed."""
    if isinstance(recordings, CorpusSegments):
        return {"corpus": recordings.corpus.document, "segments": len(recordings)}
    return {
        "folder": str(recordings.folder.resolve()),
        "stated": repr(recordings.stated),
        "rows": [
            [r.record, r.path, r.index, r.start_s, r.duration_s, r.patient, r.split,
             r.standardized_as, dict(r.targets)]
            for r in recordings.rows
        ],
    }  # fmt: skip


def contents_of(recordings: Recordings) -> str:
    """Return a hash of the size and the time of change of every file behind a table.

    A corpus is told by its document (:func:`identity_of`).
    """
    if isinstance(recordings, CorpusSegments):
        return ""
    digest = hashlib.sha256()
    for path in dict.fromkeys(recordings.folder / row.path for row in recordings.rows):
        digest.update(f"{path}\n{stamp_of(path)}\n".encode())
    return digest.hexdigest()
