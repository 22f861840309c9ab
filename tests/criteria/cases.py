"""For every criterion: measurements that fire, and a near miss that does not.

The numbers are those of the source of each limit, one step beyond it and one step before it.
"""

# ruff: noqa: C408  (a table of many measurements reads better as keyword arguments)

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.criteria.building import Built

__all__ = ["CASES"]

ALL_LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")


def rate(bpm: float, **more: object) -> Built:
    values = {"heart_rate_bpm": bpm, "atrial_rate_bpm": bpm} | more.pop("values", {})  # type: ignore[operator]
    return Built(values=values, rr_s=60.0 / bpm, **more)  # type: ignore[arg-type]


def values(**numbers: float | None) -> Built:
    return Built(values=numbers)


def leads(*, of: Mapping[str, float | None] | None = None, **figures: object) -> Built:
    return Built(values=of or {}, leads=figures)  # type: ignore[arg-type]


def st(level: float, *names: str, **person: object) -> Built:
    """ST raised or lowered from J to J + 80 ms."""
    changed = {n: dict(st_j_mv=level, st_j40_mv=level, st_j60_mv=level, st_j80_mv=level,
                       st_slope_mv_s=0.0) for n in names}  # fmt: skip
    return Built(leads=changed, **person)  # type: ignore[arg-type]


def q(duration: float, depth: float, *names: str) -> Built:
    return Built(leads={name: dict(q_ms=duration, q_mv=depth) for name in names})


IRREGULAR = (0.8, 0.62, 0.95, 0.7, 1.05, 0.66, 0.9, 0.58, 0.84, 1.0)


def fibrillation(bpm: float = 75.0, rr: Sequence[float] = IRREGULAR, **more: object) -> Built:
    scale = 75.0 / bpm
    numbers = dict(heart_rate_bpm=bpm, atrial_rate_bpm=None, p_axis_deg=None, pr_ms=None,
                   p_share_percent=0.0, p_ms=None)  # fmt: skip
    return Built(values=numbers, rr_s=tuple(scale * value for value in rr), pr_ms=None, **more)  # type: ignore[arg-type]


def without_p(bpm: float, qrs: float = 90.0) -> Built:
    numbers = dict(heart_rate_bpm=bpm, atrial_rate_bpm=None, p_axis_deg=None, pr_ms=None,
                   p_share_percent=0.0, qrs_ms=qrs)  # fmt: skip
    return Built(values=numbers, rr_s=60.0 / bpm, pr_ms=None)


def beats(labels: str, rr: Sequence[float] | float = 0.8, **more: object) -> Built:
    return Built(labels=labels, rr_s=rr, **more)  # type: ignore[arg-type]


RIGHT_BLOCK = {
    "V1": dict(r_mv=0.2, r_ms=25.0, s_mv=-0.4, s_ms=30.0, r2_mv=0.8, r2_ms=60.0,
               qrs_area_mv_ms=20.0, r_peak_time_ms=85.0),
    "I": dict(s_mv=-0.3, s_ms=55.0),
    "V6": dict(s_mv=-0.4, s_ms=60.0),
}  # fmt: skip
LEFT_BLOCK = {
    "I": dict(q_mv=None, q_ms=None, r_ms=110.0, s_mv=None, s_ms=None, r_peak_time_ms=75.0),
    "V5": dict(q_mv=None, q_ms=None, r_ms=110.0, r_peak_time_ms=72.0, qrs_notched=True),
    "V6": dict(q_mv=None, q_ms=None, r_ms=120.0, r_peak_time_ms=80.0, qrs_notched=True),
    "V1": dict(qrs_area_mv_ms=-60.0, r_mv=0.1, r_ms=15.0, s_mv=-1.6, s_ms=110.0),
}
LEFT_FASCICLE = {
    "aVL": dict(q_mv=-0.08, q_ms=15.0, r_mv=0.9, qrs_area_mv_ms=15.0, r_peak_time_ms=48.0),
}
POSTERIOR_FASCICLE = {
    "I": dict(r_mv=0.15, s_mv=-0.6, qrs_area_mv_ms=-10.0),
    "aVL": dict(r_mv=0.1, s_mv=-0.7, qrs_area_mv_ms=-14.0),
    "III": dict(q_mv=-0.1, q_ms=18.0, r_mv=1.0, qrs_area_mv_ms=20.0),
    "aVF": dict(q_mv=-0.08, q_ms=18.0, r_mv=0.9, qrs_area_mv_ms=18.0),
}
DELTA = {lead: dict(delta_ms=45.0) for lead in ("I", "V4", "V5")}
VOLTAGE = {"V1": dict(s_mv=-1.8), "V5": dict(r_mv=2.0)}
STRAIN = {"V6": dict(st_j_mv=-0.1, st_j60_mv=-0.1, t_mv=-0.2)}
POSTERIOR = {n: dict(r_mv=0.9, r_ms=45.0, s_mv=-0.5) for n in ("V1", "V2")}
TURNED = {
    "I": dict(p_mv=-0.08, qrs_area_mv_ms=-14.0, q_mv=-0.6, q_ms=45.0, r_mv=0.1),
    "aVR": dict(p_mv=0.06, qrs_area_mv_ms=5.0),
}


