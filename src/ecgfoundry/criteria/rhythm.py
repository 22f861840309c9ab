"""Where the rhythm comes from: sinus node, atria, AV junction, ventricles.

A rhythm is told from P waves before the normal beats, their direction, the irregularity of the
intervals, the rate and the width. Fibrillation and flutter are what a criterion can least tell:
without a network, absent P waves with intervals at random stand for fibrillation, and P waves at a
rate of 240 to 350 for flutter (:mod:`ecgfoundry.criteria.decisions` says who decides).
"""

from __future__ import annotations

from ecgfoundry.criteria.registry import Criterion
from ecgfoundry.criteria.rules import AllOf, AnyOf, Lenient, Limit, Not, Said, between
from ecgfoundry.criteria.sources import AHA_2007, CHOICE, TWELVE_SL

__all__ = ["CRITERIA"]

SVT_2015 = "Page et al., ACC/AHA/HRS 2015 guideline on SVT, Circulation 133:e506"
DASH_2009 = "Dash et al., Ann Biomed Eng 37:1701, 2009"
FLUTTER = "Saoudi et al., ESC/NASPE classification, Eur Heart J 22:1162, 2001; upper end our choice"

WITH_P = AnyOf(
    Limit("steady_p_share_percent", ">=", 60.0, CHOICE),
    # In Wenckebach periods PR changes and the P waves stay regular.
    AllOf(
        Limit("normal_p_share_percent", ">=", 60.0, CHOICE),
        Limit("pp_variation_percent", "<", 15.0, CHOICE),
    ),
)
"""Most normal beats have a P wave. Not all: one small P wave in ten is missed in noise."""
WITHOUT_P = Not(WITH_P)
IRREGULAR = Limit("rr_successive_percent", ">=", 10.0, DASH_2009)
REGULAR = Limit("rr_successive_percent", "<", 10.0, DASH_2009)
NARROW = Limit("qrs_ms", "<", 120.0, AHA_2007)
WIDE = Limit("qrs_ms", ">=", 120.0, AHA_2007)
SINUS_AXIS = Lenient(
    AnyOf(
        # Upright in I and aVF is an axis from 0 to 90 degrees.
        between("p_axis_deg", 0.0, 90.0, "P upright in I, II and aVF: " + AHA_2007),
        AllOf(Limit("p_axis_known", "<", 1.0), Limit("reference_p_mv", ">", 0.0, AHA_2007)),
    )
)
"""The direction of P hangs on a small wave: it speaks against the sinus node only where it is
outside by more than it changes from one moment to the next."""
NOT_PACED = Limit("paced_share_percent", "<", 50.0, CHOICE)
NO_SPIKES_AT_P = Limit("atrial_spikes_per_beat_percent", "<", 50.0, CHOICE)
NOT_VENTRICULAR = Limit("normal_share_percent", ">=", 50.0, CHOICE)
NOT_FIBRILLATION = Not(AnyOf(Said("ATRIAL FIBRILLATION"), Said("ATRIAL FLUTTER")))
NOT_REVERSED = Not(AnyOf(Said("ARM LEADS REVERSED"), Said("DEXTROCARDIA PATTERN")))

NO_BLOCK = Limit("blocked_p_count", "<=", 0.0, CHOICE)
"""Intervals that differ because P waves are blocked are no sinus arrhythmia."""

_RHYTHMS = (
    "SINUS RHYTHM",
    "ATRIAL FIBRILLATION",
    "ATRIAL FLUTTER",
    "ECTOPIC ATRIAL RHYTHM",
    "SUPRAVENTRICULAR TACHYCARDIA",
    "JUNCTIONAL RHYTHM",
    "JUNCTIONAL BRADYCARDIA",
    "VENTRICULAR TACHYCARDIA",
    "WIDE QRS TACHYCARDIA",
    "WIDE QRS RHYTHM",
    "IDIOVENTRICULAR RHYTHM",
    "VENTRICULAR-PACED RHYTHM",
    "ATRIAL-PACED RHYTHM",
    "AV DUAL-PACED RHYTHM",
    "WITH COMPLETE HEART BLOCK",
)

