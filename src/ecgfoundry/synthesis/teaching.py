"""A small synthetic data set for tutorials: twelve leads, some with a long QT interval.

Everything about these people is made up by a generator of random numbers; what is planted stands in
the table. For learning the commands; a model that is trained on it knows nothing about hearts.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.formats.writers import write
from ecgfoundry.io import write_folder_atomically
from ecgfoundry.synthesis.planted import NORMAL, P_NORMAL, Deflection, Planted, Shape, paint

__all__ = ["TeachingPerson", "draw_people", "write_teaching_set"]

_NORMAL_QT_MS = 380.0
"""Where the T waves of ``NORMAL`` end."""
_PR_S = 0.16
_LENGTH_S, _FIRST_S = 10.0, 0.4
_RR_SPREAD = 0.04
"""Standard deviation of RR as a share of it (ours: about that of a resting adult)."""
COLUMNS = ("file", "patient", "age", "sex", "rate_bpm", "qt_ms", "long_qt")


@dataclass(frozen=True, slots=True)
class TeachingPerson:
    """One made-up person and what is planted in the recording.

    Parameters
    ----------
    name : str
    age : int
        Years.
    sex : str
        "female" or "male".
    rate_bpm : float
    qt_ms : float
        From the QRS onset to the end of the T wave.
    long_qt : bool
        Whether QT was lengthened by 80 to 140 ms.
    scale : float
        Of all voltages.
    seed : int
        Of the noise.
    """

    name: str
    age: int
    sex: str
    rate_bpm: float
    qt_ms: float
    long_qt: bool
    scale: float
    seed: int


def draw_people(count: int, *, seed: int = 0) -> list[TeachingPerson]:
    """Draw people; every third has a long QT interval.

    Examples
    --------
    >>> [person.long_qt for person in draw_people(4)]
    [True, False, False, True]
    """
    generator = np.random.default_rng(seed)
    people: list[TeachingPerson] = []
    for number in range(count):
        long_qt = number % 3 == 0
        # A QT that goes along with the rate (Fridericia: the cube root of RR), and its own spread.
        rate = float(generator.uniform(55.0, 80.0))
        qt = 390.0 * (60.0 / rate) ** (1.0 / 3.0) + float(generator.normal(0.0, 8.0))
        qt += float(generator.uniform(80.0, 140.0)) if long_qt else 0.0
        people.append(
            TeachingPerson(
                name=f"synthetic-{number:04d}",
                age=int(generator.integers(25, 86)),
                sex=("female", "male")[int(generator.integers(2))],
                rate_bpm=round(rate, 1),
                qt_ms=round(qt),
                long_qt=long_qt,
                scale=round(float(generator.uniform(0.7, 1.3)), 3),
                seed=int(generator.integers(1 << 31)),
            )
        )
    return people


def planted_person(person: TeachingPerson) -> Planted:
    """Return what is drawn for a person: 10 s at 500 Hz."""
    onsets = _onsets(person)
    shape, atrial = _scaled(_with_qt(person.qt_ms), person.scale), _scaled(P_NORMAL, person.scale)
    return Planted(
        [(float(onset), shape) for onset in onsets],
        [(float(onset) - _PR_S, atrial) for onset in onsets],
        noise_mv=0.01,
        seed=person.seed,
    )


def _onsets(person: TeachingPerson) -> NDArray[np.float64]:
    """Where the QRS complexes begin, s.

    No two people begin at the same place of a beat, and no heart beats like a clock: without both,
    the recordings of two people are the same one as far as a search for copies can tell.
    """
    generator = np.random.default_rng((person.seed, 1))
    period = 60.0 / person.rate_bpm
    count = int(_LENGTH_S / period) + 3
    intervals = period * (1.0 + np.clip(generator.normal(0.0, _RR_SPREAD, count), -0.1, 0.1))
    intervals *= period / intervals.mean()
    onsets = _FIRST_S + generator.uniform(0.0, period) + np.cumsum(intervals) - intervals[0]
    found: NDArray[np.float64] = onsets[onsets < _LENGTH_S - 0.4]
    return found


def _with_qt(qt_ms: float) -> Shape:
    """The normal shape with T waves that end at ``qt_ms`` and stay as wide as they are."""
    later = qt_ms - _NORMAL_QT_MS
    return {
        lead: tuple(
            Deflection(wave.start + later, wave.peak + later, wave.end + later, wave.mv, wave.hold)
            if wave.end == _NORMAL_QT_MS
            else wave
            for wave in waves
        )
        for lead, waves in NORMAL.items()
    }


def _scaled(shape: Shape, scale: float) -> Shape:
    return {
        lead: tuple(
            Deflection(wave.start, wave.peak, wave.end, wave.mv * scale, wave.hold)
            for wave in waves
        )
        for lead, waves in shape.items()
    }


def write_teaching_set(
    folder: str | Path,
    count: int = 90,
    *,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write WFDB records and ``labels.csv`` into a new folder; the same seed gives the same files.

    Parameters
    ----------
    folder : str or Path
        Must not exist.
    count : int
        People, one recording each.
    seed : int
    progress : callable (done, total), optional

    Returns
    -------
    Path
        Of ``labels.csv``: file, patient, age, sex, rate_bpm, qt_ms, long_qt.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    with write_folder_atomically(folder) as part:
        for done, person in enumerate(draw_people(count, seed=seed), 1):
            recording = paint(planted_person(person), age=float(person.age), sex=person.sex)
            write(recording, part / f"{person.name}.hea")
            table.writerow(
                (f"{person.name}.hea", person.name, person.age, person.sex, person.rate_bpm,
                 int(person.qt_ms), int(person.long_qt))
            )  # fmt: skip
            if progress is not None:
                progress(done, count)
        (part / "labels.csv").write_text(text.getvalue(), encoding="utf-8")
    return Path(folder) / "labels.csv"
