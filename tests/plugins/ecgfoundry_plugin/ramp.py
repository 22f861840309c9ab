"""A file format: one line of ``RAMP``, leads, rate in Hz, number of samples and ``END``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecgfoundry.errors import LeadError, LimitError, TruncatedFileError
from ecgfoundry.formats.base import FormatFile, Reader, ReadOptions, RecordingInfo
from ecgfoundry.leads import normalize_lead_names
from ecgfoundry.recording import Recording
from ecgfoundry.units import check_sampling_rate

__all__ = ["READER"]


class RampFile(FormatFile):
    """Every lead counts its samples in microvolts."""

    def read_segment(self, start: int, stop: int) -> Recording:
        """Return samples ``start`` to ``stop``."""
        info = self.info
        if (stop - start) * len(info.leads) > self.options.limits.samples:
            raise LimitError(f"{stop - start} samples are asked for", path=self.path)
        ramp = np.arange(start, stop) / 1000
        return Recording(
            signal=np.tile(ramp, (len(info.leads), 1)),
            sampling_rate=info.sampling_rate,
            leads=info.leads,
            source=str(self.path),
            format=info.format,
        )


def open_file(path: Path, options: ReadOptions, head: bytes | None) -> FormatFile:
    """Read the line."""
    *_, leads, rate, samples, end = path.read_text(encoding="utf-8").split()
    stored = leads.split(",")
    names = options.leads or stored
    if len(names) != len(stored):
        raise LeadError(f"{len(names)} lead names are given for {len(stored)}", path=path)
    if end != "END":
        raise TruncatedFileError("the line is not complete", path=path)
    info = RecordingInfo(
        format="plugin-ramp",
        leads=normalize_lead_names(names),
        sampling_rate=check_sampling_rate(options.sampling_rate or float(rate)),
        samples=int(samples),
    )
    return RampFile(path, options, info)


READER = Reader(
    name="plugin-ramp",
    description="A ramp, for tests",
    extensions=(".ramp",),
    sniff=lambda path, head: head.startswith(b"RAMP "),
    open=open_file,
    random_access=True,
    verified_on="files that tests write",
)