CRITERIA = (
    Criterion(
        "SINUS RHYTHM",
        "rhythm",
        AllOf(
            WITH_P,
            AnyOf(SINUS_AXIS, Not(NOT_REVERSED)),
            NO_SPIKES_AT_P,
            NOT_VENTRICULAR,
            Limit("heart_rate_bpm", "<", 220.0, CHOICE),
        ),
        adults_only=False,
    ),
    Criterion(
        "WITH SINUS ARRHYTHMIA",
        "rhythm",
        AllOf(Said("SINUS RHYTHM"), NO_BLOCK, Limit("nn_spread_ms", ">", 120.0, AHA_2007)),
    ),
    Criterion(
        "WITH MARKED SINUS ARRHYTHMIA",
        "rhythm",
        AllOf(
            Said("SINUS RHYTHM"),
            NO_BLOCK,
            Limit("nn_spread_ms", ">", 120.0, AHA_2007),
            Limit("nn_spread_percent", ">", 40.0, CHOICE),
        ),
    ),
    Criterion(
        "ATRIAL FIBRILLATION",
        "rhythm",
        AllOf(WITHOUT_P, IRREGULAR, NOT_PACED, NOT_VENTRICULAR),
        adults_only=False,
        needs_confirmation=True,
        caveat="From absent P waves and irregular intervals; the network, where there is one, "
        "decides.",
    ),
    Criterion(
        "ATRIAL FLUTTER",
        "rhythm",
        AllOf(between("atrial_wave_bpm", 240.0, 350.0, FLUTTER), NOT_PACED),
        needs_confirmation=True,
    ),
    Criterion(
        "ECTOPIC ATRIAL RHYTHM",
        "rhythm",
        AllOf(
            WITH_P,
            Limit("p_axis_known", ">=", 1.0),
            Not(SINUS_AXIS),
            NOT_REVERSED,
            NO_SPIKES_AT_P,
            NOT_FIBRILLATION,
            NOT_VENTRICULAR,
            Limit("heart_rate_bpm", "<=", 100.0, AHA_2007),
        ),
    ),
    Criterion(
        "SUPRAVENTRICULAR TACHYCARDIA",
        "rhythm",
        AllOf(
            Limit("heart_rate_bpm", ">=", 150.0, SVT_2015),
            WITHOUT_P,
            REGULAR,
            NARROW,
            NOT_FIBRILLATION,
            NOT_VENTRICULAR,
        ),
        needs_confirmation=True,
    ),
    Criterion(
        "JUNCTIONAL RHYTHM",
        "rhythm",
        AllOf(
            between("heart_rate_bpm", 40.0, 60.0, AHA_2007),
            WITHOUT_P,
            REGULAR,
            NARROW,
            NOT_PACED,
            NOT_VENTRICULAR,
            NOT_FIBRILLATION,
        ),
    ),
    Criterion(
        "JUNCTIONAL BRADYCARDIA",
        "rhythm",
        AllOf(
            Limit("heart_rate_bpm", "<", 40.0, AHA_2007),
            WITHOUT_P,
            REGULAR,
            NARROW,
            NOT_PACED,
            NOT_VENTRICULAR,
            NOT_FIBRILLATION,
        ),
        needs_confirmation=True,
    ),
    Criterion(
        "VENTRICULAR TACHYCARDIA",
        "rhythm",
        AllOf(
            Limit("ventricular_run_beats", ">=", 3.0, AHA_2007),
            Limit("ventricular_run_bpm", ">", 100.0, AHA_2007),
            NOT_PACED,
        ),
        adults_only=False,
        needs_confirmation=True,
    ),
    Criterion(
        "WIDE QRS TACHYCARDIA",
        "rhythm",
        AllOf(
            WIDE,
            Limit("heart_rate_bpm", ">", 100.0, AHA_2007),
            WITHOUT_P,
            REGULAR,
            NOT_PACED,
            NOT_FIBRILLATION,
        ),
        needs_confirmation=True,
    ),
    Criterion(
        "WIDE QRS RHYTHM",
        "rhythm",
        AllOf(
            WIDE,
            AllOf(
                Limit("heart_rate_bpm", ">", 40.0, AHA_2007),
                Limit("heart_rate_bpm", "<=", 100.0, AHA_2007),
            ),
            WITHOUT_P,
            REGULAR,
            NOT_PACED,
            NOT_FIBRILLATION,
        ),
        needs_confirmation=True,
    ),
    Criterion(
        "IDIOVENTRICULAR RHYTHM",
        "rhythm",
        AllOf(
            WIDE,
            Limit("heart_rate_bpm", "<=", 40.0, AHA_2007),
            WITHOUT_P,
            REGULAR,
            NOT_PACED,
            NOT_FIBRILLATION,
        ),
        needs_confirmation=True,
    ),
    Criterion(
        "NO P-WAVES FOUND",
        "rhythm",
        AllOf(
            Limit("normal_p_share_percent", "<", 10.0, TWELVE_SL),
            NOT_FIBRILLATION,
            NOT_PACED,
        ),
        adults_only=False,
    ),
    Criterion(
        "UNDETERMINED RHYTHM",
        "rhythm",
        AllOf(*(Not(Said(name)) for name in _RHYTHMS)),
        adults_only=False,
        needs_confirmation=True,
    ),
)
