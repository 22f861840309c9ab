"""Noise between 5 and 40 Hz added to records: is it measured rightly, and who is warned?

``python -m benchmarks.experiments.noise --data FOLDER`` prints two tables of ``docs/quality.md``.
FOLDER holds public sets, unpacked: ``cinc2017``, ``ludb``, ``ptbxl`` (PTB-XL's own records); what
is not there is left out. Noise of a level has that power below the power of the record itself
between 5 and 40 Hz, lead by lead, and what noise the record had already stays in it.

- **Error**: the signal to noise that is measured, less the one that was made, in leads that had
  28 dB before.
- **Flips**: the share of answers that are another than without added noise (the rhythm that is
  likeliest; the set of findings that are present), of these the share with the warning
  ``noise-in-band``, and the share of records that are refused instead.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry import load_model, read
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.measurements.gate import judge_window
from ecgfoundry.recording import Recording

Float64 = NDArray[np.float64]

BAND_HZ = (5.0, 40.0)
LEVELS_DB = (24, 18, 12, 6, 0)
SPECTRA = {
    "5-40 Hz, level": (5.0, 40.0, 0.0),
    "5-40 Hz, falling": (5.0, 40.0, -0.5),
    "5-12 Hz": (5.0, 12.0, 0.0),
    "12-25 Hz": (12.0, 25.0, 0.0),
    "25-40 Hz": (25.0, 40.0, 0.0),
}
"""From, to, and the power of the frequency that amplitudes follow."""
FLIPPING = ("5-40 Hz, level", "5-40 Hz, falling")
RHYTHM = ("rhythm-single-lead", "rhythm-single-lead-edge")
TWELVE_LEADS = "ptbxl-superclass-12lead"
LONGEST_S = 30.0
CLEAN_DB = 28.0
SETS = ("cinc2017", "ludb", "ptbxl")


@dataclass(frozen=True)
class Answer:
    """What one model says of one record with noise of one level."""

    data: str
    model: str
    spectrum: str
    level_db: int | None
    said: object
    warned: bool


def noise(
    spectrum: str, shape: tuple[int, ...], rate: float, generator: np.random.Generator
) -> Float64:
    """Return noise of power 1 in every row."""
    low, high, slope = SPECTRA[spectrum]
    frequency = np.fft.rfftfreq(shape[-1], 1.0 / rate)
    inside = (frequency >= low) & (frequency <= high)
    weight = np.where(inside, np.maximum(frequency, low) ** slope, 0.0)
    x = np.fft.irfft(np.fft.rfft(generator.standard_normal(shape)) * weight, shape[-1])
    result: Float64 = x / x.std(axis=-1, keepdims=True)
    return result


def with_noise(recording: Recording, spectrum: str, level_db: float, seed: int) -> Recording:
    """Return a recording with noise so many dB below each lead's own power in the band."""
    x = np.nan_to_num(recording.signal.astype(np.float64))
    rate = recording.sampling_rate
    frequency = np.fft.rfftfreq(x.shape[1], 1.0 / rate)
    inside = (frequency >= BAND_HZ[0]) & (frequency <= BAND_HZ[1])
    size = np.fft.irfft(np.fft.rfft(x) * inside, x.shape[1]).std(axis=1, keepdims=True)
    added = noise(spectrum, x.shape, rate, np.random.default_rng([seed, len(spectrum)]))
    noisy = recording.signal + added * size * 10.0 ** (-level_db / 20.0)
    return Recording(noisy.astype(np.float32), rate, recording.leads)


def snr_db(recording: Recording) -> dict[str, float]:
    """Return the gate's signal to noise of every lead; nothing where the recording is refused."""
    found = judge_window(recording.signal, recording.sampling_rate, recording.leads).leads
    return {lead: figures.snr_db for lead, figures in found.items() if figures.snr_db is not None}


def errors(job: tuple[Path, int]) -> list[tuple[str, int, float]]:
    """Return (spectrum, level, measured less made) for every clean lead of a recording."""
    path, seed = job
    recording = read(path).window(0.0, 10.0)
    clean = [lead for lead, value in snr_db(recording).items() if value > CLEAN_DB]
    result = []
    for spectrum in SPECTRA:
        for level in LEVELS_DB if clean else ():
            measured = snr_db(with_noise(recording, spectrum, level, seed))
            result += [
                (spectrum, level, measured[lead] - level) for lead in clean if lead in measured
            ]
    return result


