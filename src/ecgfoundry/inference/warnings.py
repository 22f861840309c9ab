"""Warnings about a recording as a whole, beside those about its signal."""

from __future__ import annotations

from ecgfoundry.formats.base import RecordingInfo
from ecgfoundry.formats.common.document import START_DATE
from ecgfoundry.formats.common.filters import states_filters
from ecgfoundry.inference.windows import InputLeads
from ecgfoundry.leads import canonical_lead
from ecgfoundry.models.bundle import Bundle, InputSpec
from ecgfoundry.recording import Recording
from ecgfoundry.signals.quality import Notice

__all__ = ["SYNTHETIC_WORDS", "lead_warnings", "recording_warnings", "trained_on_synthetic"]

ADULT_AGE = 18.0  # years; no shipped bundle was measured on children, whose ECGs differ
SHORT_S = 8.0  # shorter than any recording that the shipped bundles learned from (our choice)
_NOT_A_LEAD_NAME = ("ECG",)
SYNTHETIC_WORDS = "the model was trained on simulated patients; it says nothing about people"


def trained_on_synthetic(bundle: Bundle) -> bool:
    """Return whether any of a bundle's training data was simulated, as its provenance says."""
    return bundle.about.provenance.synthetic


def lead_warnings(spec: InputSpec, leads: InputLeads) -> list[Notice]:
    """Return what the reader should know about the leads that a model reads of a signal."""
    result = []
    if spec.lead_mode == "any-single":
        other = tuple(lead for lead in leads.rows if lead not in spec.leads)
        for lead in other:
            if lead in _NOT_A_LEAD_NAME or canonical_lead(lead) is None:
                words = f"the file does not say which lead '{lead}' is; the model was trained on "
                result.append(Notice("lead-unnamed", words + ", ".join(spec.leads), (lead,)))
        known = tuple(lead for lead in other if canonical_lead(lead) is not None)
        known = tuple(lead for lead in known if lead not in _NOT_A_LEAD_NAME)
        if known:
            words = f"lead {', '.join(known)} is read; the model was trained on "
            result.append(Notice("lead-not-trained-on", words + ", ".join(spec.leads), known))
    read = leads.recorded + leads.derived
    if spec.taught and not set(read) <= set(spec.taught):
        words = f"lead {', '.join(read)} is read; the model was trained on "
        result.append(Notice("lead-not-trained-on", words + ", ".join(spec.taught), read))
    if leads.absent and not spec.taught:
        words = f"{', '.join(leads.absent)}: absent, masked; findings are less certain"
        result.append(Notice("leads-absent", words, leads.absent))
    return result


def recording_warnings(
    recording: Recording | RecordingInfo, bundle: Bundle, leads: InputLeads, duration_s: float
) -> tuple[Notice, ...]:
    """Return what the reader should know about leads, subject, device and length.

    Parameters
    ----------
    recording : Recording or RecordingInfo
        For its subject and device.
    bundle : Bundle
    leads : InputLeads
        What is read from it.
    duration_s : float
        Of the whole recording.
    """
    result = []
    spec = bundle.input
    if bundle.recipe_notice is not None:
        result.append(Notice("preprocessing-differs", bundle.recipe_notice))
    if trained_on_synthetic(bundle):
        result.append(Notice("synthetic-model", SYNTHETIC_WORDS))
    result += lead_warnings(spec, leads)
    other_rates = recording.header.get("leads_at_other_rates")
    if other_rates:
        words = f"{other_rates}: recorded at another rate and not read"
        result.append(Notice("leads-at-other-rates", words, tuple(other_rates.split(", "))))
    if recording.header.get("gain") == "assumed":
        words = "the file does not state its gain: amplitudes in mV are not to be relied on"
        result.append(Notice("gain-assumed", words))
    if recording.header.get("checksum", "").startswith("mismatch"):
        words = "the file does not have the checksum that it states: it may be damaged, or its "
        result.append(Notice("checksum-differs", words + "samples are those of another recording"))
    stated = recording.header.get(START_DATE)
    if stated:
        words = f"the start '{stated}' is no date with a time of day: the answer has no start"
        result.append(Notice("start-not-read", words))
    age = recording.subject.age
    if age is not None and age < ADULT_AGE:
        words = f"the person is {age:g} years old; no figure of this model is for children"
        result.append(Notice("age-under-18", words))
    if duration_s < SHORT_S:
        result.append(Notice("short", f"only {duration_s:.1f} s of signal"))
    if not states_filters(recording.device):
        result.append(Notice("filters-unknown", "the source does not state its filters"))
    return tuple(result)
