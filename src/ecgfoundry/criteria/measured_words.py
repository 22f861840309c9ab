"""What measurements are called, and how a value of one is told: the words of every report.

One table for all that a criterion compares. Where a value reads better in a sentence than behind a
name, the sentence stands beside the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = [
    "CHANGE",
    "MEASUREMENTS",
    "YES_OR_NO",
    "MeasuredWords",
    "measurement_in_words",
    "number_in_words",
    "printed_signs",
    "unknown_in_words",
    "value_in_words",
]

MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class MeasuredWords:
    """The words of a measurement.

    Parameters
    ----------
    name : str
        In the plural for what is counted.
    sentence : str
        With ``{value}`` (number and unit) and ``{lead}`` (" in V1", or nothing); empty: the name,
        the lead and the value.
    one : str
        The singular of what is counted.
    none : str
        Instead of a sentence with zero.
    signed : bool
        Its sign is what a limit of zero asks about.
    """

    name: str
    sentence: str = ""
    one: str = ""
    none: str = ""
    signed: bool = False


def _counted(one: str, many: str = "") -> MeasuredWords:
    return MeasuredWords(many or f"{one}s", one=one)


MEASUREMENTS: Mapping[str, MeasuredWords] = MappingProxyType(
    {
        # Rate and rhythm.
        "heart_rate_bpm": MeasuredWords("heart rate"),
        "atrial_rate_bpm": MeasuredWords("atrial rate"),
        "atrial_wave_bpm": MeasuredWords("rate of P or flutter waves"),
        "atrial_over_ventricular": MeasuredWords("ratio of atrial to ventricular rate"),
        "rr_successive_percent": MeasuredWords(
            "difference between successive RR intervals",
            "successive RR intervals differ by {value}",
        ),
        "nn_spread_ms": MeasuredWords(
            "difference between the longest and the shortest sinus RR interval",
            "sinus RR intervals differ by up to {value}",
        ),
        "nn_spread_percent": MeasuredWords(
            "largest difference between sinus RR intervals, of the usual one",
            "sinus RR intervals differ by up to {value} of the usual one",
        ),
        "pp_variation_percent": MeasuredWords(
            "variation of the PP intervals", "PP intervals vary by {value}"
        ),
        "p_share_percent": MeasuredWords(
            "beats with a P wave", "a P wave precedes {value} of the beats"
        ),
        "normal_p_share_percent": MeasuredWords(
            "normal beats with a P wave", "a P wave precedes {value} of the normal beats"
        ),
        "steady_p_share_percent": MeasuredWords(
            "normal beats with a P wave at a constant PR interval",
            "a P wave precedes {value} of the normal beats at a constant PR interval",
        ),
        "normal_share_percent": MeasuredWords(
            "beats that are not ectopic", "{value} of the beats are not ectopic"
        ),
        "last_p_to_qrs_spread_ms": MeasuredWords(
            "standard deviation of the time from P wave to QRS complex",
            "the time from P wave to QRS complex has a standard deviation of {value}",
        ),
        # Ectopy.
        "ventricular_premature_count": _counted("ventricular premature beat"),
        "supraventricular_premature_count": _counted("supraventricular premature beat"),
        "premature_with_p_count": _counted(
            "premature beat with a P wave", "premature beats with a P wave"
        ),
        "wide_premature_count": _counted(
            "supraventricular premature beat with a wide QRS",
            "supraventricular premature beats with a wide QRS",
        ),
        "fusion_count": _counted("fusion beat"),
        "ventricular_escape_count": _counted("ventricular escape beat"),
        "junctional_escape_count": _counted("junctional escape beat"),
        "ventricular_couplet_count": _counted("ventricular couplet"),
        "ventricular_run_beats": MeasuredWords(
            "beats of the longest ventricular run", "a run of {value} ventricular beats"
        ),
        "ventricular_run_bpm": MeasuredWords("rate of the ventricular run"),
        "ventricular_bigeminy_beats": _counted(
            "ventricular premature beat in bigeminy", "ventricular premature beats in bigeminy"
        ),
        "ventricular_trigeminy_beats": _counted(
            "ventricular premature beat in trigeminy", "ventricular premature beats in trigeminy"
        ),
        "atrial_bigeminy_beats": _counted(
            "supraventricular premature beat in bigeminy",
            "supraventricular premature beats in bigeminy",
        ),
        # Pauses and AV conduction.
        "longest_pause_s": MeasuredWords("longest pause"),
        "pause_over_usual": MeasuredWords(
            "longest pause in usual RR intervals",
            "the longest pause is {value} times the usual RR interval",
        ),
        "blocked_p_count": _counted("blocked P wave"),
        "blocked_p_in_pause_count": _counted(
            "blocked P wave in the pause", "blocked P waves in the pause"
        ),
        "sinus_shortening_count": _counted(
            "RR interval that shortens before the pause",
            "RR intervals that shorten before the pause",
        ),
        "steady_drop_count": _counted(
            "dropped beat at a constant PR interval", "dropped beats at a constant PR interval"
        ),
        "wenckebach_count": _counted(
            "dropped beat after PR prolongation", "dropped beats after PR prolongation"
        ),
        "two_to_one_percent": MeasuredWords(
            "RR intervals with one blocked P wave, 2:1",
            "{value} of the RR intervals hold one blocked P wave, 2:1",
        ),
        # Pacing.
        "spike_count": _counted("pacing spike"),
        "atrial_spike_count": _counted("atrial pacing spike"),
        "ventricular_spike_count": _counted("ventricular pacing spike"),
        "atrial_spikes_per_beat_percent": MeasuredWords(
            "atrial pacing spikes per beat",
            "atrial pacing spikes at {value} of the beats",
            none="no atrial pacing spikes",
        ),
        "ventricular_spikes_per_beat_percent": MeasuredWords(
            "ventricular pacing spikes per beat",
            "ventricular pacing spikes at {value} of the beats",
            none="no ventricular pacing spikes",
        ),
        "spike_without_capture_count": _counted(
            "pacing spike without capture", "pacing spikes without capture"
        ),
        "paced_share_percent": MeasuredWords(
            "paced beats", "{value} of the beats are paced", none="no paced beats"
        ),
        # Intervals and axes.
        "p_ms": MeasuredWords("P duration"),
        "pr_ms": MeasuredWords("PR interval"),
        "qrs_ms": MeasuredWords("QRS duration"),
        "qt_ms": MeasuredWords("QT interval"),
        "qtc_ms": MeasuredWords("QTc after Fridericia"),
        "t_peak_end_ms": MeasuredWords("interval from T peak to T end"),
        "p_axis_deg": MeasuredWords("P axis"),
        "qrs_axis_deg": MeasuredWords("QRS axis"),
        "t_axis_deg": MeasuredWords("T axis"),
        # Waves of a lead.
        "p_mv": MeasuredWords("P amplitude", signed=True),
        "reference_p_mv": MeasuredWords("P amplitude in the rhythm lead", signed=True),
        "p_terminal_mv_ms": MeasuredWords("P terminal force"),
        "p_notched": MeasuredWords("notched P wave"),
        "p_axis_known": MeasuredWords("known P axis"),
        "q_mv": MeasuredWords("Q amplitude"),
        "initial_q_mv": MeasuredWords("initial Q amplitude"),
        "q_ms": MeasuredWords("Q duration"),
        "r_mv": MeasuredWords("R amplitude"),
        "r_ms": MeasuredWords("R duration"),
        "s_mv": MeasuredWords("S amplitude"),
        "s_ms": MeasuredWords("S duration"),
        "r2_mv": MeasuredWords("R' amplitude"),
        "r2_ms": MeasuredWords("R' duration"),
        "r_peak_time_ms": MeasuredWords("R-peak time"),
        "delta_ms": MeasuredWords("delta wave duration"),
        "qrs_notched": MeasuredWords("notched QRS complex"),
        "qrs_area_mv_ms": MeasuredWords("net QRS area", signed=True),
        "qrs_span_mv": MeasuredWords("peak-to-peak QRS amplitude"),
        "r_over_s": MeasuredWords("R/S ratio"),
        "r2_over_r": MeasuredWords("R'/R ratio"),
        "s_over_r_duration": MeasuredWords("ratio of S to R duration"),
        "t_over_r": MeasuredWords("T/R ratio"),
        "st_j_mv": MeasuredWords("ST level at J", signed=True),
        "st_j40_mv": MeasuredWords("ST level at J + 40 ms", signed=True),
        "st_j60_mv": MeasuredWords("ST level at J + 60 ms", signed=True),
        "st_j80_mv": MeasuredWords("ST level at J + 80 ms", signed=True),
        "st_fall_mv": MeasuredWords(
            "fall of the ST segment from J to J + 80 ms",
            "the ST segment{lead} falls by {value} from J to J + 80 ms",
        ),
        "st_slope_mv_s": MeasuredWords("ST slope", signed=True),
        "t_mv": MeasuredWords("T amplitude", signed=True),
        # Voltages of several leads.
        "sokolow_lyon_mv": MeasuredWords("Sokolow-Lyon voltage"),
        "right_sokolow_mv": MeasuredWords("right ventricular Sokolow-Lyon voltage"),
        "cornell_mv": MeasuredWords("Cornell voltage"),
        "peguero_mv": MeasuredWords("Peguero-Lo Presti voltage"),
        "probability": MeasuredWords("probability of the network"),
    }
)
"""Of all that the criteria compare, by name."""
YES_OR_NO: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "qrs_notched": ("QRS notched", "QRS not notched"),
        "p_notched": ("P wave notched", "P wave not notched"),
        "p_axis_known": ("P axis known", "P axis not known"),
    }
)
"""What is there or not has no number."""
CHANGE = " change"
"""What a comparison writes behind the name of a measurement."""
_UNITS = {"deg": "°", "/min": "/min", "1": ""}
_DIGITS = {"mV": 2, "mV ms": 1, "mV/s": 2, "s": 1}


def measurement_in_words(name: str) -> str:
    """Return the name of a measurement as a sentence would have it.

    Examples
    --------
    >>> measurement_in_words("rr_successive_percent"), measurement_in_words("pr_ms change")
    ('difference between successive RR intervals', 'change of PR interval')
    >>> measurement_in_words("of_somebody_ms")
    'of somebody'
    """
    if name.endswith(CHANGE):
        return f"change of {measurement_in_words(name.removesuffix(CHANGE))}"
    if name in MEASUREMENTS:
        return MEASUREMENTS[name].name
    for unit in ("_mv_ms", "_mv_s", "_percent", "_bpm", "_deg", "_ms", "_mv", "_s"):
        name = name.removesuffix(unit)
    return name.replace("_", " ")


def value_in_words(name: str, value: float, unit: str, lead: str | None, digits: int = 0) -> str:
    """Return a measurement and its value as a sentence would have them.

    Parameters
    ----------
    digits : int
        More than the unit usually has.

    Examples
    --------
    >>> value_in_words("rr_successive_percent", 48.2, "%", None)
    'successive RR intervals differ by 48 %'
    >>> [value_in_words("blocked_p_count", count, "1", None) for count in (0, 1, 2)]
    ['no blocked P waves', '1 blocked P wave', '2 blocked P waves']
    >>> value_in_words("t_mv", -0.2, "mV", "V5")
    'T amplitude in V5 −0.20 mV'
    """
    words = MEASUREMENTS.get(name) or MeasuredWords(measurement_in_words(name))
    place = f" in {lead}" if lead else ""
    text = number_in_words(value, unit, digits)
    if words.one:
        counted = words.one if value == 1 else words.name
        return f"{'no' if value == 0 else text} {counted}{place}"
    if words.none and value == 0:
        return words.none
    if words.sentence:
        return words.sentence.format(value=text, lead=place)
    return f"{words.name}{place} {text}"


def number_in_words(value: float, unit: str, digits: int = 0) -> str:
    """Return a value with its unit as a sentence would have it.

    Parameters
    ----------
    digits : int
        More than the unit usually has.

    Examples
    --------
    >>> number_in_words(-0.06, "mV"), number_in_words(72.4, "/min"), number_in_words(-45.0, "deg")
    ('−0.06 mV', '72/min', '−45°')
    """
    usual = 2 if unit == "1" and value != round(value) else _DIGITS.get(unit, 0)
    text = f"{value:.{usual + digits}f}"
    if not text.strip("-0."):
        text = text.removeprefix("-")
    return f"{printed_signs(text)}{_UNITS.get(unit, f' {unit}')}"


def printed_signs(text: str) -> str:
    """Return comparisons and signs as they are printed."""
    for plain, printed in (("<=", "≤"), (">=", "≥"), ("-", MINUS)):
        text = text.replace(plain, printed)
    return text


def unknown_in_words(name: str, lead: str | None = None) -> str:
    """Return that there is no such measurement, for a reason.

    Examples
    --------
    >>> unknown_in_words("r_mv", "V1")
    'R amplitude in V1 could not be measured'
    """
    place = f" in {lead}" if lead else ""
    return f"{measurement_in_words(name)}{place} could not be measured"
