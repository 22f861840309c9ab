"""Constructed ECGs: for each statement one that shows it, and a near miss that does not.

What is planted is written beside each: it is the finding as its source describes it, and a step
less. Statements whose labels real sets have are tested on those as well
(``python -m benchmarks.experiments.statements``).
"""

# ruff: noqa: C408  (planted leads read better as keyword arguments)

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ecgfoundry.synthesis.planted import (
    NORMAL,
    P_NORMAL,
    Deflection,
    Planted,
    Shape,
    changed,
)

__all__ = ["CONSTRUCTED"]

D = Deflection
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")


def scaled(shape: Shape, factor: float, *leads: str) -> Shape:
    chosen = leads or tuple(shape)
    return {
        lead: tuple(D(w.start, w.peak, w.end, w.mv * factor, w.hold) for w in waves)
        if lead in chosen
        else waves
        for lead, waves in shape.items()
    }


def sinus(
    shape: Shape = NORMAL, *, rr: float = 0.8, pr: float = 0.16, p: Shape | None = P_NORMAL,
    **more: object,
) -> Planted:  # fmt: skip
    onsets = [0.5 + rr * k for k in range(int(9.3 / rr))]
    return rhythm(onsets, shape, pr=pr, p=p, **more)


def rhythm(
    onsets: Sequence[float], shape: Shape = NORMAL, *, pr: float = 0.16, p: Shape | None = P_NORMAL,
    other: Mapping[int, Shape] | None = None, without_p: Sequence[int] = (), **more: object,
) -> Planted:  # fmt: skip
    """Beats at ``onsets``; ``other`` gives single beats another shape."""
    ventricles = [(t, (other or {}).get(k, shape)) for k, t in enumerate(onsets)]
    atria = [] if p is None else [
        (t - pr, p) for k, t in enumerate(onsets) if k not in without_p
    ]  # fmt: skip
    return Planted(ventricles, atria, **more)  # type: ignore[arg-type]


def cumulated(first: float, *intervals: float) -> list[float]:
    result = [first]
    for interval in intervals:
        result.append(result[-1] + interval)
    return result


def with_st(level: float, *leads: str, until: float = 280.0) -> Shape:
    """ST at ``level`` mV from J to the T wave."""
    return changed(
        NORMAL, {lead: (D(70.0, 92.0, until, level, 110.0),) for lead in leads}, add=True
    )


def with_t_earlier(shape: Shape, by_ms: float) -> Shape:
    """T, which begins 190 ms after the QRS onset, earlier as a whole."""
    return {
        lead: tuple(
            D(w.start - by_ms, w.peak - by_ms, w.end - by_ms, w.mv) if w.start >= 190.0 else w
            for w in waves
        )
        for lead, waves in shape.items()
    }


T = D(190.0, 300.0, 380.0, 0.3)
Q_WAVE = (D(0.0, 20.0, 40.0, -0.3), D(38.0, 58.0, 90.0, 0.7), T)
Q_SMALL = (D(0.0, 8.0, 16.0, -0.08), D(15.0, 40.0, 90.0, 0.8), T)
QS = (D(0.0, 40.0, 90.0, -1.2), T)


POSTERIOR = {v: (D(0.0, 30.0, 60.0, 1.2), D(55.0, 72.0, 90.0, -0.5), T) for v in ("V1", "V2")}


def frontal(i: float, ii: float) -> Shape:
    """Net QRS of I and II: the axis."""
    return changed(
        NORMAL,
        {"I": (D(0.0, 40.0, 90.0, i), T), "II": (D(0.0, 40.0, 90.0, ii), T)},
    )


