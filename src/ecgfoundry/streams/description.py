"""What a live signal is: its leads, its rate and its unit, as the device or the user states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ecgfoundry.errors import EcgFoundryError, StreamError
from ecgfoundry.units import check_sampling_rate, millivolts_per_unit

__all__ = ["SAID", "StreamDescription", "StreamOptions"]

SAID = ("leads", "sampling_rate", "unit")
"""What a sender says of its samples."""


def _same(key: str, one: Any, other: Any) -> bool:
    """Whether two statements mean the same: "uV" and "µV" do."""
    if key != "unit":
        return bool(one == other)
    try:
        return millivolts_per_unit(str(one)) == millivolts_per_unit(str(other))
    except EcgFoundryError:
        return False


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """The rows of every frame.

    Parameters
    ----------
    leads : tuple of str
        Names of the rows, as the device calls them.
    sampling_rate : float
        Hz.
    millivolts : float
        mV per unit of the samples.
    mains_frequency : float, optional
        Hz.
    said : mapping
        Leads, rate and unit as the sender itself stated them first, whatever the user states.
    """

    leads: tuple[str, ...]
    sampling_rate: float
    millivolts: float = 1.0
    mains_frequency: float | None = None
    said: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def saying(self, document: Mapping[str, Any], source: str) -> StreamDescription:
        """Return this with what a message of the sender says of the signal.

        Raises
        ------
        StreamError
            It is not what was said before: the samples would be read as what they are not.
        """
        heard = {key: document[key] for key in SAID if document.get(key) is not None}
        other = [
            key for key in heard if key in self.said and not _same(key, heard[key], self.said[key])
        ]
        if other:
            raise StreamError(
                f"the signal is another one from here on: it states another {', '.join(other)}",
                path=source,
                remedy="Follow it again",
            )
        if heard.keys() <= self.said.keys():
            return self
        return replace(self, said={**heard, **self.said})


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What the user states about a signal; it goes before what the device says.

    Parameters
    ----------
    leads : tuple of str, optional
        Names of the rows.
    sampling_rate : float, optional
        Hz.
    unit : str, optional
        "mV", "uV", "5 uV"; mV where nobody says otherwise.
    mains_frequency : float, optional
        Hz.
    silence_s : float, optional
        A source that sends nothing for so long has ended; None: wait for ever.
    wait_s : float
        How long to look for a source that is not there yet.
    password : str, optional
        Of the user whom the address names.
    """

    leads: tuple[str, ...] | None = None
    sampling_rate: float | None = None
    unit: str | None = None
    mains_frequency: float | None = None
    silence_s: float | None = None
    wait_s: float = 5.0
    password: str | None = None

    def opened_by(self, document: Mapping[str, Any], source: str) -> StreamOptions:
        """Return these options, completed by a device's opening message.

        Parameters
        ----------
        document : mapping
            ``leads``, ``sampling_rate`` (Hz), ``unit``, ``mains``, as in the opening message of the
            service (``docs/streaming.md``); each may be missing.
        source : str
            For messages.

        Raises
        ------
        StreamError
            One of them is not what it should be.
        """
        leads = document.get("leads")
        if leads is not None and not (
            isinstance(leads, list) and leads and all(isinstance(lead, str) for lead in leads)
        ):
            raise StreamError("'leads' of the opening message is a list of names", path=source)
        rate, mains = document.get("sampling_rate"), document.get("mains")
        for name, value in (("sampling_rate", rate), ("mains", mains)):
            if isinstance(value, bool) or not isinstance(value, int | float | None):
                raise StreamError(f"'{name}' of the opening message is a number", path=source)
        unit = document.get("unit")
        return replace(
            self,
            leads=self.leads or (None if leads is None else tuple(leads)),
            sampling_rate=rate if self.sampling_rate is None else self.sampling_rate,
            unit=self.unit or (None if unit is None else str(unit)),
            mains_frequency=mains if self.mains_frequency is None else self.mains_frequency,
        )

    @property
    def is_complete(self) -> bool:
        """Whether frames can be read: the leads and the rate are known."""
        return self.leads is not None and self.sampling_rate is not None

    def description(self, source: str) -> StreamDescription:
        """Return what the frames are.

        Raises
        ------
        StreamError
            The leads or the rate are not known.
        SamplingRateError, UnitError
            The rate or the unit is not usable.
        """
        if self.leads is None or self.sampling_rate is None:
            missing = "leads" if self.leads is None else "sampling rate"
            raise StreamError(
                f"the signal does not say its {missing}",
                path=source,
                remedy="State both, for example --leads I --rate 250, or send an opening message",
            )
        return StreamDescription(
            self.leads,
            check_sampling_rate(self.sampling_rate),
            millivolts_per_unit(self.unit or "mV"),
            self.mains_frequency,
        )
