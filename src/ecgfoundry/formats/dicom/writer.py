"""Writing DICOM waveform objects with ``pydicom``: 12-lead, general or ambulatory ECG."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecgfoundry.errors import MissingExtraError, UnsupportedVariantError
from ecgfoundry.formats.common.capabilities import Capabilities
from ecgfoundry.formats.common.document import filter_text
from ecgfoundry.formats.common.moments import in_whole_minutes
from ecgfoundry.formats.common.subjects import believed_birth, parse_age
from ecgfoundry.formats.common.writing import (
    MISSING,
    Writer,
    Written,
    digital,
    microvolts_per_step,
)
from ecgfoundry.formats.scp.leads import SCP_LEADS
from ecgfoundry.io import write_atomically
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.recording import Recording

__all__ = ["WRITER", "write_dicom"]

_TWELVE_LEAD = "1.2.840.10008.5.1.4.1.1.9.1.1"
_GENERAL = "1.2.840.10008.5.1.4.1.1.9.1.2"
_AMBULATORY = "1.2.840.10008.5.1.4.1.1.9.1.3"
_FILTERS = {
    "highpass": "FilterLowFrequency",
    "lowpass": "FilterHighFrequency",
    "notch": "NotchFilterFrequency",
}
_TEXTS = {
    "manufacturer": "Manufacturer",
    "model": "ManufacturerModelName",
    "serial_number": "DeviceSerialNumber",
    "software": "SoftwareVersions",
}
_SMALL_CHILD_YEARS = 5.0
_CODES = {name: code for code, name in SCP_LEADS.items()}


def write_dicom(recording: Recording, path: Path) -> Written:
    """Write the ECG leads as one multiplex group of 16-bit samples.

    The class of the object follows the limits of PS3.3 A.34: 12-lead ECG for standard leads of up
    to 16384 samples, general ECG for up to 24 leads at 200 to 1000 Hz, ambulatory ECG for up to
    12 leads at 50 to 1000 Hz.

    Raises
    ------
    UnsupportedVariantError, SignalError, FileAccessError, MissingExtraError
    """
    try:
        import pydicom
        from pydicom.dataset import Dataset, FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian, generate_uid
    except ImportError:
        raise MissingExtraError.for_extra("writing DICOM waveforms", "formats") from None
    step = microvolts_per_step(recording.signal, path=recording.source)
    values = digital(recording.signal, step)
    kind = _object_class(recording)
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = kind, generate_uid()
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.Modality, data.InstanceNumber, data.SeriesNumber = "ECG", "1", "1"
    data.SpecificCharacterSet = "ISO_IR 192"
    _describe(data, recording)
    group = Dataset()
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = values.shape
    group.SamplingFrequency = _decimal(recording.sampling_rate)
    group.MultiplexGroupLabel = "RHYTHM"
    group.ChannelDefinitionSequence = pydicom.Sequence(
        [_channel(Dataset, lead, step, recording) for lead in recording.leads]
    )
    group.WaveformBitsAllocated = 16
    group.WaveformSampleInterpretation = "SS"
    if (values == MISSING).any():
        group.add_new(0x5400100A, "OW", np.array([MISSING], "<i2").tobytes())
    group.add_new(0x54001010, "OW", np.ascontiguousarray(values.T, "<i2").tobytes())
    data.WaveformSequence = pydicom.Sequence([group])
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = kind
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    with write_atomically(path) as temporary:
        data.save_as(temporary, enforce_file_format=True)
    return Written(path, step / 1000.0)


def _object_class(recording: Recording) -> str:
    leads, rate = len(recording.leads), recording.sampling_rate
    standard = set(recording.leads) <= set(STANDARD_12_LEADS)
    if standard and recording.samples <= 16_384 and 200 <= rate <= 1000:
        return _TWELVE_LEAD
    if leads <= 24 and 200 <= rate <= 1000:
        return _GENERAL
    if leads <= 12 and 50 <= rate <= 1000:
        return _AMBULATORY
    raise UnsupportedVariantError(
        f"no DICOM class holds {leads} leads at {rate:g} Hz",
        path=recording.source,
        remedy="Write another format, or resample to 200 to 1000 Hz first",
    )


def _channel(dataset: Any, lead: str, step: int, recording: Recording) -> Any:
    def code(value: str, scheme: str, meaning: str) -> Any:
        item = dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
        return [item]

    channel = dataset()
    lead = _long_text(lead)
    channel.ChannelLabel = lead[:16].strip()  # a longer name stands in the meaning of the source
    number = _CODES.get(lead, 0)  # 0 is "unspecified lead": the label then says which it is
    meaning = f"Lead {lead}" if number else lead[:64]
    channel.ChannelSourceSequence = code(f"5.6.3-9-{number}", "SCPECG", meaning)
    channel.ChannelSourceSequence[0].CodingSchemeVersion = "1.3"  # PS3.16 CID 3001
    channel.ChannelSensitivity = str(step)
    channel.ChannelSensitivityUnitsSequence = code("uV", "UCUM", "microvolt")
    channel.ChannelSensitivityCorrectionFactor = "1"
    channel.ChannelBaseline = "0"
    channel.ChannelSampleSkew = "0"
    channel.WaveformBitsStored = 16
    for key, name in _FILTERS.items():
        text = recording.device.get(key, "")
        if _device_text(key, text) is not None:
            setattr(channel, name, text.removesuffix(" Hz"))
    return channel


def _describe(data: Any, recording: Recording) -> None:
    subject, start = recording.subject, recording.start_time
    if start is not None:
        start = in_whole_minutes(start)
    born = believed_birth(recording)
    data.PatientName = ""
    data.PatientBirthDate = f"{born:%Y%m%d}" if born else ""
    data.PatientID = _long_text(subject.identifier or "")
    data.PatientSex = {"female": "F", "male": "M"}.get(subject.sex or "", "")
    if subject.age is not None:
        data.PatientAge = _age_text(subject.age)
    for key, name in _TEXTS.items():
        setattr(data, name, _long_text(recording.device.get(key, "")))
    data.StudyID, data.AccessionNumber, data.ReferringPhysicianName = "", "", ""
    data.StudyDate = data.ContentDate = start.strftime("%Y%m%d") if start else ""
    data.StudyTime = data.ContentTime = start.strftime("%H%M%S.%f") if start else ""
    data.AcquisitionDateTime = start.strftime("%Y%m%d%H%M%S.%f") if start else ""
    offset = _offset(start)
    if offset:
        data.AcquisitionDateTime += offset
        data.TimezoneOffsetFromUTC = offset
    data.AcquisitionContextSequence = []


def _offset(start: dt.datetime | None) -> str:
    """Return the distance from UTC as DICOM writes it, or ""."""
    return start.strftime("%z") if start is not None and start.tzinfo is not None else ""


def _age_text(age: float) -> str:
    """Return an age string (PS3.5, AS).

    Completed years; of a small child the unit that states its age, or comes closest to it.
    """
    if age == int(age) or age >= _SMALL_CHILD_YEARS:
        return f"{min(int(age), 999):03d}Y"
    years, months, weeks, days = age, age * 12, age * 365.25 / 7, age * 365.25
    for number, unit in ((years, "Y"), (months, "M"), (weeks, "W"), (days, "D")):
        text = f"{round(number):03d}{unit}"
        if len(text) == 4 and parse_age(text) == age:
            return text
    fits = [(abs(round(n) / per - age), f"{round(n):03d}{unit}")
            for n, per, unit in ((years, 1.0, "Y"), (months, 12.0, "M"), (weeks, 365.25 / 7, "W"),
                                 (days, 365.25, "D")) if round(n) <= 999]  # fmt: skip
    return min(fits)[1] if fits else "999Y"


def _long_text(text: str) -> str:
    """Return a text as LO holds it: 64 signs, no backslash, no control signs."""
    clean = "".join(sign if sign.isprintable() and sign != "\\" else " " for sign in text)
    return clean.strip()[:64].strip()


def _device_text(key: str, text: str) -> str | None:
    """Return what comes back of a field of the device."""
    if key in _FILTERS:
        setting = text.removesuffix(" Hz")
        return text if text.endswith(" Hz") and filter_text(setting) == text else None
    return _long_text(text) or None if key in _TEXTS else None


def _labels(leads: Sequence[str]) -> list[str]:
    return [lead if lead in _CODES else _long_text(lead) for lead in leads]


def _decimal(value: float) -> str:
    """Return a decimal string of at most 16 characters."""
    text = repr(float(value)).removesuffix(".0")
    return text if len(text) <= 16 else f"{value:.12g}"[:16]


WRITER = Writer(
    name="dicom",
    description="DICOM waveform object: 12-lead, general or ambulatory ECG, 16 bits",
    extension=".dcm",
    write=write_dicom,
    missing="the padding value -32768",
    holds=Capabilities(
        asks_for_start=True,
        start=True,
        zone=True,
        zone_in_minutes=True,
        sampling_rate=lambda rate: float(_decimal(rate)),
        leads=_labels,
        age=lambda age: parse_age(_age_text(age)),
        identifier=lambda text: _long_text(text) or None,
        birth_date=True,
        device=_device_text,
    ),
    extra="formats",
)
