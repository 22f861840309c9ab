"""A listener for carts and gateways: C-STORE of ECG objects, and C-ECHO (DICOM PS3.4 B, PS3.7).

A sender is known by its AE title (and, with TLS, by its certificate); each belongs to an owner. An
association that calls us by another title, or comes from an unknown sender, is refused. What is
larger than the limit is never gathered: the association is ended while it still arrives.
"""

from __future__ import annotations

import logging
import ssl
from typing import Any

from ecgfoundry.errors import DiskFullError, EcgFoundryError, ServiceError
from ecgfoundry.service.hospital import DicomReceiver
from ecgfoundry.service.problems import ProblemError
from ecgfoundry.service.receivers.taking import ECG_CLASSES, Take
from ecgfoundry.service.senders.dicom import require_pynetdicom

__all__ = ["DicomListener"]

_LOG = logging.getLogger("ecgfoundry.service.dicom")
_SUCCESS, _NO_ROOM, _CANNOT = 0x0000, 0xA700, 0xC000
_BUSY = 429


class DicomListener:
    """Listens from :meth:`start` to :meth:`close`, in threads of its own.

    Parameters
    ----------
    settings : DicomReceiver
    take : callable
        What is done with an object; see :data:`ecgfoundry.service.receivers.Take`.
    """

    def __init__(self, settings: DicomReceiver, take: Take) -> None:
        self._settings, self._take = settings, take
        self._server: Any = None
        self._received: dict[Any, int] = {}

    def start(self) -> None:
        """Listen.

        Raises
        ------
        ServiceError
            Nothing can listen there.
        MissingExtraError
        """
        pynetdicom = require_pynetdicom()
        settings = self._settings
        entity = pynetdicom.AE(ae_title=settings.titles[0])
        entity.maximum_associations = settings.associations
        entity.network_timeout = entity.dimse_timeout = 60
        if "*" not in settings.callers:
            entity.require_calling_aet = list(settings.callers)
        entity.require_called_aet = True
        syntaxes = list(pynetdicom.DEFAULT_TRANSFER_SYNTAXES)
        entity.add_supported_context("1.2.840.10008.1.1", syntaxes)
        for kind in ECG_CLASSES:
            entity.add_supported_context(kind, syntaxes)
        handlers = [
            (pynetdicom.evt.EVT_REQUESTED, self._on_request),
            (pynetdicom.evt.EVT_DATA_RECV, self._on_data),
            (pynetdicom.evt.EVT_CONN_CLOSE, self._on_close),
            (pynetdicom.evt.EVT_C_STORE, self._on_store),
            (pynetdicom.evt.EVT_C_ECHO, lambda event: _SUCCESS),
        ]
        try:
            self._server = entity.start_server(
                (settings.host, settings.port),
                block=False,
                evt_handlers=handlers,
                ssl_context=self._tls(),
            )
        except OSError as error:
            raise ServiceError(
                f"no DICOM listener can be on {settings.host}, port {settings.port} "
                f"({error.strerror or error})",
                remedy="Choose another port in [receivers.dicom]",
            ) from None

    def close(self) -> None:
        """End all associations, and listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server = None

    @property
    def port(self) -> int:
        """Where it listens; of use where 0 was asked for."""
        return int(self._server.socket.getsockname()[1])

    def _tls(self) -> ssl.SSLContext | None:
        settings = self._settings
        if settings.certificate is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=settings.clients)
        context.load_cert_chain(settings.certificate, settings.key)
        if settings.clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    # ------------------------------------------------------------ called by pynetdicom's threads

    def _on_request(self, event: Any) -> None:
        """Answer to each of our titles: the library compares with the one that is set here."""
        called = str(event.assoc.requestor.primitive.called_ae_title or "").strip()
        if called in self._settings.titles:
            event.assoc.acceptor.ae_title = called

    def _on_data(self, event: Any) -> None:
        """Count what arrives for the next object, and end an association that sends too much."""
        count = self._received.get(event.assoc, 0) + len(event.data)
        self._received[event.assoc] = count
        if count > self._settings.max_mb * 1_000_000:
            _LOG.warning("an association sent more than %d MB: ended", self._settings.max_mb)
            event.assoc.abort()

    def _on_close(self, event: Any) -> None:
        self._received.pop(event.assoc, None)

    def _on_store(self, event: Any) -> int:
        self._received[event.assoc] = 0
        title = str(event.assoc.requestor.ae_title).strip()
        callers = self._settings.callers
        owner = callers.get(title, callers.get("*"))
        if owner is None:
            return _CANNOT
        request = event.request
        name = f"{request.AffectedSOPInstanceUID}.dcm"
        try:
            content = event.encoded_dataset(include_meta=True)
            self._take(content, name, owner, f"dicom:{title}")
        except ProblemError as error:
            _LOG.error("an object was not kept: %s", error.problem.code)
            return _NO_ROOM if error.problem.status in (413, _BUSY, 507) else _CANNOT
        except DiskFullError:
            return _NO_ROOM
        except EcgFoundryError as error:
            _LOG.error("an object was not kept: %s", error.code)
            return _NO_ROOM  # the database does not answer: it may be sent again
        return _SUCCESS