# QRS of 140 ms: late R' in V1, slurred S in I and V6; secondary T.
T_LATE = D(230.0, 330.0, 420.0, 0.25)
RIGHT_BLOCK: Shape = {
    "I": (D(0.0, 35.0, 70.0, 0.6), D(64.0, 100.0, 140.0, -0.3), T_LATE),
    "II": (D(0.0, 38.0, 76.0, 0.9), D(70.0, 105.0, 140.0, -0.2), T_LATE),
    "V1": (D(0.0, 15.0, 30.0, 0.2), D(26.0, 42.0, 60.0, -0.5), D(56.0, 95.0, 140.0, 1.0),
           D(230.0, 330.0, 420.0, -0.3)),
    "V2": (D(0.0, 18.0, 36.0, 0.4), D(32.0, 50.0, 70.0, -0.8), D(64.0, 100.0, 140.0, 0.6),
           D(230.0, 330.0, 420.0, -0.2)),
    "V3": (D(0.0, 25.0, 50.0, 0.7), D(46.0, 70.0, 140.0, -0.5), T_LATE),
    "V4": (D(0.0, 32.0, 66.0, 1.1), D(60.0, 95.0, 140.0, -0.4), T_LATE),
    "V5": (D(0.0, 34.0, 68.0, 1.1), D(62.0, 98.0, 140.0, -0.35), T_LATE),
    "V6": (D(0.0, 34.0, 68.0, 0.9), D(62.0, 98.0, 140.0, -0.3), T_LATE),
}  # fmt: skip
# QRS of 150 ms: broad notched R on the left without q, QS or rS on the right; opposite T.
_NOTCHED = (D(0.0, 45.0, 105.0, 0.7), D(60.0, 100.0, 150.0, 0.8), D(230.0, 330.0, 430.0, -0.25))
LEFT_BLOCK: Shape = {
    "I": _NOTCHED,
    "II": (D(0.0, 60.0, 150.0, 0.6), D(230.0, 330.0, 430.0, -0.1)),
    "V1": (D(0.0, 75.0, 150.0, -1.4), D(230.0, 330.0, 430.0, 0.4)),
    "V2": (D(0.0, 12.0, 22.0, 0.15), D(18.0, 80.0, 150.0, -1.8), D(230.0, 330.0, 430.0, 0.5)),
    "V3": (D(0.0, 14.0, 26.0, 0.2), D(22.0, 80.0, 150.0, -1.5), D(230.0, 330.0, 430.0, 0.5)),
    "V4": (D(0.0, 30.0, 60.0, 0.5), D(55.0, 95.0, 150.0, -0.5), D(230.0, 330.0, 430.0, 0.2)),
    "V5": _NOTCHED,
    "V6": _NOTCHED,
}
LEFT_FASCICLE = {
    # Axis -60: qR in aVL with the peak of R at 50 ms, rS in II.
    "I": (D(0.0, 8.0, 16.0, -0.08), D(15.0, 48.0, 90.0, 0.7), T),
    "II": (D(0.0, 10.0, 20.0, 0.15), D(18.0, 48.0, 90.0, -0.7), T),
}
POSTERIOR_FASCICLE = {
    # Axis 120: rS in I and aVL, qR in III and aVF.
    "I": (D(0.0, 10.0, 20.0, 0.15), D(18.0, 48.0, 90.0, -0.55), T),
    "II": (D(0.0, 8.0, 16.0, -0.05), D(15.0, 48.0, 90.0, 0.55), T),
}


def quicker(shape: Shape, factor: float) -> Shape:
    """The complexes with all their times scaled; T waves stay."""
    return {
        lead: tuple(
            w
            if w.start >= 190.0
            else D(w.start * factor, w.peak * factor, w.end * factor, w.mv, w.hold * factor)
            for w in waves
        )
        for lead, waves in shape.items()
    }


def blocked_with(fascicle: Mapping[str, Sequence[Deflection]]) -> Shape:
    """Right bundle branch block with the first 90 ms of a fascicular block in the limb leads."""
    late = {"I": D(88.0, 110.0, 140.0, -0.2), "II": D(88.0, 110.0, 140.0, -0.05)}
    limb = {lead: (*(w for w in ws if w is not T), late[lead], T_LATE)
            for lead, ws in fascicle.items()}  # fmt: skip
    if fascicle is LEFT_FASCICLE:
        limb["I"] = (D(0, 8, 16, -0.08), D(15, 50, 84, 0.7), D(80, 105, 140, -0.2), T_LATE)
    return changed(RIGHT_BLOCK, limb)


# PVC: QRS of 160 ms, its own axis, T the other way; without P wave.
PVC: Shape = {
    lead: (D(0.0, 60.0, 160.0, height), D(200.0, 300.0, 420.0, -0.4 * height))
    for lead, height in {"I": -0.6, "II": 1.8, "V1": -1.6, "V2": -1.8, "V3": -1.0, "V4": 1.6,
                         "V5": 1.8, "V6": 1.5}.items()
}  # fmt: skip
WIDE: Shape = PVC
PACED: Shape = LEFT_BLOCK
DELTA: Shape = {
    # PR 100 ms; the upstroke is slurred over 50 ms; QRS 130 ms.
    lead: (D(0.0, 60.0, 74.0, 0.25 * h), D(40.0, 72.0, 130.0, h), T_LATE)
    for lead, h in {"I": 0.7, "II": 0.9, "V1": 0.5, "V2": 0.9, "V3": 1.1, "V4": 1.3, "V5": 1.2,
                    "V6": 0.9}.items()
}  # fmt: skip


def turned(shape: Shape) -> Shape:
    """Arm leads reversed: I turned over, II and III exchanged."""
    by_time: dict[str, tuple[Deflection, ...]] = dict(shape)
    minus_one = scaled(shape, -1.0, "I")["I"]
    by_time["I"] = minus_one
    by_time["II"] = (*shape["II"], *minus_one)  # III = II - I
    return by_time


def dextrocardia(shape: Shape) -> Shape:
    small = {v: scaled(shape, 0.2, v)[v] for v in ("V4", "V5")}
    left = {"V6": (D(0.0, 12.0, 24.0, 0.1), D(20.0, 50.0, 90.0, -0.3), T)}
    return changed(turned(shape), {**small, **left})