def answers(job: tuple[str, Path, int]) -> list[Answer]:
    """Ask the models about a recording, without and with noise of every level."""
    data, path, seed = job
    recording = read(path)
    result = []
    for name in (*RHYTHM, TWELVE_LEADS) if len(recording.leads) == 12 else RHYTHM:
        predictor = _model(name)
        chosen = recording
        if name in RHYTHM:
            chosen = recording.select(recording.leads[:1]).window(0.0, LONGEST_S)
        result.append(_answer(predictor.interpret(chosen), data, "", None))
        for spectrum in FLIPPING:
            for level in LEVELS_DB:
                found = predictor.interpret(with_noise(chosen, spectrum, level, seed))
                result.append(_answer(found, data, spectrum, level))
    return result


_MODELS: dict[str, Predictor] = {}


def _model(name: str) -> Predictor:
    if name not in _MODELS:
        _MODELS[name] = load_model(name)
    return _MODELS[name]


def _answer(found: Interpretation, data: str, spectrum: str, level: int | None) -> Answer:
    said: object = None
    if found.refused is None and found.target_kind == "multiclass":
        said = max(found.findings, key=lambda finding: finding.probability or 0.0).name
    elif found.refused is None:
        said = tuple(sorted(finding.name for finding in found.findings if finding.present))
    warned = any(notice.code == "noise-in-band" for notice in found.warnings)
    return Answer(data, found.model or "", spectrum, level, said, warned)


def sample(folder: Path, name: str, count: int) -> list[Path]:
    """Return some of a set's headers, drawn with a fixed seed."""
    headers = sorted((folder / name).rglob("*.hea"))
    order = np.random.default_rng(540).permutation(len(headers))[:count]
    return [headers[number] for number in order]


def error_table(rows: Sequence[tuple[str, int, float]]) -> str:
    """Return mean and standard deviation of the error, in dB."""
    lines = ["| noise | " + " | ".join(f"{level} dB" for level in LEVELS_DB) + " |"]
    lines.append("| --- |" + " --- |" * len(LEVELS_DB))
    for spectrum in SPECTRA:
        cells = []
        for level in LEVELS_DB:
            found = np.array([e for s, at, e in rows if (s, at) == (spectrum, level)])
            cells.append(f"{found.mean():+.1f} / {found.std():.1f}" if found.size else "–")
        lines.append(f"| {spectrum} | {' | '.join(cells)} |")
    return "\n".join(lines)


def flip_table(found: Sequence[Sequence[Answer]]) -> str:
    """Return for every model, set and level: flipped, of these warned of, and refused."""
    groups: dict[tuple[str, str, int], list[tuple[bool, bool, bool]]] = {}
    false: dict[tuple[str, str], list[tuple[bool, bool]]] = {}
    for of_record in found:
        clean = {answer.model: answer for answer in of_record if answer.level_db is None}
        for answer in of_record:
            base = clean[answer.model]
            if answer.level_db is None:
                false.setdefault((answer.model, answer.data), []).append(
                    (answer.said is None, answer.warned)
                )
            elif base.said is not None:
                refused = answer.said is None
                flipped = not refused and answer.said != base.said
                key = (answer.model, answer.data, answer.level_db)
                groups.setdefault(key, []).append((flipped, answer.warned, refused))
    lines = [
        "| model | set | noise | answers | flipped | of these warned | all warned | refused |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (model, data), clean_rows in false.items():
        refused, warned = np.mean(clean_rows, axis=0)
        lines.append(
            f"| {model} | {data} | none added | {len(clean_rows)} | – | – | {warned:.1%} | "
            f"{refused:.1%} |"
        )
        for level in LEVELS_DB:
            rows = groups.get((model, data, level), [])
            if not rows:
                continue
            flips = [row for row in rows if row[0]]
            told = f"{sum(row[1] for row in flips)} of {len(flips)}" if flips else "–"
            lines.append(
                f"| {model} | {data} | {level} dB | {len(rows)} | {len(flips) / len(rows):.1%} | "
                f"{told} | {np.mean([row[1] for row in rows]):.1%} | "
                f"{np.mean([row[2] for row in rows]):.1%} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--records", type=int, default=60, help="of every set")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    there = [name for name in SETS if (options.data / name).is_dir()]
    chosen = {name: sample(options.data, name, options.records) for name in there}
    jobs = [(name, path, k) for name in there for k, path in enumerate(chosen[name])]
    with Pool(options.processes) as pool:
        measured = pool.imap(errors, [(path, k) for _, path, k in jobs])
        print(error_table([e for part in measured for e in part]), "\n", flush=True)
        print(flip_table(list(pool.imap(answers, jobs))))


if __name__ == "__main__":
    main()
