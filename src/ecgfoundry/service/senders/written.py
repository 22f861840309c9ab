"""Documents that were written and have not arrived yet, kept for the next attempt."""

from __future__ import annotations

from collections import OrderedDict

from ecgfoundry.service.senders.documents import DocumentOrder

__all__ = ["WrittenDocuments"]

_MOST_BYTES = 64_000_000
"""About a hundred documents with a drawn report of half a megabyte (our choice)."""


class WrittenDocuments:
    """The latest documents of deliveries; the oldest go when they are too large together.

    A document takes seconds to be drawn, and is the same in every attempt. It is given only for the
    order that it was written for: what the worklist says of a person may have come in between.

    Parameters
    ----------
    most_bytes : int
        All documents together.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most, self._bytes = most_bytes, 0
        self._documents: OrderedDict[int, tuple[DocumentOrder, bytes]] = OrderedDict()

    def put(self, delivery: int, order: DocumentOrder, body: bytes) -> None:
        """Keep the document of a delivery."""
        self.drop(delivery)
        self._documents[delivery] = order, body
        self._bytes += len(body)
        while self._bytes > self._most:
            self.drop(next(iter(self._documents)))

    def get(self, delivery: int, order: DocumentOrder) -> bytes | None:
        """Return the document of a delivery; None: it has to be written."""
        written_for, body = self._documents.get(delivery, (None, b""))
        return body if written_for == order else None

    def drop(self, delivery: int) -> None:
        """Forget the document of a delivery, if it is here."""
        _, body = self._documents.pop(delivery, (None, b""))
        self._bytes -= len(body)