def tiny(shape: Shape) -> Shape:
    return scaled(shape, 0.02, "II")


VOLTAGE = {"V1": (D(0.0, 15.0, 28.0, 0.15), D(24.0, 52.0, 90.0, -2.0), T),
           "V5": (D(0.0, 40.0, 90.0, 2.6), T), "V6": (D(0.0, 40.0, 90.0, 2.2), T)}  # fmt: skip
STRAIN = {lead: (D(0.0, 40.0, 90.0, 2.4), D(80.0, 110.0, 260.0, -0.15, 90.0),
                 D(190.0, 300.0, 380.0, -0.3)) for lead in ("V5", "V6")}  # fmt: skip
WIDENED = {"V1": (D(0.0, 15.0, 28.0, 0.15), D(24.0, 60.0, 106.0, -2.0), T),
           "V5": (D(0.0, 45.0, 106.0, 2.6), T), "V6": (D(0.0, 45.0, 106.0, 2.2), T),
           "I": (D(0.0, 45.0, 106.0, 0.8), T), "II": (D(0.0, 45.0, 106.0, 0.8), T),
           "V2": (D(0.0, 18.0, 34.0, 0.3), D(28.0, 60.0, 106.0, -1.5), T),
           "V3": (D(0.0, 24.0, 44.0, 0.6), D(38.0, 68.0, 106.0, -1.0), T),
           "V4": (D(0.0, 45.0, 106.0, 1.6), T)}  # fmt: skip
STRAIN_WIDENED = {**WIDENED, **{
    lead: (D(0.0, 45.0, 106.0, 2.4), D(105.0, 130.0, 270.0, -0.2, 80.0),
           D(200.0, 300.0, 380.0, -0.3)) for lead in ("V5", "V6")
}}  # fmt: skip
RIGHT_HEART = {
    "I": (D(0.0, 10.0, 22.0, 0.15), D(18.0, 48.0, 90.0, -0.5), T),
    "II": (D(0.0, 45.0, 90.0, 0.6), T),
    "V1": (D(0.0, 38.0, 70.0, 1.0), D(64.0, 78.0, 90.0, -0.15), D(190.0, 300.0, 380.0, -0.1)),
    "V6": (D(0.0, 18.0, 38.0, 0.4), D(34.0, 58.0, 90.0, -0.8), T),
}
P_LONG: Shape = {
    lead: tuple(D(0.0, 60.0, 125.0, w.mv) for w in waves) for lead, waves in P_NORMAL.items()
}
P_LEFT = changed(P_LONG, {
    "V1": (D(0.0, 25.0, 50.0, 0.05), D(50.0, 85.0, 125.0, -0.13)),
})  # fmt: skip
P_RIGHT = changed(P_NORMAL, {"II": (D(0.0, 50.0, 100.0, 0.32),)})
P_BOTH = changed(P_LEFT, {"II": (D(0.0, 60.0, 125.0, 0.32),)})
P_LOW: Shape = scaled(P_NORMAL, -1.0)

BRADY = [0.9 + 1.3 * k for k in range(7)]
EVEN = [0.5 + 0.8 * k for k in range(12)]
PAUSE = cumulated(0.5, 0.8, 0.8, 0.8, 2.2, 0.8, 0.8, 0.8, 0.8)
TWICE = cumulated(0.5, 0.8, 0.8, 0.8, 1.6, 0.8, 0.8, 0.8, 0.8, 0.8)
RANDOM = cumulated(0.5, 0.72, 0.95, 0.58, 0.81, 1.1, 0.63, 0.9, 0.7, 1.02, 0.6, 0.85)
FAST_RANDOM = [0.3 + 0.6 * (t - 0.5) for t in RANDOM] + [6.1 + 0.6 * (t - 0.5) for t in RANDOM[:6]]
SLOW_RANDOM = cumulated(0.5, 1.2, 1.5, 1.0, 1.35, 1.7, 1.1)
F = dict(waves_hz=6.0, irregular=True, waves_mv=0.1)
PREMATURE = cumulated(0.5, 0.8, 0.8, 0.5, 1.1, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8)
BIGEMINY = cumulated(0.5, 0.5, 1.1, 0.5, 1.1, 0.5, 1.1, 0.5, 1.1, 0.5, 1.1)
COUPLET = cumulated(0.5, 0.8, 0.8, 0.5, 0.45, 1.1, 0.8, 0.8, 0.8, 0.8, 0.8)
RUN = cumulated(0.5, 0.8, 0.8, 0.5, 0.5, 0.5, 0.5, 1.1, 0.8, 0.8, 0.8, 0.8)
LATE = cumulated(0.5, 0.8, 0.8, 0.8, 1.35, 0.8, 0.8, 0.8, 0.8, 0.8)
MARKED = cumulated(0.5, 0.7, 0.75, 0.85, 1.0, 1.12, 1.05, 0.9, 0.8, 0.72)
SLIGHT = cumulated(0.5, 0.8, 0.83, 0.87, 0.9, 0.88, 0.85, 0.82, 0.8, 0.8)