def joined(*parts: Mapping[str, Mapping[str, float | None]]) -> dict[str, dict[str, float | None]]:
    result: dict[str, dict[str, float | None]] = {}
    for part in parts:
        for lead, figures in part.items():
            result[lead] = {**result.get(lead, {}), **figures}
    return result


def spikes(kinds: str, count: int, captured: bool | None = True) -> list[tuple[float, str, bool]]:
    names = {"a": "atrial", "v": "ventricular"}
    offset = {"a": -0.2, "v": -0.045}
    return [  # type: ignore[misc]
        (0.5 + 0.8 * beat + offset[kind], names[kind], captured)
        for beat in range(count)
        for kind in kinds
    ]


WENCKEBACH = Built(
    values=dict(heart_rate_bpm=65.0, pr_ms=220.0),
    labels="NNNNNNNN",
    rr_s=(0.9, 0.9, 0.88, 1.58, 0.9, 0.88, 1.58, 0.9),
    pr_ms=(180.0, 240.0, 280.0, 180.0, 240.0, 280.0, 180.0, 240.0),
    blocked_s=(2.85, 6.21),  # P waves every 0.84 s
)
STEADY = Built(
    values=dict(heart_rate_bpm=55.0, pr_ms=180.0),
    labels="NNNNNNN",
    rr_s=(0.8, 0.8, 0.8, 1.6, 0.8, 0.8, 0.8),
    pr_ms=180.0,
    blocked_s=(2.8,),
)
TWO_TO_ONE = Built(
    values=dict(heart_rate_bpm=40.0, atrial_rate_bpm=80.0),
    labels="NNNNNNN",
    rr_s=1.5,
    blocked_s=tuple(1.05 + 1.5 * k for k in range(6)),
)
_P_OF_BLOCK = tuple(0.1 + 0.71 * k for k in range(13))
COMPLETE = Built(
    values=dict(heart_rate_bpm=38.0, atrial_rate_bpm=84.5, pr_ms=None),
    labels="NNNNNN",
    rr_s=1.58,
    pr_ms=None,
    blocked_s=_P_OF_BLOCK,
)
PAUSE = Built(rr_s=(0.8, 0.8, 0.8, 2.1, 0.8, 0.8, 0.8, 0.8), labels="NNNNNNNN")
SA_BLOCK = Built(rr_s=(0.8, 0.8, 0.8, 1.6, 0.8, 0.8, 0.8, 0.8), labels="NNNNNNNN")
SA_WENCKEBACH = Built(rr_s=(0.9, 0.88, 0.82, 0.77, 1.3, 0.88, 0.82, 0.77), labels="NNNNNNNN")


