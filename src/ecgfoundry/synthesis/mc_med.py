"""A synthetic MC-MED: the layout of the real one, file by file, with patients that do not exist.

It exists to prove the path from files to laboratory values with a known truth, and to develop where
nobody may hold the real data. What the real layout has that breaks naive readers is here too:
header-less split files, values as text, censored and in words, commas and newlines in names, times
with and without milliseconds, 62.5 Hz, several segments with gaps, electrode losses, CSN with
leading zeros in their folder. Every header, the data folder and the corpus made of it say that it
is synthetic.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import multiprocessing
import zipfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.datasets.mc_med import SYNTHETIC_MARK
from ecgfoundry.datasets.mc_med_tables import LAB_COLUMNS, VISIT_COLUMNS
from ecgfoundry.errors import EcgFoundryError, FileAccessError
from ecgfoundry.synthesis.ecg import BeatShape, Noise, Rhythm, simulate_ecg
from ecgfoundry.synthesis.pulse import simulate_pulse
from ecgfoundry.synthesis.truth import (
    ASSAY_NOISE,
    INDICATORS,
    PARAMETERS,
    PULSE_INDICATOR,
    PlantedIndicator,
    male_shifts,
    oracle,
    reflection,
    sample_visits,
    value_of,
    with_frequent_share,
)

__all__ = ["SyntheticOptions", "write_synthetic_mc_med"]

RATE = 500.0
GAIN = 1000.0  # units per mV; the real one's is not published
_ORIGIN = dt.datetime(2220, 1, 1)  # the real times are shifted into a future like this one
_WARNING = "SYNTHETIC: simulated by ecgfoundry, no patient stands behind it"
_SPLIT_SEED = 2


@dataclass(frozen=True)
class SyntheticOptions:
    """What to make.

    Parameters
    ----------
    visits : int
    minutes : float
        Of lead II per visit, over all its segments.
    seed : int
        The same seed gives the same files.
    shares : tuple of float
        Of patients in train, validation and test. The real ones are 0.8, 0.1, 0.1.
    pulse_share : float
        Of visits that also get Pleth (125 Hz) and Resp (62.5 Hz), beside their lead II. The shape
        of the pulse depends on :data:`ecgfoundry.synthesis.truth.PULSE_INDICATOR`.
    archives : bool
        Pack the waveforms into ``waveforms_0xx.zip`` … as they are shipped.
    oracle_draws : int
        Visits of the simulation behind the oracle; 0 leaves it out.
    interruptions : bool
        Whether two visits in five have their lead II in two or three segments with gaps; False:
        one segment for all, for experiments in which a short recording must not be cut.
    frequent_share : float or None
        Of visits that are abnormal in the more frequent direction of every indicator; None: the
        shares of :data:`ecgfoundry.synthesis.truth.INDICATORS`.
    """

    visits: int = 100
    minutes: float = 5.0
    seed: int = 0
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1)
    pulse_share: float = 0.05
    archives: bool = False
    oracle_draws: int = 50_000
    interruptions: bool = True
    frequent_share: float | None = None

    @property
    def indicators(self) -> tuple[PlantedIndicator, ...]:
        """What is planted, with its limits."""
        if self.frequent_share is None:
            return INDICATORS
        return with_frequent_share(self.frequent_share)

    def __post_init__(self) -> None:
        if self.visits < 1 or self.minutes <= 0 or not 0 <= self.pulse_share <= 1:
            raise EcgFoundryError("a data set needs at least one visit and a positive duration")
        if min(self.shares) < 0 or abs(sum(self.shares) - 1.0) > 1e-9:
            raise EcgFoundryError(f"the shares {self.shares} do not add up to 1")
        if self.frequent_share is not None and not 0.0 < self.frequent_share <= 0.5:
            raise EcgFoundryError(
                f"the share of abnormal visits is {self.frequent_share}; above 0, at most 0.5"
            )


@dataclass(frozen=True)
class _Visit:
    """One visit as it is drawn; ``latent`` holds the truth."""

    number: int
    csn: str
    mrn: str
    male: bool
    latent: dict[str, float]
    arrival: dt.datetime
    roomed: dt.datetime
    departure: dt.datetime

    @property
    def age(self) -> float:
        """Years, from the latent one: monotone, between 18 and 90."""
        return float(18 + 72 / (1 + np.exp(-(self.latent["age"] * 1.2 - 0.1))))


def write_synthetic_mc_med(
    output: str | Path,
    options: SyntheticOptions | None = None,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the data set.

    Parameters
    ----------
    output : str or Path
        A folder that does not exist yet, or is empty.
    options : SyntheticOptions, optional
    workers : int
        Processes; does not change the files.
    progress : callable (visits done, visits), optional

    Returns
    -------
    Path
        Its ``data`` folder; beside it ``truth`` (the latent state and the oracle) and README.md.

    Raises
    ------
    FileAccessError
        The folder is not empty.
    """
    options = options or SyntheticOptions()
    root = Path(output)
    if root.exists() and any(root.iterdir()):
        raise FileAccessError("the folder is not empty", path=root, remedy="Name a new one")
    data, truth = root / "data", root / "truth"
    data.mkdir(parents=True)
    truth.mkdir()
    (data / SYNTHETIC_MARK).write_text(
        json.dumps({"synthetic": True, "note": _WARNING, "seed": options.seed}) + "\n"
    )
    (root / "README.md").write_text(_readme(options), encoding="utf-8")
    visits = _draw_visits(options)
    _write_tables(data, visits, options)
    _write_truth(truth, visits, options)
    write = partial(_write_waveforms, data, options)
    segments: list[tuple[str, str, int, float]] = []
    for done, rows in enumerate(_in_order(write, visits, workers), 1):
        segments += rows
        if progress is not None:
            progress(done, len(visits))
    rows = [(csn, kind, str(n), f"{seconds:.3f}") for csn, kind, n, seconds in segments]
    _write_csv(data / "waveform_summary.csv", ("CSN", "Type", "Segments", "Duration"), rows)
    if options.archives:
        _pack(data)
    return data