TRIGEMINY = cumulated(0.5, 0.8, 0.5, 1.1, 0.8, 0.5, 1.1, 0.8, 0.5, 1.1, 0.8)
BOTH = cumulated(0.5, 0.8, 0.8, 0.5, 0.9, 0.8, 0.8, 0.5, 1.1, 0.8, 0.8)
SA_WENCKEBACH = cumulated(0.5, 0.95, 0.88, 0.82, 1.35, 0.95, 0.88, 0.82, 1.35)


def early_p(
    onsets: Sequence[float], *places: int, other: Mapping[int, Shape] | None = None,
    without_p: Sequence[int] = (),
) -> Planted:  # fmt: skip
    """Premature atrial beats: the usual complex after an early P wave of another shape."""
    ventricles = [(t, (other or {}).get(k, NORMAL)) for k, t in enumerate(onsets)]
    atria = [
        (t - 0.15, P_LOW if k in places else P_NORMAL)
        for k, t in enumerate(onsets)
        if k not in without_p
    ]
    return Planted(ventricles, atria)


def paced(onsets: Sequence[float], *, atrial: bool = False, ventricular: bool = True,
          shape: Shape = PACED, p: Shape | None = None, every: int = 1) -> Planted:  # fmt: skip
    """Spikes 200 ms before the complex (atrial, P wave follows) and 6 ms before it."""
    spikes: list[float] = []
    for number, onset in enumerate(onsets):
        if number % every:
            continue
        if atrial:
            spikes.append(onset - 0.2)
        if ventricular:
            spikes.append(onset - 0.006)
    ventricles = [(t, shape if ventricular and k % every == 0 else NORMAL)
                  for k, t in enumerate(onsets)]  # fmt: skip
    atria = [(t - 0.18, P_NORMAL) for t in onsets] if atrial or p is not None else []
    return Planted(ventricles, atria, spikes=spikes)


def conducted(atria: Sequence[float], pr: Sequence[float | None], shape: Shape = NORMAL) -> Planted:
    """P waves at given onsets, each with the PR interval that it is conducted by, or None."""
    ventricles = [(t + delay, shape) for t, delay in zip(atria, pr, strict=False) if delay]
    return Planted(ventricles, [(t, P_NORMAL) for t in atria])


# PR 180, 260, 320 ms, then a blocked P wave, PP 840 ms.
WENCKEBACH = conducted([0.3 + 0.84 * k for k in range(11)], [0.18, 0.26, 0.32, None] * 3)
# PR 180 ms before and after two blocked P waves, PP 800 ms.
STEADY = conducted(
    [0.3 + 0.8 * k for k in range(12)], [0.18] * 3 + [None] + [0.18] * 4 + [None] + [0.18] * 3
)
TWO_TO_ONE = conducted([0.3 + 0.7 * k for k in range(13)], [0.18, None] * 7)
# P waves every 0.72 s, complexes of the ventricles every 1.55 s.
COMPLETE = Planted(
    [(0.5 + 1.55 * k, LEFT_BLOCK) for k in range(6)],
    [(0.2 + 0.72 * k, P_NORMAL) for k in range(14)],
)