CASES: dict[str, tuple[Built, Built]] = {
    # --- placement
    "ARM LEADS REVERSED": (
        Built(leads=TURNED, values=dict(p_axis_deg=130.0, qrs_axis_deg=135.0)),
        Built(leads={"I": dict(qrs_area_mv_ms=-14.0)}, values=dict(qrs_axis_deg=120.0)),
    ),
    "DEXTROCARDIA PATTERN": (
        Built(leads=joined(TURNED, {"V6": dict(qrs_area_mv_ms=-8.0, r_mv=0.1)})),
        Built(leads=TURNED),
    ),
    "ARM AND RIGHT LEG LEADS REVERSED": (
        leads(II=dict(r_mv=0.04, s_mv=-0.03, q_mv=None)),
        leads(II=dict(r_mv=0.2, s_mv=-0.03, q_mv=None)),
    ),
    "CHEST LEADS REVERSED": (
        leads(V1=dict(qrs_area_mv_ms=20.0), V6=dict(qrs_area_mv_ms=-10.0)),
        leads(V1=dict(qrs_area_mv_ms=20.0)),
    ),
    # --- pacing
    "ELECTRONIC VENTRICULAR PACEMAKER": (
        Built(spikes=spikes("v", 1)), Built(spikes=spikes("a", 1)),
    ),
    "ELECTRONIC ATRIAL PACEMAKER": (Built(spikes=spikes("a", 1)), Built(spikes=spikes("v", 1))),
    "AV SEQUENTIAL OR DUAL CHAMBER ELECTRONIC PACEMAKER": (
        Built(spikes=spikes("av", 2)), Built(spikes=spikes("v", 4)),
    ),
    "VENTRICULAR-PACED RHYTHM": (
        Built(spikes=spikes("v", 10), paced=True), Built(spikes=spikes("v", 7), paced=True),
    ),
    "ATRIAL-PACED RHYTHM": (Built(spikes=spikes("a", 8)), Built(spikes=spikes("a", 7))),
    "AV DUAL-PACED RHYTHM": (
        Built(spikes=spikes("av", 10), paced=True), Built(spikes=spikes("v", 10), paced=True),
    ),
    "ATRIAL-SENSED VENTRICULAR-PACED RHYTHM": (
        Built(spikes=spikes("v", 10), paced=True),
        Built(spikes=spikes("v", 10), paced=True, values=dict(p_share_percent=10.0)),
    ),
    "VENTRICULAR-PACED COMPLEXES": (Built(spikes=spikes("v", 3)), Built(spikes=spikes("v", 9))),
    "ATRIAL-PACED COMPLEXES": (Built(spikes=spikes("a", 3)), Built(spikes=spikes("a", 9))),
    "AV DUAL-PACED COMPLEXES": (Built(spikes=spikes("av", 3)), Built(spikes=spikes("av", 9))),
    "ELECTRONIC DEMAND PACING": (Built(spikes=spikes("v", 4)), Built(spikes=spikes("v", 10))),
    "SUSPECT UNSPECIFIED PACEMAKER FAILURE": (
        Built(spikes=spikes("v", 1, captured=False)), Built(spikes=spikes("v", 1, captured=None)),
    ),
    # --- rate
    "SINUS BRADYCARDIA": (rate(59.0), rate(60.0)),
    "MARKED SINUS BRADYCARDIA": (rate(49.0), rate(50.0)),
    "SINUS TACHYCARDIA": (rate(101.0), rate(100.0)),
    "NORMAL SINUS RHYTHM": (rate(100.0), rate(101.0)),
    "WITH RAPID VENTRICULAR RESPONSE": (fibrillation(101.0), fibrillation(100.0)),
    "WITH SLOW VENTRICULAR RESPONSE": (fibrillation(59.0), fibrillation(60.0)),
    # --- rhythm
    "SINUS RHYTHM": (rate(75.0), rate(75.0, values=dict(p_axis_deg=-30.0))),
    "WITH SINUS ARRHYTHMIA": (
        beats("NNNNNNNN", (0.8, 0.8, 0.84, 0.88, 0.93, 0.9, 0.85, 0.8)),
        beats("NNNNNNNN", (0.8, 0.8, 0.84, 0.88, 0.91, 0.9, 0.85, 0.8)),
    ),
    "WITH MARKED SINUS ARRHYTHMIA": (
        beats("NNNNNNNN", (0.8, 0.7, 0.78, 0.88, 1.0, 1.1, 0.95, 0.85)),
        beats("NNNNNNNN", (0.8, 0.8, 0.84, 0.88, 0.93, 0.9, 0.85, 0.8)),
    ),
    "ATRIAL FIBRILLATION": (fibrillation(), without_p(75.0)),
    "ATRIAL FLUTTER": (values(atrial_rate_bpm=300.0), values(atrial_rate_bpm=230.0)),
    "ECTOPIC ATRIAL RHYTHM": (values(p_axis_deg=-60.0), values(p_axis_deg=5.0)),
    "SUPRAVENTRICULAR TACHYCARDIA": (without_p(170.0), without_p(140.0)),
    "JUNCTIONAL RHYTHM": (without_p(50.0), rate(50.0)),
    "JUNCTIONAL BRADYCARDIA": (without_p(36.0), without_p(41.0)),
    "VENTRICULAR TACHYCARDIA": (
        beats("NNNVVVNNNN", (0.8, 0.8, 0.8, 0.45, 0.4, 0.4, 0.9, 0.8, 0.8, 0.8)),
        beats("NNNVVNNNNN", (0.8, 0.8, 0.8, 0.45, 0.4, 0.9, 0.8, 0.8, 0.8, 0.8)),
    ),
    "WIDE QRS TACHYCARDIA": (without_p(150.0, 140.0), without_p(150.0, 110.0)),
    "WIDE QRS RHYTHM": (without_p(75.0, 150.0), without_p(75.0, 100.0)),
    "IDIOVENTRICULAR RHYTHM": (without_p(35.0, 160.0), without_p(45.0, 160.0)),
    "NO P-WAVES FOUND": (without_p(75.0), rate(75.0)),
    "UNDETERMINED RHYTHM": (without_p(75.0), rate(75.0)),
    # --- ectopy
    "PREMATURE VENTRICULAR COMPLEXES": (
        beats("NNNVNNNNNN", (0.8, 0.8, 0.8, 0.5, 1.1, 0.8, 0.8, 0.8, 0.8, 0.8)), beats("N" * 10),
    ),
    "WITH PREMATURE VENTRICULAR OR ABERRANTLY CONDUCTED COMPLEXES": (
        fibrillation(labels="NNNNNNVNNN"), fibrillation(),
    ),
    "FUSION COMPLEXES": (beats("NNNNFNNNNN"), beats("N" * 10)),
    "PREMATURE VENTRICULAR AND FUSION COMPLEXES": (beats("NNVNFNNNNN"), beats("NNVNNNNNNN")),
    "PREMATURE ATRIAL COMPLEXES": (
        beats("NNNNSNNNNN", (0.8, 0.8, 0.8, 0.8, 0.5, 0.9, 0.8, 0.8, 0.8, 0.8)), beats("N" * 10),
    ),
    "PREMATURE SUPRAVENTRICULAR COMPLEXES": (
        beats("NNNNSNNNNN", pr_ms=(160.0,) * 4 + (None,) + (160.0,) * 5), beats("NNNNSNNNNN"),
    ),
    "PREMATURE ECTOPIC COMPLEXES": (beats("NNSNNVNNNN"), beats("NNNNNVNNNN")),
    "ABERRANT CONDUCTION": (
        beats("NNNNSNNNNN", width_ms=(90.0,) * 4 + (130.0,) + (90.0,) * 5), beats("NNNNSNNNNN"),
    ),
    "IN A PATTERN OF BIGEMINY": (beats("NVNVNVNNNN"), beats("NVNVNNNNNN")),
    "VENTRICULAR BIGEMINY": (beats("NVNVNVNNNN"), beats("NVNVNNVNNN")),
    "ATRIAL BIGEMINY": (beats("NSNSNSNNNN"), beats("NSNSNNNNNN")),
    "VENTRICULAR TRIGEMINY": (beats("NNVNNVNNVN"), beats("NNVNNVNNNN")),
    "VENTRICULAR COUPLETS": (beats("NNVVNNNNNN"), beats("NNVNVNNNNN")),
    "WITH VENTRICULAR ESCAPE COMPLEXES": (
        beats("NNNNVNNNNN", (0.8, 0.8, 0.8, 0.8, 1.4, 0.8, 0.8, 0.8, 0.8, 0.8)),
        beats("NNNNVNNNNN", (0.8, 0.8, 0.8, 0.8, 0.5, 1.1, 0.8, 0.8, 0.8, 0.8)),
    ),
    "WITH JUNCTIONAL ESCAPE COMPLEXES": (
        beats("NNNNNNNN", (0.8, 0.8, 0.8, 0.8, 1.3, 0.8, 0.8, 0.8),
              pr_ms=(160.0,) * 4 + (None,) + (160.0,) * 3),
        beats("NNNNNNNN", (0.8, 0.8, 0.8, 0.8, 1.3, 0.8, 0.8, 0.8)),
    ),
    # --- pauses
    "WITH SINUS PAUSE": (PAUSE, SA_BLOCK),
    "WITH 2ND DEGREE SA BLOCK MOBITZ II": (SA_BLOCK, SA_WENCKEBACH),
    "WITH 2ND DEGREE SA BLOCK MOBITZ I": (
        SA_WENCKEBACH,
        Built(rr_s=(0.9, 0.8, 0.8, 0.8, 1.3, 0.8, 0.8, 0.8), labels="NNNNNNNN"),
    ),
    # --- AV
    "WITH 1ST DEGREE AV BLOCK": (values(pr_ms=201.0), values(pr_ms=200.0)),
    "WITH PROLONGED AV CONDUCTION": (
        values(pr_ms=220.0, p_axis_deg=-60.0), values(pr_ms=190.0, p_axis_deg=-60.0),
    ),
    "WITH SHORT PR": (values(pr_ms=118.0), values(pr_ms=120.0)),
    "WITH 2ND DEGREE AV BLOCK MOBITZ I": (WENCKEBACH, STEADY),
    "WITH 2ND DEGREE AV BLOCK MOBITZ II": (STEADY, WENCKEBACH),
    "WITH 2:1 AV CONDUCTION": (TWO_TO_ONE, STEADY),
    "WITH VARIABLE AV BLOCK": (
        Built(values=dict(atrial_rate_bpm=300.0), rr_s=IRREGULAR),
        Built(values=dict(atrial_rate_bpm=300.0)),
    ),
    "WITH COMPLETE HEART BLOCK": (COMPLETE, TWO_TO_ONE),
    "WITH AV DISSOCIATION": (COMPLETE, TWO_TO_ONE),
    # --- conduction
    "RIGHT BUNDLE BRANCH BLOCK": (
        Built(leads=RIGHT_BLOCK, values=dict(qrs_ms=120.0)),
        Built(leads=RIGHT_BLOCK, values=dict(qrs_ms=118.0)),
    ),
    "INCOMPLETE RIGHT BUNDLE BRANCH BLOCK": (
        Built(leads=RIGHT_BLOCK, values=dict(qrs_ms=112.0)),
        Built(leads=RIGHT_BLOCK, values=dict(qrs_ms=108.0)),
    ),
    "LEFT BUNDLE BRANCH BLOCK": (
        Built(leads=LEFT_BLOCK, values=dict(qrs_ms=140.0)),
        Built(
            leads=joined(LEFT_BLOCK, {"V6": dict(q_mv=-0.1, q_ms=20.0)}), values=dict(qrs_ms=140.0)
        ),
    ),
    "INCOMPLETE LEFT BUNDLE BRANCH BLOCK": (
        Built(leads=LEFT_BLOCK, values=dict(qrs_ms=114.0)),
        Built(leads=LEFT_BLOCK, values=dict(qrs_ms=106.0)),
    ),
    "LEFT ANTERIOR FASCICULAR BLOCK": (
        Built(leads=LEFT_FASCICLE, values=dict(qrs_axis_deg=-60.0)),
        Built(leads=LEFT_FASCICLE, values=dict(qrs_axis_deg=-40.0)),
    ),
    "LEFT POSTERIOR FASCICULAR BLOCK": (
        Built(leads=POSTERIOR_FASCICLE, values=dict(qrs_axis_deg=115.0)),
        Built(leads=POSTERIOR_FASCICLE, values=dict(qrs_axis_deg=85.0)),
    ),
    "RBBB AND LEFT ANTERIOR FASCICULAR BLOCK": (
        Built(leads=joined(RIGHT_BLOCK, LEFT_FASCICLE), values=dict(qrs_ms=140, qrs_axis_deg=-60)),
        Built(leads=joined(RIGHT_BLOCK, LEFT_FASCICLE), values=dict(qrs_ms=140, qrs_axis_deg=-30)),
    ),
    "RBBB AND LEFT POSTERIOR FASCICULAR BLOCK": (
        Built(leads=joined(RIGHT_BLOCK, POSTERIOR_FASCICLE),
              values=dict(qrs_ms=140, qrs_axis_deg=120)),
        Built(leads=RIGHT_BLOCK, values=dict(qrs_ms=140, qrs_axis_deg=120)),
    ),
    "BIFASCICULAR BLOCK": (
        Built(leads=joined(RIGHT_BLOCK, LEFT_FASCICLE), values=dict(qrs_ms=140, qrs_axis_deg=-60)),
        Built(leads=RIGHT_BLOCK, values=dict(qrs_ms=140, qrs_axis_deg=-60)),
    ),
    "NONSPECIFIC INTRAVENTRICULAR CONDUCTION DELAY": (values(qrs_ms=114.0), values(qrs_ms=110.0)),
    "NONSPECIFIC INTRAVENTRICULAR BLOCK": (
        values(qrs_ms=124.0), Built(leads=LEFT_BLOCK, values=dict(qrs_ms=124.0)),
    ),
    "WOLFF-PARKINSON-WHITE": (
        Built(leads=DELTA, values=dict(pr_ms=100.0, qrs_ms=124.0)),
        Built(leads=DELTA, values=dict(pr_ms=140.0, qrs_ms=124.0)),
    ),
    "RSR' PATTERN IN V1": (
        leads(V1=dict(r2_mv=0.15, r2_ms=25.0)), leads(V1=dict(r2_mv=0.03, r2_ms=8.0)),
    ),
    "RSR' OR QR PATTERN IN V1 SUGGESTS RIGHT VENTRICULAR CONDUCTION DELAY": (
        leads(V1=dict(r2_mv=0.3, r2_ms=30.0)), leads(V1=dict(r2_mv=0.15, r2_ms=25.0)),
    ),
    # --- axis
    "LEFT AXIS DEVIATION": (values(qrs_axis_deg=-31.0), values(qrs_axis_deg=-30.0)),
    "ABNORMAL LEFT AXIS DEVIATION": (values(qrs_axis_deg=-46.0), values(qrs_axis_deg=-44.0)),
    "LEFTWARD AXIS": (values(qrs_axis_deg=-20.0), values(qrs_axis_deg=-31.0)),
    "RIGHT AXIS DEVIATION": (values(qrs_axis_deg=91.0), values(qrs_axis_deg=90.0)),
    "ABNORMAL RIGHT AXIS DEVIATION": (values(qrs_axis_deg=125.0), values(qrs_axis_deg=119.0)),
    "RIGHTWARD AXIS": (values(qrs_axis_deg=95.0), values(qrs_axis_deg=101.0)),
    "RIGHT SUPERIOR AXIS DEVIATION": (values(qrs_axis_deg=-120.0), values(qrs_axis_deg=-89.0)),
    # --- voltage
    "VOLTAGE CRITERIA FOR LEFT VENTRICULAR HYPERTROPHY": (
        leads(V1=dict(s_mv=-1.5), V5=dict(r_mv=2.0)), leads(V1=dict(s_mv=-1.4), V5=dict(r_mv=2.0)),
    ),
    "R IN AVL": (leads(aVL=dict(r_mv=1.1)), leads(aVL=dict(r_mv=1.05))),
    "LEFT VENTRICULAR HYPERTROPHY": (
        Built(leads=joined(VOLTAGE, STRAIN)), Built(leads=VOLTAGE),
    ),
    "WITH REPOLARIZATION ABNORMALITY": (
        Built(leads=joined(VOLTAGE, STRAIN)), Built(leads=STRAIN),
    ),
    "WITH QRS WIDENING": (
        Built(leads=VOLTAGE, values=dict(qrs_ms=110.0)),
        Built(leads=VOLTAGE, values=dict(qrs_ms=108.0)),
    ),
    "WITH QRS WIDENING AND REPOLARIZATION ABNORMALITY": (
        Built(leads=joined(VOLTAGE, STRAIN), values=dict(qrs_ms=112.0)),
        Built(leads=VOLTAGE, values=dict(qrs_ms=112.0)),
    ),
    "RIGHT VENTRICULAR HYPERTROPHY": (
        leads(of=dict(qrs_axis_deg=110.0), V1=dict(r_mv=0.8, s_mv=-0.3, qrs_area_mv_ms=12.0)),
        leads(of=dict(qrs_axis_deg=80.0), V1=dict(r_mv=0.8, s_mv=-0.3, qrs_area_mv_ms=12.0)),
    ),
    "BIVENTRICULAR HYPERTROPHY": (
        Built(leads=VOLTAGE, values=dict(qrs_axis_deg=100.0)),
        Built(leads=VOLTAGE, values=dict(qrs_axis_deg=80.0)),
    ),
    "LOW VOLTAGE QRS": (
        Built(leads={n: dict(q_mv=None, r_mv=0.35, s_mv=-0.1) for n in ALL_LIMB}),
        Built(leads={n: dict(q_mv=None, r_mv=0.45, s_mv=-0.1) for n in ALL_LIMB}),
    ),
    # --- atria
    "LEFT ATRIAL ENLARGEMENT": (
        leads(V1=dict(p_terminal_mv_ms=4.5)), leads(V1=dict(p_terminal_mv_ms=3.5)),
    ),
    "RIGHT ATRIAL ENLARGEMENT": (leads(II=dict(p_mv=0.26)), leads(II=dict(p_mv=0.24))),
    "BIATRIAL ENLARGEMENT": (
        leads(II=dict(p_mv=0.3), V1=dict(p_terminal_mv_ms=5.0)), leads(II=dict(p_mv=0.3)),
    ),
    # --- infarction
    "SEPTAL INFARCT": (
        q(35.0, -0.3, "V1", "V2"), q(35.0, -0.3, "V1"),
    ),
    "ANTEROSEPTAL INFARCT": (q(35.0, -0.3, "V1", "V2", "V3"), q(35.0, -0.3, "V1", "V2")),
    "ANTERIOR INFARCT": (q(32.0, -0.2, "V3", "V4"), q(15.0, -0.2, "V3", "V4")),
    "ANTEROLATERAL INFARCT": (q(32.0, -0.2, "V3", "V4", "V5", "V6"), q(32.0, -0.2, "V3", "V4")),
    "LATERAL INFARCT": (q(32.0, -0.2, "I", "aVL"), q(32.0, -0.2, "aVL")),
    "INFERIOR INFARCT": (q(32.0, -0.2, "II", "aVF"), q(28.0, -0.2, "II", "aVF")),
    "POSTERIOR INFARCT": (
        Built(leads=POSTERIOR), leads(V2=dict(r_mv=0.9, r_ms=45.0, s_mv=-0.5)),
    ),
    "INFERIOR-POSTERIOR INFARCT": (
        Built(leads=joined(
            POSTERIOR,
            {n: dict(q_ms=35.0, q_mv=-0.2) for n in ("II", "III", "aVF")},
        )),
        q(35.0, -0.2, "II", "III", "aVF"),
    ),
    # --- ST and T
    "ST ELEVATION": (st(0.1, "II", "aVF"), st(0.09, "II", "aVF")),
    "ANTERIOR INJURY PATTERN": (st(0.2, "V2", "V3"), st(0.19, "V2", "V3")),
    "INFERIOR INJURY PATTERN": (st(0.15, "II", "III", "aVF"), st(0.15, "II")),
    "LATERAL INJURY PATTERN": (st(0.12, "I", "aVL"), st(0.12, "aVL")),
    "ANTEROLATERAL INJURY PATTERN": (
        st(0.25, "V2", "V3", "V4", "V5", "V6"), st(0.25, "V2", "V3"),
    ),
    "INFEROLATERAL INJURY PATTERN": (
        st(0.15, "II", "III", "aVF", "V5", "V6"), st(0.15, "II", "III", "aVF"),
    ),
    "ACUTE MI / STEMI": (st(0.3, "V2", "V3", "V4"), st(0.1, "V2", "V3")),
    "ACUTE MI": (
        Built(leads=joined(
            {n: dict(st_j_mv=0.2, st_j60_mv=0.2) for n in ("II", "III", "aVF")},
            {"aVL": dict(st_j_mv=-0.1, st_j60_mv=-0.1)},
        )),
        st(0.2, "II", "III", "aVF"),
    ),
    "CONSIDER RIGHT VENTRICULAR INVOLVEMENT IN ACUTE INFERIOR INFARCT": (
        st(0.15, "II", "III", "aVF", "V1"), st(0.15, "II", "III", "aVF"),
    ),
    "ACUTE PERICARDITIS": (
        Built(leads=joined(
            {n: dict(st_j_mv=0.15) for n in ("I", "II", "aVF", "V3", "V4", "V5", "V6")},
            {"aVR": dict(st_j_mv=-0.12)},
        )),
        Built(leads=joined(
            {n: dict(st_j_mv=0.15) for n in ("II", "aVF", "V3", "V4", "V5", "V6")},
            {"aVR": dict(st_j_mv=-0.12), "aVL": dict(st_j_mv=-0.1)},
        )),
    ),
    "EARLY REPOLARIZATION": (
        Built(leads={n: dict(st_j_mv=0.15, st_slope_mv_s=1.0) for n in ("V4", "V5")}),
        st(0.15, "V4", "V5"),
    ),
    "ST DEPRESSION": (st(-0.06, "V4", "V5"), st(-0.04, "V4", "V5")),
    "NONSPECIFIC ST ABNORMALITY": (st(-0.06, "V5", "V6"), st(-0.15, "V5", "V6")),
    "T WAVE INVERSION": (
        leads(V5=dict(t_mv=-0.12), V6=dict(t_mv=-0.12)), leads(V5=dict(t_mv=-0.12)),
    ),
    "NONSPECIFIC T WAVE ABNORMALITY": (
        leads(V5=dict(t_mv=0.03), V6=dict(t_mv=0.02)), leads(V5=dict(t_mv=0.03)),
    ),
    "NONSPECIFIC ST AND T WAVE ABNORMALITY": (
        Built(leads={n: dict(st_j_mv=-0.06, st_j60_mv=-0.06, t_mv=0.03) for n in ("V5", "V6")}),
        st(-0.06, "V5", "V6"),
    ),
    # --- QT
    "PROLONGED QT": (values(qtc_ms=450.0), values(qtc_ms=448.0)),
    "SHORT QT INTERVAL": (values(qtc_ms=358.0), values(qtc_ms=360.0)),
    # --- Brugada
    "BRUGADA TYPE 1 PATTERN": (
        leads(V1=dict(st_j_mv=0.25, st_j40_mv=0.18, st_j80_mv=0.1, t_mv=-0.2)),
        leads(V1=dict(st_j_mv=0.25, st_j40_mv=0.18, st_j80_mv=0.1, t_mv=0.2)),
    ),
}  # fmt: skip
