"""Layout-true files of formats of which no real file may be shipped, written from a recording.

They follow the published layouts, not the readers: samples are rounded to the step of the format,
and what was rounded is returned beside the text, so that a test compares exactly.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.recording import Recording

STORED_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")


def steps(values: NDArray[np.floating], size_mv: float) -> NDArray[np.int16]:
    """Return values in mV as whole steps of 16 bits."""
    return np.rint(values / size_mv).astype("<i2")


def base64_lines(content: bytes) -> str:
    text = base64.b64encode(content).decode()
    return "\n".join(text[start : start + 76] for start in range(0, len(text), 76))


def muse_xml(
    recording: Recording,
    *,
    step_uv: float = 4.88,
    base: int = 500,
    exponent: int = 0,
    unit: str = "MICROVOLTS",
    rhythm: bool = True,
) -> bytes:
    """GE MUSE: eight stored leads, a median of 600 samples, the DOCTYPE of real exports."""

    def lead(name: str, samples: NDArray[np.int16]) -> str:
        content = samples.tobytes()
        return (
            f"<LeadData><LeadByteCountTotal>{len(content)}</LeadByteCountTotal>"
            f"<LeadTimeOffset>0</LeadTimeOffset>"
            f"<LeadSampleCountTotal>{len(samples)}</LeadSampleCountTotal>"
            f"<LeadAmplitudeUnitsPerBit>{step_uv}</LeadAmplitudeUnitsPerBit>"
            f"<LeadAmplitudeUnits>{unit}</LeadAmplitudeUnits><LeadID>{name}</LeadID>"
            f"<LeadSampleSize>2</LeadSampleSize><LeadDataCRC32>{zlib.crc32(content)}</LeadDataCRC32>"
            f"<WaveFormData>\n{base64_lines(content)}\n</WaveFormData></LeadData>"
        )

    def waveform(kind: str, length: int) -> str:
        leads = "".join(
            lead(name, steps(recording.lead(name)[:length], step_uv / 1000))
            for name in STORED_LEADS
        )
        return (
            f"<Waveform><WaveformType>{kind}</WaveformType><NumberofLeads>8</NumberofLeads>"
            f"<SampleBase>{base}</SampleBase><SampleExponent>{exponent}</SampleExponent>"
            f"<HighPassFilter>16</HighPassFilter><LowPassFilter>150</LowPassFilter>"
            f"<ACFilter>60</ACFilter>{leads}</Waveform>"
        )

    text = (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
        '<!DOCTYPE RestingECG SYSTEM "restecg.dtd">\n<RestingECG>'
        "<MuseInfo><MuseVersion>9.0.7.17363</MuseVersion></MuseInfo>"
        "<PatientDemographics><PatientID>4711</PatientID><PatientAge>64</PatientAge>"
        "<AgeUnits>YEARS</AgeUnits><Gender>FEMALE</Gender>"
        "<PatientLastName>Müßiggang</PatientLastName></PatientDemographics>"
        "<TestDemographics><AcquisitionDevice>MAC55</AcquisitionDevice>"
        "<AcquisitionTime>09:21:07</AcquisitionTime><AcquisitionDate>03-31-2015</AcquisitionDate>"
        "</TestDemographics><RestingECGMeasurements><VentricularRate>48</VentricularRate>"
        "<PRInterval>138</PRInterval><QRSDuration>96</QRSDuration><RAxis>-20</RAxis>"
        "<PAxis></PAxis></RestingECGMeasurements><Diagnosis><DiagnosisStatement>"
        "<StmtText>Sinus</StmtText></DiagnosisStatement><DiagnosisStatement>"
        "<StmtFlag>ENDSLINE</StmtFlag><StmtText>bradycardia</StmtText></DiagnosisStatement>"
        "</Diagnosis><QRSTimesTypes><QRS><Number>1</Number><Type>0</Type><Time>614</Time></QRS>"
        "</QRSTimesTypes>"
        + waveform("Median", 600)
        + (waveform("Rhythm", recording.samples) if rhythm else "")
        + "</RestingECG>"
    )
    return text.encode("latin-1")


def aecg_series(
    leads: dict[str, NDArray[np.floating]],
    *,
    code: str = "RHYTHM",
    increment: str = "0.002",
    heads: Sequence[str] = ("20021122091000",),
    scale: str = "2.5",
    unit: str = "uV",
    origin: str = "0",
) -> str:
    """One aECG series; the samples are cut into as many sequence sets as there are heads."""
    sets = ""
    size = float(scale) * {"uV": 1e-3, "mV": 1.0, "nV": 1e-6}[unit]
    length = len(next(iter(leads.values())))
    part = length // len(heads)
    for number, head in enumerate(heads):
        sequences = ""
        for name, values in leads.items():
            digits = " ".join(
                str(v)
                for v in np.rint(values[number * part : (number + 1) * part] / size).astype(int)
            )
            sequences += (
                f'<component><sequence><code code="MDC_ECG_LEAD_{name.upper()}"/>'
                f'<value xsi:type="SLIST_PQ"><origin value="{origin}" unit="{unit}"/>'
                f'<scale value="{scale}" unit="{unit}"/><digits>{digits}</digits></value>'
                f"</sequence></component>"
            )
        sets += (
            "<component><sequenceSet><component><sequence>"
            f'<code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS"><head value="{head}"/>'
            f'<increment value="{increment}" unit="s"/></value></sequence></component>'
            f"{sequences}</sequenceSet></component>"
        )
    return f'<component><series><code code="{code}"/>{sets}</series></component>'


def aecg_xml(*series: str) -> bytes:
    return (
        '<?xml version="1.0"?><AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">' + "".join(series)
    ).encode() + b"</AnnotatedECG>"


def mortara_xml(recording: Recording, *, per_mv: int = 400) -> bytes:
    channels = "".join(
        f'<CHANNEL OFFSET="0" BITS="16" FORMAT="SIGNED" UNITS_PER_MV="{per_mv}" '
        f'DURATION="{recording.samples}" SAMPLE_FREQ="{recording.sampling_rate:g}" NAME="{name}" '
        f'ENCODING="BASE64" DATA="{base64.b64encode(steps(row, 1 / per_mv).tobytes()).decode()}"/>'
        for name, row in zip(recording.leads, recording.signal, strict=True)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ECG ACQUISITION_TIME="20170203112233" AGE="58" '
        'AGE_UNITS="YEARS" VENT_RATE="71" NUM_QRS="12"><SUBJECT LAST_NAME="Nobody" ID="M-7" '
        'GENDER="Male" DOB="19580101"/><SOURCE MANUFACTURER="Mortara" MODEL="ELI 280" '
        'LOW_PASS_FILTER="150"/><AUTOMATIC_INTERPRETATION><STATEMENT TEXT="NORMAL SINUS RHYTHM" '
        'REASON=""/></AUTOMATIC_INTERPRETATION><TYPICAL_CYCLE QRS_DURATION="92" QRS_AXIS="31"/>'
        f"{channels}</ECG>"
    ).encode()


def cardiosoft_xml(recording: Recording, *, resolution: float = 5, unit: str = "uVperLsb") -> bytes:
    size = resolution * (1e-3 if unit == "uVperLsb" else 1)
    waveforms = "".join(
        f'<WaveformData lead="{name}">\n\t\t'
        + ",".join(map(str, steps(row, size).tolist()))
        + "</WaveformData>"
        for name, row in zip(recording.leads, recording.signal, strict=True)
    )
    return (
        '<?xml version="1.0" encoding="ISO8859-1"?><CardiologyXML>'
        "<ObservationType>RestECG</ObservationType><ObservationDateTime><Hour>9</Hour>"
        "<Minute>5</Minute><Second>1</Second><Day>7</Day><Month>6</Month><Year>2014</Year>"
        "</ObservationDateTime><PatientInfo><PID>1002</PID><Age units='years'>61</Age>"
        "<Gender>MALE</Gender></PatientInfo><FilterSetting><Filter50Hz>yes</Filter50Hz>"
        "<LowPass units='Hz'>100</LowPass></FilterSetting><RestingECGMeasurements>"
        "<VentricularRate units='BPM'>66</VentricularRate><PQInterval units='ms'>160</PQInterval>"
        "<RAxis units='degree'>45</RAxis></RestingECGMeasurements><StripData>"
        f"<NumberOfLeads>{len(recording.leads)}</NumberOfLeads>"
        f"<SampleRate units='Hz'>{recording.sampling_rate:g}</SampleRate>"
        f"<ChannelSampleCountTotal>{recording.samples}</ChannelSampleCountTotal>"
        f"<Resolution units='{unit}'>{resolution:g}</Resolution>{waveforms}</StripData>"
        "</CardiologyXML>"
    ).encode()


def health_json(recording: Recording) -> bytes:
    """Two seconds of lead I at 512 Hz in microvolts, as Health Auto Export documents it."""
    measured = [
        {"date": 1709371230 + n / 512, "voltage": round(float(value) * 1000, 3), "units": "mcV"}
        for n, value in enumerate(recording.lead("I")[:1024])
    ]
    ecg = {
        "start": "2024-03-02 10:20:30 +0100", "classification": "Sinus Rhythm",
        "samplingFrequency": 512, "numberOfVoltageMeasurements": len(measured),
        "voltageMeasurements": measured,
    }  # fmt: skip
    return json.dumps({"data": {"ecg": [ecg]}}).encode()


def kardia_json(recording: Recording, leads: Sequence[str] = ("I", "II", "III")) -> bytes:
    """500 nV per step, as the documentation's example."""
    names = {"aVR": "AVR", "aVL": "AVL", "aVF": "AVF"}
    samples = {
        names.get(lead, f"lead{lead}"): steps(recording.lead(lead), 0.0005).tolist()
        for lead in leads
    }
    document = {
        "id": "r1",
        "patientID": "p1",
        "duration": 1000 * recording.duration_s,
        "heartRate": 77.2,
        "recordedAt": "2021-05-04T10:11:12.500Z",
        "algorithmDetermination": "normal",
        "deviceInfo": {"hardwareType": "triangle", "serialNumber": "S1"},
        "data": {
            "raw": {
                "frequency": recording.sampling_rate,
                "mainsFrequency": 60,
                "amplitudeResolution": 500,
                "numLeads": len(leads),
                "samples": samples,
            }
        },
    }
    return json.dumps(document).encode()


