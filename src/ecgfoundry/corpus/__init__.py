"""Corpora: raw segments in plain ``.npy`` shards with a Parquet index, built once, read at random.

``build`` makes one from a manifest or a data set, ``open_corpus`` reads it::

    corpus = open_corpus("corpus")
    corpus.index                     # polars DataFrame, one row per segment
    corpus.read([5, 17, 3])          # float32 (3, leads, samples) in mV
"""

from __future__ import annotations

from ecgfoundry.corpus.build import BuildOptions, BuildResult, build_corpus
from ecgfoundry.corpus.store import Corpus, open_corpus
from ecgfoundry.corpus.verification import verify_corpus

__all__ = [
    "BuildOptions",
    "BuildResult",
    "Corpus",
    "build_corpus",
    "open_corpus",
    "verify_corpus",
]