def _in_order(
    function: Callable[[_Visit], Any], visits: Sequence[_Visit], workers: int
) -> Iterable[Any]:
    if workers <= 1:
        yield from map(function, visits)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(function, visits, chunksize=16)


def _draw_visits(options: SyntheticOptions) -> list[_Visit]:
    generator = np.random.default_rng([options.seed, 0])
    male, latent = sample_visits(options.visits, generator)
    # Mean 1.7 visits per patient, as in the real data. Visits of a patient share sex; the rest of
    # the state is drawn anew, so that a patient's visits are no copies of each other.
    patient_count = max(3, round(options.visits / 1.7))
    patients = np.sort(generator.integers(0, patient_count, options.visits))
    csn = 98_000_000 + generator.permutation(10 * options.visits)[: options.visits]
    visits = []
    start = 0.0
    sex_of: dict[int, bool] = {}
    for number in range(options.visits):
        patient = int(patients[number])
        own = {name: float(values[number]) for name, values in latent.items()}
        is_male = sex_of.setdefault(patient, bool(male[number]))
        if is_male != bool(male[number]):
            own = _of_other_sex(own, to_male=is_male)
        start += float(generator.uniform(0, 2 * 1e6 / options.visits))
        arrival = _ORIGIN + dt.timedelta(minutes=round(start))
        roomed = arrival + dt.timedelta(minutes=int(generator.integers(5, 60)))
        stay = dt.timedelta(minutes=int(generator.integers(120, 600)))
        visits.append(
            _Visit(
                number,
                str(csn[number]),
                str(99_000_000 + 7 * patient),
                is_male,
                own,
                arrival,
                roomed,
                roomed + stay,
            )
        )
    return visits


def _of_other_sex(latent: dict[str, float], *, to_male: bool) -> dict[str, float]:
    """Move a visit to the other sex: the same causes, the other shift."""
    sign = 1.0 if to_male else -1.0
    return {name: value + sign * male_shifts()[name] for name, value in latent.items()}