CONSTRUCTED: dict[str, tuple[Planted, Planted]] = {
    # --- placement
    "ARM LEADS REVERSED": (
        sinus(turned(NORMAL), p=turned(P_NORMAL)), sinus(dextrocardia(NORMAL), p=turned(P_NORMAL)),
    ),
    "DEXTROCARDIA PATTERN": (
        sinus(dextrocardia(NORMAL), p=turned(P_NORMAL)), sinus(turned(NORMAL), p=turned(P_NORMAL)),
    ),
    "ARM AND RIGHT LEG LEADS REVERSED": (sinus(tiny(NORMAL), p=tiny(P_NORMAL)), sinus()),
    "CHEST LEADS REVERSED": (
        sinus({**NORMAL, **{a: NORMAL[b] for a, b in zip(CHEST, CHEST[::-1], strict=True)}}),
        sinus(),
    ),
    # --- pacing
    "ELECTRONIC VENTRICULAR PACEMAKER": (paced(EVEN), paced(EVEN, atrial=True, ventricular=False)),
    "ELECTRONIC ATRIAL PACEMAKER": (paced(EVEN, atrial=True, ventricular=False), sinus()),
    "AV SEQUENTIAL OR DUAL CHAMBER ELECTRONIC PACEMAKER": (paced(EVEN, atrial=True), paced(EVEN)),
    "VENTRICULAR-PACED RHYTHM": (paced(EVEN), sinus(LEFT_BLOCK)),
    "ATRIAL-PACED RHYTHM": (
        paced(EVEN, atrial=True, ventricular=False), paced(EVEN, atrial=True),
    ),
    "AV DUAL-PACED RHYTHM": (paced(EVEN, atrial=True), paced(EVEN, p=P_NORMAL)),
    "ATRIAL-SENSED VENTRICULAR-PACED RHYTHM": (
        paced(EVEN, p=P_NORMAL), paced(EVEN, atrial=True),
    ),
    "VENTRICULAR-PACED COMPLEXES": (paced(EVEN, p=P_NORMAL, every=3), paced(EVEN)),
    "ATRIAL-PACED COMPLEXES": (
        paced(EVEN, atrial=True, ventricular=False, p=P_NORMAL, every=3),
        paced(EVEN, atrial=True, ventricular=False),
    ),
    "AV DUAL-PACED COMPLEXES": (
        paced(EVEN, atrial=True, p=P_NORMAL, every=3), paced(EVEN, atrial=True),
    ),
    "SUSPECT UNSPECIFIED PACEMAKER FAILURE": (
        sinus(rr=1.3, spikes=tuple(0.5 + 1.3 * k + 0.6 for k in range(6))), paced(EVEN),
    ),
    "ELECTRONIC DEMAND PACING": (paced(EVEN, p=P_NORMAL, every=3), paced(EVEN)),
    # --- rate
    "MARKED SINUS BRADYCARDIA": (sinus(rr=1.25), sinus(rr=1.15)),
    "SINUS BRADYCARDIA": (sinus(rr=1.04), sinus(rr=0.96)),
    "SINUS TACHYCARDIA": (sinus(rr=0.57), sinus(rr=0.62)),
    "NORMAL SINUS RHYTHM": (sinus(), sinus(rr=1.1)),
    "WITH RAPID VENTRICULAR RESPONSE": (
        rhythm(FAST_RANDOM, p=None, **F), rhythm(RANDOM, p=None, **F),
    ),
    "WITH SLOW VENTRICULAR RESPONSE": (
        rhythm(SLOW_RANDOM, p=None, **F), rhythm(RANDOM, p=None, **F),
    ),
    # --- rhythm
    "SINUS RHYTHM": (sinus(), sinus(p=P_LOW)),
    "WITH SINUS ARRHYTHMIA": (rhythm(MARKED), rhythm(SLIGHT)),
    "WITH MARKED SINUS ARRHYTHMIA": (rhythm(MARKED), rhythm(SLIGHT)),
    "ATRIAL FIBRILLATION": (rhythm(RANDOM, p=None, **F), sinus()),
    "ECTOPIC ATRIAL RHYTHM": (sinus(p=P_LOW), sinus()),
    "SUPRAVENTRICULAR TACHYCARDIA": (
        sinus(with_t_earlier(NORMAL, 90.0), rr=0.36, p=None), sinus(p=None),
    ),
    "JUNCTIONAL RHYTHM": (rhythm([0.9 + 1.2 * k for k in range(8)], p=None), sinus(rr=1.2)),
    "JUNCTIONAL BRADYCARDIA": (
        rhythm([0.6 + 1.65 * k for k in range(6)], p=None), sinus(rr=1.65),
    ),
    "VENTRICULAR TACHYCARDIA": (
        rhythm(RUN, other={3: PVC, 4: PVC, 5: PVC, 6: PVC}, without_p=(3, 4, 5, 6)),
        rhythm(COUPLET, other={3: PVC, 4: PVC}, without_p=(3, 4)),
    ),
    "WIDE QRS TACHYCARDIA": (sinus(LEFT_BLOCK, rr=0.45, p=None), sinus(rr=0.45, p=None)),
    "WIDE QRS RHYTHM": (sinus(LEFT_BLOCK, p=None), sinus(LEFT_BLOCK)),
    "IDIOVENTRICULAR RHYTHM": (
        rhythm([0.6 + 1.65 * k for k in range(6)], LEFT_BLOCK, p=None), sinus(LEFT_BLOCK, p=None),
    ),
    "UNDETERMINED RHYTHM": (sinus(p=None), sinus()),
    "NO P-WAVES FOUND": (sinus(p=None), sinus()),
    # --- ectopy
    "PREMATURE VENTRICULAR COMPLEXES": (rhythm(PREMATURE, other={3: PVC}, without_p=(3,)), sinus()),
    "IN A PATTERN OF BIGEMINY": (
        rhythm(BIGEMINY, other=dict.fromkeys((1, 3, 5, 7, 9), PVC), without_p=(1, 3, 5, 7, 9)),
        rhythm(PREMATURE, other={3: PVC}, without_p=(3,)),
    ),
    "VENTRICULAR BIGEMINY": (
        rhythm(BIGEMINY, other=dict.fromkeys((1, 3, 5, 7, 9), PVC), without_p=(1, 3, 5, 7, 9)),
        rhythm(PREMATURE, other={3: PVC}, without_p=(3,)),
    ),
    "VENTRICULAR COUPLETS": (
        rhythm(COUPLET, other={3: PVC, 4: PVC}, without_p=(3, 4)),
        rhythm(PREMATURE, other={3: PVC}, without_p=(3,)),
    ),
    "WITH VENTRICULAR ESCAPE COMPLEXES": (
        rhythm(LATE, other={4: PVC}, without_p=(4,)),
        rhythm(PREMATURE, other={3: PVC}, without_p=(3,)),
    ),
    "WITH JUNCTIONAL ESCAPE COMPLEXES": (rhythm(LATE, without_p=(4,)), rhythm(LATE)),
    "VENTRICULAR TRIGEMINY": (
        rhythm(TRIGEMINY, other=dict.fromkeys((2, 5, 8), PVC), without_p=(2, 5, 8)),
        rhythm(PREMATURE, other={3: PVC}, without_p=(3,)),
    ),
    "PREMATURE ATRIAL COMPLEXES": (early_p(PREMATURE, 3), sinus()),
    "ATRIAL BIGEMINY": (early_p(BIGEMINY, 1, 3, 5, 7, 9), early_p(PREMATURE, 3)),
    "PREMATURE ECTOPIC COMPLEXES": (
        early_p(BOTH, 3, other={7: PVC}, without_p=(7,)),
        rhythm(PREMATURE, other={3: PVC}, without_p=(3,)),
    ),
    "WITH PREMATURE VENTRICULAR OR ABERRANTLY CONDUCTED COMPLEXES": (
        rhythm(RANDOM, p=None, other={3: PVC}, **F), rhythm(RANDOM, p=None, **F),
    ),
    # --- pauses
    "WITH 2ND DEGREE SA BLOCK MOBITZ I": (rhythm(SA_WENCKEBACH), rhythm(PAUSE)),
    "WITH SINUS PAUSE": (rhythm(PAUSE), rhythm(TWICE)),
    "WITH 2ND DEGREE SA BLOCK MOBITZ II": (rhythm(TWICE), rhythm(PAUSE)),
    # --- AV
    "WITH 1ST DEGREE AV BLOCK": (sinus(pr=0.24), sinus(pr=0.18)),
    "WITH PROLONGED AV CONDUCTION": (sinus(pr=0.24, p=P_LOW), sinus(pr=0.18, p=P_LOW)),
    "WITH 2ND DEGREE AV BLOCK MOBITZ I": (WENCKEBACH, STEADY),
    "WITH 2ND DEGREE AV BLOCK MOBITZ II": (STEADY, WENCKEBACH),
    "WITH 2:1 AV CONDUCTION": (TWO_TO_ONE, STEADY),
    "WITH COMPLETE HEART BLOCK": (COMPLETE, TWO_TO_ONE),
    "WITH AV DISSOCIATION": (COMPLETE, STEADY),
    "WITH SHORT PR": (sinus(pr=0.105), sinus(pr=0.14)),
    # --- conduction
    "RIGHT BUNDLE BRANCH BLOCK": (sinus(RIGHT_BLOCK), sinus(LEFT_BLOCK)),
    "LEFT BUNDLE BRANCH BLOCK": (sinus(LEFT_BLOCK), sinus(RIGHT_BLOCK)),
    "INCOMPLETE RIGHT BUNDLE BRANCH BLOCK": (
        sinus(quicker(RIGHT_BLOCK, 0.76)), sinus(quicker(RIGHT_BLOCK, 0.65)),
    ),
    "INCOMPLETE LEFT BUNDLE BRANCH BLOCK": (
        sinus(quicker(LEFT_BLOCK, 0.68)), sinus(quicker(LEFT_BLOCK, 0.6)),
    ),
    "NONSPECIFIC INTRAVENTRICULAR BLOCK": (
        sinus(quicker(changed(NORMAL, {"V6": (D(0, 8, 16, -0.2), D(15, 40, 90, 0.8), T)}), 1.6)),
        sinus(LEFT_BLOCK),
    ),
    "LEFT ANTERIOR FASCICULAR BLOCK": (
        sinus(changed(NORMAL, LEFT_FASCICLE)), sinus(frontal(0.8, -0.3)),
    ),
    "LEFT POSTERIOR FASCICULAR BLOCK": (
        sinus(changed(NORMAL, POSTERIOR_FASCICLE)), sinus(frontal(-0.3, 0.6)),
    ),
    "RBBB AND LEFT ANTERIOR FASCICULAR BLOCK": (
        sinus(blocked_with(LEFT_FASCICLE)), sinus(RIGHT_BLOCK),
    ),
    "RBBB AND LEFT POSTERIOR FASCICULAR BLOCK": (
        sinus(blocked_with(POSTERIOR_FASCICLE)), sinus(RIGHT_BLOCK),
    ),
    "BIFASCICULAR BLOCK": (sinus(blocked_with(LEFT_FASCICLE)), sinus(RIGHT_BLOCK)),
    "NONSPECIFIC INTRAVENTRICULAR CONDUCTION DELAY": (
        sinus(changed(NORMAL, WIDENED)), sinus(LEFT_BLOCK),
    ),
    "WOLFF-PARKINSON-WHITE": (sinus(DELTA, pr=0.1), sinus(DELTA, pr=0.16)),
    "RSR' PATTERN IN V1": (
        sinus(changed(NORMAL, {"V1": (D(0, 14, 26, 0.3), D(22, 44, 66, -0.7),
                                      D(60, 76, 90, 0.2), T)})),
        sinus(),
    ),
    "RSR' OR QR PATTERN IN V1 SUGGESTS RIGHT VENTRICULAR CONDUCTION DELAY": (
        sinus(changed(NORMAL, {"V1": (D(0, 14, 26, 0.2), D(22, 40, 58, -0.5),
                                      D(52, 72, 90, 0.45), T)})),
        sinus(changed(NORMAL, {"V1": (D(0, 14, 26, 0.3), D(22, 44, 66, -0.7),
                                      D(60, 76, 90, 0.2), T)})),
    ),
    # --- axis
    "LEFT AXIS DEVIATION": (sinus(frontal(0.9, -0.2)), sinus(frontal(0.9, 0.15))),
    "ABNORMAL LEFT AXIS DEVIATION": (sinus(frontal(0.6, -0.6)), sinus(frontal(0.9, -0.1))),
    "LEFTWARD AXIS": (sinus(frontal(0.9, 0.15)), sinus(frontal(0.9, 0.5))),
    "RIGHT AXIS DEVIATION": (sinus(frontal(-0.4, 0.6)), sinus(frontal(0.15, 0.9))),
    "ABNORMAL RIGHT AXIS DEVIATION": (sinus(frontal(-0.8, 0.5)), sinus(frontal(-0.2, 0.9))),
    "RIGHTWARD AXIS": (sinus(frontal(-0.08, 0.9)), sinus(frontal(-0.5, 0.6))),
    "RIGHT SUPERIOR AXIS DEVIATION": (sinus(frontal(-0.6, -0.7)), sinus(frontal(0.6, -0.6))),
    # --- voltage
    "VOLTAGE CRITERIA FOR LEFT VENTRICULAR HYPERTROPHY": (sinus(changed(NORMAL, VOLTAGE)), sinus()),
    "R IN AVL": (sinus(frontal(1.4, 0.3)), sinus(frontal(1.0, 0.3))),
    "LEFT VENTRICULAR HYPERTROPHY": (
        sinus(changed(NORMAL, {**VOLTAGE, **STRAIN})), sinus(changed(NORMAL, VOLTAGE)),
    ),
    "WITH REPOLARIZATION ABNORMALITY": (
        sinus(changed(NORMAL, {**VOLTAGE, **STRAIN})), sinus(changed(NORMAL, VOLTAGE)),
    ),
    "WITH QRS WIDENING": (sinus(changed(NORMAL, WIDENED)), sinus(scaled(NORMAL, 0.9))),
    "WITH QRS WIDENING AND REPOLARIZATION ABNORMALITY": (
        sinus(changed(NORMAL, STRAIN_WIDENED)), sinus(changed(NORMAL, WIDENED)),
    ),
    "RIGHT VENTRICULAR HYPERTROPHY": (
        sinus(changed(NORMAL, RIGHT_HEART)), sinus(changed(NORMAL, POSTERIOR_FASCICLE)),
    ),
    "BIVENTRICULAR HYPERTROPHY": (
        sinus(changed(frontal(-0.4, 0.6), VOLTAGE)), sinus(changed(NORMAL, VOLTAGE)),
    ),
    "LOW VOLTAGE QRS": (sinus(scaled(NORMAL, 0.35)), sinus()),
    # --- atria
    "LEFT ATRIAL ENLARGEMENT": (sinus(p=P_LEFT, pr=0.18), sinus()),
    "RIGHT ATRIAL ENLARGEMENT": (sinus(p=P_RIGHT), sinus()),
    "BIATRIAL ENLARGEMENT": (sinus(p=P_BOTH, pr=0.18), sinus(p=P_RIGHT)),
    # --- infarction
    "SEPTAL INFARCT": (
        sinus(changed(NORMAL, {"V1": QS, "V2": QS})), sinus(changed(NORMAL, {"V1": QS})),
    ),
    "ANTEROSEPTAL INFARCT": (
        sinus(changed(NORMAL, {"V1": QS, "V2": QS, "V3": QS})),
        sinus(changed(NORMAL, {"V1": QS, "V2": QS})),
    ),
    "ANTERIOR INFARCT": (
        sinus(changed(NORMAL, {"V3": QS, "V4": Q_WAVE})), sinus(changed(NORMAL, {"V4": Q_SMALL})),
    ),
    "ANTEROLATERAL INFARCT": (
        sinus(changed(NORMAL, {"V3": QS, "V4": QS, "V5": Q_WAVE, "V6": Q_WAVE})),
        sinus(changed(NORMAL, {"V3": QS, "V4": QS})),
    ),
    "LATERAL INFARCT": (
        sinus(changed(NORMAL, {"V5": Q_WAVE, "V6": Q_WAVE})),
        sinus(changed(NORMAL, {"V5": Q_SMALL, "V6": Q_SMALL})),
    ),
    "INFERIOR INFARCT": (
        sinus(changed(NORMAL, {"II": Q_WAVE})), sinus(changed(NORMAL, {"II": Q_SMALL})),
    ),
    "POSTERIOR INFARCT": (
        sinus(changed(NORMAL, POSTERIOR)), sinus(changed(NORMAL, {"V2": POSTERIOR["V2"]})),
    ),
    "INFERIOR-POSTERIOR INFARCT": (
        sinus(changed(NORMAL, {"II": Q_WAVE, **POSTERIOR})),
        sinus(changed(NORMAL, {"II": Q_WAVE})),
    ),
    # --- ST and T
    "ST ELEVATION": (sinus(with_st(0.18, "II")), sinus(with_st(0.04, "II"))),
    "ANTERIOR INJURY PATTERN": (
        sinus(with_st(0.35, "V2", "V3")), sinus(with_st(0.12, "V2", "V3")),
    ),
    "INFERIOR INJURY PATTERN": (sinus(with_st(0.25, "II")), sinus(with_st(0.05, "II"))),
    "LATERAL INJURY PATTERN": (sinus(with_st(0.2, "V5", "V6")), sinus(with_st(0.05, "V5", "V6"))),
    "ANTEROLATERAL INJURY PATTERN": (
        sinus(with_st(0.35, "V2", "V3", "V4", "V5", "V6")), sinus(with_st(0.35, "V2", "V3")),
    ),
    "INFEROLATERAL INJURY PATTERN": (
        sinus(with_st(0.25, "II", "V5", "V6")), sinus(with_st(0.25, "II")),
    ),
    "ACUTE MI / STEMI": (sinus(with_st(0.35, "V2", "V3")), sinus(with_st(0.1, "V2", "V3"))),
    # III = II - I and aVL = I - II/2: elevation of II alone is depression of aVL.
    "ACUTE MI": (sinus(with_st(0.3, "II")), sinus(with_st(0.35, "V2", "V3"))),
    "CONSIDER RIGHT VENTRICULAR INVOLVEMENT IN ACUTE INFERIOR INFARCT": (
        sinus(with_st(0.25, "II", "V1")), sinus(with_st(0.25, "II")),
    ),
    "ACUTE PERICARDITIS": (
        sinus(with_st(0.2, "I", "II", "V3", "V4", "V5", "V6")),
        sinus(with_st(0.2, "II", "V3", "V4", "V5", "V6")),
    ),
    "EARLY REPOLARIZATION": (
        sinus(changed(with_st(0.16, "V4", "V5", "V6"), {
            v: (D(100.0, 230.0, 330.0, 0.2),) for v in ("V4", "V5", "V6")}, add=True)),
        sinus(),
    ),
    "ST DEPRESSION": (sinus(with_st(-0.12, "V4", "V5")), sinus(with_st(-0.02, "V4", "V5"))),
    "NONSPECIFIC ST ABNORMALITY": (
        sinus(with_st(-0.07, "V5")), sinus(with_st(-0.2, "V5")),
    ),
    "T WAVE INVERSION": (
        sinus(changed(NORMAL, {v: (D(0, 40, 90, 1.0), D(190, 300, 380, -0.25))
                               for v in ("V5", "V6")})),
        sinus(),
    ),
    "NONSPECIFIC T WAVE ABNORMALITY": (
        sinus(changed(NORMAL, {v: (D(0, 40, 90, 1.0), D(190, 300, 380, 0.04))
                               for v in ("V4", "V5", "V6")})),
        sinus(),
    ),
    "NONSPECIFIC ST AND T WAVE ABNORMALITY": (
        sinus(changed(NORMAL, {v: (D(0, 40, 90, 1.0), D(70, 92, 280, -0.075, 110),
                                   D(190, 300, 380, 0.05)) for v in ("V5", "V6")})),
        sinus(with_st(-0.07, "V5")),
    ),
    # --- QT: T ends at 500 and 310 ms at 75/min, which is a QTc of 539 and 334 ms
    "PROLONGED QT": (
        sinus(with_t_earlier(NORMAL, -120.0)),
        sinus(),
    ),
    "SHORT QT INTERVAL": (sinus(with_t_earlier(NORMAL, 75.0)), sinus()),
    # --- Brugada: coved, from 0.35 mV at J down into a negative T
    "BRUGADA TYPE 1 PATTERN": (
        sinus(changed(NORMAL, {v: (D(0, 15, 30, 0.2), D(26, 45, 66, -0.5),
                                   D(56, 80, 230, 0.4), D(220, 300, 380, -0.3))
                               for v in ("V1", "V2")})),
        sinus(changed(NORMAL, {v: (D(0, 15, 30, 0.2), D(26, 45, 66, -0.5),
                                   D(56, 80, 200, 0.1), D(190, 300, 380, 0.3))
                               for v in ("V1", "V2")})),
    ),
}  # fmt: skip