ENGLISH = ("Name", "Date of Birth", "Recorded Date", "Classification", "Symptoms",
           "Software Version", "Device", "Sample Rate", "Lead", "Unit")  # fmt: skip
GERMAN = ("Name", "Geburtsdatum", "Aufgezeichnet am", "Klassifizierung", "Symptome",
          "Softwareversion", "Gerät", "Abtastrate", "Ableitung", "Einheit")  # fmt: skip


def apple_csv(
    values_uv: NDArray[np.floating],
    *,
    keys: Sequence[str] = ENGLISH,
    decimal: str = ".",
    rate: str = "512 hertz",
    lead: str = "Lead I",
    minus: str = "-",
) -> str:
    """The export of one Apple Watch ECG; the lead and the unit follow an empty line."""
    preamble = ("Jane Doe", '"Jan 8, 1972"', "2026-05-30 16:32:18 -0700", "Sinus Rhythm", "",
                "1.90", '"Watch6,7"', rate)  # fmt: skip
    lines = [f"{key},{value}" for key, value in zip(keys, preamble, strict=False)]
    lines += ["", f"{keys[8]},{lead}", f"{keys[9]},µV", ""]
    lines += [f"{v:.3f}".replace(".", decimal).replace("-", minus) for v in values_uv]
    return "\n".join(lines) + "\n"


def polar_text(
    values_uv: Sequence[int], times_ns: Sequence[int], *, phone: str = "2023-04-05T10:00:00.123"
) -> str:
    lines = ["Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]"]
    first = times_ns[0]
    lines += [
        f"{phone};{time};{(time - first) / 1e6};{value}"
        for time, value in zip(times_ns, values_uv, strict=True)
    ]
    return "\n".join(lines) + "\n"


def opensignals_text(counts: NDArray[np.integer], *, device: str = "bitalino_rev") -> str:
    bits = 10 if device.startswith("bitalino") else 16
    header = {
        "00:07:80:3B:46:61": {
            "sensor": ["ECG"],
            "device name": "00:07:80:3B:46:61",
            "column": ["nSeq", "I1", "A1"],
            "time": "11:29:27.763",
            "date": "2016-09-29",
            "channels": [1],
            "firmware version": 772,
            "device": device,
            "sampling rate": 1000,
            "label": ["A1"],
            "resolution": [4, 1, bits],
        }
    }
    lines = ["# OpenSignals Text File Format", f"# {json.dumps(header)}", "# EndOfHeader"]
    lines += [f"{n % 16}\t0\t{value}\t" for n, value in enumerate(counts)]
    return "\n".join(lines) + "\n"