def _text(value: dt.datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


def _write_csv(path: Path, header: Sequence[str] | None, rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if header is not None:
            writer.writerow(header)
        writer.writerows(rows)


def _write_tables(data: Path, visits: Sequence[_Visit], options: SyntheticOptions) -> None:
    generator = np.random.default_rng([options.seed, 3])
    _write_csv(data / "visits.csv", VISIT_COLUMNS, [_visit_row(v, generator) for v in visits])
    _write_csv(data / "labs.csv", LAB_COLUMNS, _lab_rows(visits, options))
    _write_splits(data, visits, options)
    orders = "CSN Order_time Order_type Procedure_name Procedure_ID First_admin_time Result_time"
    _write_csv(
        data / "orders.csv",
        orders.split(),
        [(v.csn, _text(v.arrival), "Lab", "CBC WITH DIFFERENTIAL", "1", "", "") for v in visits],
    )
    meds = "MRN Med_ID NDC Name Generic_name Med_class Med_subclass Active Entry_date Start_date"
    _write_csv(data / "meds.csv", [*meds.split(), "End_date"], [])
    _write_csv(data / "pmh.csv", "MRN Noted_date CodeType Code Desc10 CCS DescCCS".split(), [])
    _write_csv(data / "rads.csv", "CSN Order_time Result_time Study Impression".split(), [])
    rate = [
        (v.csn, "Monitor", "HR", f"{_rate(v.latent):.1f}", _text(v.roomed + _minutes(k)))
        for v in visits
        for k in range(3)
    ]
    _write_csv(data / "numerics.csv", "CSN Source Measure Value Time".split(), rate)


def _minutes(count: float) -> dt.timedelta:
    return dt.timedelta(minutes=count)


def _visit_row(visit: _Visit, generator: np.random.Generator) -> list[str]:
    age = min(90, max(18, round(visit.age + generator.integers(-2, 3))))  # jittered by up to 2
    known = {
        "MRN": visit.mrn,
        "CSN": visit.csn,
        "Age": str(age),
        "Gender": "M" if visit.male else "F",
        "Triage_HR": f"{_rate(visit.latent):.0f}",
        "Triage_acuity": "3-Urgent",
        "CC": "CHEST PAIN, UNSPECIFIED\nOTHER" if visit.number % 11 == 0 else "ABDOMINAL PAIN",
        "ED_dispo": "Discharge",
        "ED_LOS": f"{(visit.departure - visit.arrival).total_seconds() / 3600:.2f}",
        "Arrival_time": _text(visit.arrival),
        "Roomed_time": _text(visit.roomed),
        "Departure_time": _text(visit.departure),
    }
    return [known.get(name, "") for name in VISIT_COLUMNS]


def _lab_rows(visits: Sequence[_Visit], options: SyntheticOptions) -> Iterable[list[str]]:
    indicators = options.indicators
    for visit in visits:
        generator = np.random.default_rng([options.seed, 4, visit.number])
        if generator.random() < 0.03:
            continue  # a visit without results
        order = visit.roomed + _minutes(float(generator.integers(0, 40)))
        result = order + _minutes(float(generator.integers(30, 61)))
        yield from _one_draw(visit, indicators, order, result, generator)
        if generator.random() < 0.2:  # a second draw, some hours later
            later = _minutes(float(generator.integers(120, 300)))
            times = order + later, result + later
            yield from _one_draw(visit, indicators, *times, generator, few=True)
        yield _lab_row(
            visit.csn, order, result, "SARS-COV-2 RNA", "Not Detected", "", None, None, "Normal"
        )


def _one_draw(
    visit: _Visit,
    indicators: Sequence[PlantedIndicator],
    order: dt.datetime,
    result: dt.datetime,
    generator: np.random.Generator,
    *,
    few: bool = False,
) -> Iterable[list[str]]:
    for position, planted in enumerate(indicators):
        noise = ASSAY_NOISE * generator.standard_normal()
        chance = generator.random(4)
        if (few and position % 3) or chance[0] < 0.05:
            continue  # not measured this time
        latent = visit.latent[planted.name] + noise
        number = float(value_of(planted, np.array([latent]))[0])
        text = _as_written(number, planted.decimals)
        name = planted.component
        if chance[1] < 0.1 and " " in name:
            # The last blank of a name becomes a line break in some exports.
            name = "\n".join(name.rsplit(" ", 1))
        if planted.name == "potassium" and chance[2] < 0.01:
            text = "HEMOLYZED"
        elif planted.high is not None and number > 20 * planted.high:
            text = f">{_as_written(20 * planted.high, planted.decimals)}"
        elif planted.low is None and planted.high is not None and number < planted.high / 10:
            text = f"<{_as_written(planted.high / 10, planted.decimals)}"
        flag = "Normal"
        if planted.low is not None and number < planted.low:
            flag = "Low"
        elif planted.high is not None and number > planted.high:
            flag = "High"
        limits = (planted.low, planted.high)
        yield _lab_row(visit.csn, order, result, name, text, planted.unit, *limits, flag)
        if planted.name in ("potassium", "lactate") and chance[3] < 0.1:
            early = order + _minutes(10.0)  # point of care answers at once
            yield _lab_row(
                visit.csn, order, early, f"POC:{planted.component}, ISTAT", text, planted.unit,
                *limits, flag,
            )  # fmt: skip


def _as_written(number: float, decimals: int) -> str:
    return f"{number:.{decimals}f}"


def _lab_row(
    csn: str,
    order: dt.datetime,
    result: dt.datetime,
    component: str,
    value: str,
    unit: str,
    low: float | None,
    high: float | None,
    flag: str,
) -> list[str]:
    known = {
        "CSN": csn,
        "Order_time": _text(order),
        "Result_time": _text(result),
        "Display_name": "COMPREHENSIVE METABOLIC PANEL, SERUM",
        "Component_name": component,
        "Component_result": value,
        "Component_value": value,
        "Component_units": unit,
        "Component_abnormal": flag,
        "Component_nml_low": "" if low is None else f"{low:g}",
        "Component_nml_high": "" if high is None else f"{high:g}",
    }
    return [known.get(name, "") for name in LAB_COLUMNS]


def _write_splits(data: Path, visits: Sequence[_Visit], options: SyntheticOptions) -> None:
    """Both kinds by patient; without a header, one CSN per line."""
    patients = list(dict.fromkeys(visit.mrn for visit in visits))
    last = {visit.mrn: visit.arrival for visit in visits}  # visits are in order of time
    order = np.random.default_rng([options.seed, _SPLIT_SEED]).permutation(len(patients))
    random = [patients[k] for k in order]
    for kind, line in (("random", random), ("chrono", sorted(patients, key=last.__getitem__))):
        first = round(options.shares[0] * len(line))
        second = round((options.shares[0] + options.shares[1]) * len(line))
        parts = {"train": line[:first], "val": line[first:second], "test": line[second:]}
        for name, members in parts.items():
            own = set(members)
            rows = [(visit.csn,) for visit in visits if visit.mrn in own]
            _write_csv(data / f"split_{kind}_{name}.csv", None, rows)


def _rate(latent: dict[str, float]) -> float:
    return float(78.0 * np.exp(0.2 * latent["rate"]))


def _rhythm(latent: dict[str, float], generator: np.random.Generator) -> Rhythm:
    return Rhythm(
        rate=_rate(latent),
        respiration=float(generator.uniform(11, 22)),
        sinus_arrhythmia=float(generator.uniform(0.005, 0.05)),
        variability=float(generator.uniform(0.005, 0.03)),
    )


def _shape(latent: dict[str, float], generator: np.random.Generator) -> BeatShape:
    """Link latent parameters to intervals and heights: monotone, so that (nearly) nothing is lost.

    What has no latent parameter differs between visits and means nothing.
    """
    return BeatShape(
        pr=float(160.0 * np.exp(0.13 * latent["pr"])),
        qrs=float(92.0 * np.exp(0.14 * latent["qrs"])),
        qtc=float(410.0 * np.exp(0.07 * latent["qt"])),
        p_height=float(0.13 * np.exp(0.2 * generator.standard_normal())),
        r_height=float(1.0 * np.exp(0.3 * generator.standard_normal())),
        q_height=float(-0.08 * np.exp(0.3 * generator.standard_normal())),
        s_height=float(-0.18 * np.exp(0.3 * generator.standard_normal())),
        st_level=float(0.03 * latent["st"]),
        t_height=float(0.3 * np.exp(0.4 * latent["t_height"])),
        t_asymmetry=float(1.6 * np.exp(0.15 * generator.standard_normal())),
        p_separation=float(42.0 * np.exp(0.14 * generator.standard_normal())),
        slur=float(0.1 * np.exp(0.36 * generator.standard_normal())),
        p_balance=float(np.clip(0.5 * latent["p_balance"], -0.95, 0.95)),
        r_skew=float(0.25 * latent["r_skew"]),
        st_bend=float(0.06 * latent["st_bend"]),
    )


def _noise(generator: np.random.Generator) -> Noise:
    return Noise(
        muscle=float(generator.uniform(0.004, 0.03)),
        wander=float(generator.uniform(0.02, 0.2)),
        mains=float(generator.uniform(0.0, 0.02)),
        motion=float(generator.uniform(0.2, 1.0)),
        motion_rate=float(generator.uniform(0.0, 0.6)),
        loss_rate=float(generator.uniform(0.0, 0.1)),
    )


def _write_waveforms(
    data: Path, options: SyntheticOptions, visit: _Visit
) -> list[tuple[str, str, int, float]]:
    generator = np.random.default_rng([options.seed, 5, visit.number])
    rhythm, shape = _rhythm(visit.latent, generator), _shape(visit.latent, generator)
    noise = _noise(generator)
    sign = -1.0 if generator.random() < 0.01 else 1.0  # electrodes the wrong way round
    count = int(generator.choice([1, 1, 1, 2, 3])) if options.interruptions else 1
    cuts = np.sort(generator.uniform(0.2, 0.8, count - 1))
    parts = np.diff(np.concatenate([[0.0], cuts, [1.0]])) * options.minutes * 60.0
    folder = data / "waveforms" / visit.csn[-3:] / visit.csn
    begin = first = last = visit.roomed + _minutes(float(generator.uniform(2, 25)))
    summary = [(visit.csn, "II", count, float(parts.sum()))]
    for segment, seconds in enumerate(parts, 1):
        ecg = simulate_ecg(
            rhythm,
            shape,
            noise,
            duration_s=float(seconds),
            sampling_rate=RATE,
            generator=generator,
        )
        _write_record(folder / "II", f"{visit.csn}_{segment}", "II", sign * ecg, RATE, begin, "mV",
                      with_milliseconds=visit.number % 5 != 0)  # fmt: skip
        last = begin + dt.timedelta(seconds=float(seconds))
        begin = last + dt.timedelta(seconds=float(generator.uniform(5, 120)))
    if generator.random() < options.pulse_share:
        # One record that begins and ends a little after lead II: each signal has its own clock.
        late = float(generator.uniform(0.0, 1.0))
        seconds = (last - first).total_seconds()
        pulse = simulate_pulse(
            rhythm, reflection=reflection(visit.latent[PULSE_INDICATOR], generator),
            duration_s=seconds, sampling_rate=125.0, generator=generator,
        )  # fmt: skip
        t = np.arange(round(seconds * 62.5)) / 62.5
        breath = np.sin(2 * np.pi * rhythm.respiration / 60.0 * t).astype(np.float32)
        start = first + dt.timedelta(seconds=late)
        for kind, rate, wave in (("Pleth", 125.0, pulse), ("Resp", 62.5, breath)):
            _write_record(folder / kind, f"{visit.csn}_1", kind, wave, rate, start, "NU",
                          with_milliseconds=True)  # fmt: skip
            summary.append((visit.csn, kind, 1, seconds))
    return summary


def _write_record(
    folder: Path,
    name: str,
    lead: str,
    signal: NDArray[np.float32],
    rate: float,
    begin: dt.datetime,
    unit: str,
    *,
    with_milliseconds: bool,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    missing = np.isnan(signal)
    stored = np.clip(np.rint(np.where(missing, 0.0, signal) * GAIN), -32767, 32767)
    digital = np.where(missing, -32768, stored).astype("<i2")
    clock = begin.strftime("%H:%M:%S")
    if with_milliseconds:
        clock += f".{begin.microsecond // 1000:03d}"
    checksum = int(digital.astype(np.int64).sum()) & 0xFFFF
    header = (
        f"{name} 1 {rate:g} {len(digital)} {clock} {begin:%d/%m/%Y}\n"
        f"{name}.dat 16 {GAIN:g}(0)/{unit} 16 0 {int(digital[0])} {checksum} 0 {lead}\n"
        f"# {_WARNING}\n"
    )
    (folder / f"{name}.dat").write_bytes(digital.tobytes())
    (folder / f"{name}.hea").write_text(header)


def _pack(data: Path) -> None:
    """Move the waveform folders into ten zip files by the first digit of their name."""
    import shutil

    for digit in range(10):
        groups = sorted((data / "waveforms").glob(f"{digit}??"))
        with zipfile.ZipFile(data / f"waveforms_{digit}xx.zip", "w", zipfile.ZIP_DEFLATED) as pack:
            for file in sorted(path for group in groups for path in group.rglob("*")):
                if file.is_file():
                    entry = zipfile.ZipInfo(file.relative_to(data).as_posix())
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    pack.writestr(entry, file.read_bytes())
    shutil.rmtree(data / "waveforms")


def _write_truth(truth: Path, visits: Sequence[_Visit], options: SyntheticOptions) -> None:
    names = ("age", *PARAMETERS, *[planted.name for planted in INDICATORS])
    rows = [
        (v.csn, v.mrn, int(v.male), *[f"{v.latent[name]:.6f}" for name in names]) for v in visits
    ]
    _write_csv(truth / "latent.csv", ("CSN", "MRN", "male", *names), rows)
    document = {
        "synthetic": True,
        "note": "AUROC of the best possible score from each set of observations, noise-free "
        "ECG parameters; by simulation from the model that made the data",
        "draws": options.oracle_draws,
        "indicators": oracle(
            draws=options.oracle_draws, seed=options.seed, indicators=options.indicators
        )
        if options.oracle_draws
        else [],
        "effects": [
            {
                "indicator": planted.name,
                "component": planted.component,
                "group": planted.group,
                "acts": dict(planted.acts),
                "depends": dict(planted.depends),
            }
            for planted in options.indicators
        ],
    }
    text = json.dumps(document, indent=1) + "\n"
    (truth / "oracle.json").write_text(text, encoding="utf-8")


def _readme(options: SyntheticOptions) -> str:
    return f"""# Synthetic MC-MED

**{_WARNING}.** It has the file layout of MC-MED (PhysioNet `mc-med` 1.0.1) and none of its
content. Effects of laboratory values on the ECG are planted: they show whether a method finds what
is there and nothing else. They say nothing about medicine, and a model trained on this folder must
not be used on anybody.

Made by `ecgfoundry synth mc-med --visits {options.visits} --minutes {options.minutes:g} --seed \
{options.seed}`{_further(options)}. `truth/latent.csv` holds the state of every visit,
`truth/oracle.json` the best AUROC that is possible for each indicator from age and sex, heart rate,
hand-crafted features and the whole ECG.
"""


def _further(options: SyntheticOptions) -> str:
    """What the command cannot say, in words."""
    words = []
    if not options.interruptions:
        words.append("one segment for each visit")
    if options.frequent_share is not None:
        words.append(f"{options.frequent_share:g} of visits abnormal in the frequent direction")
    return f", with {' and '.join(words)}" if words else ""
