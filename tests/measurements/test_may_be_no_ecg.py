"""What passes the gate and may be no ECG: it is measured, and nothing is named by it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.experiments import made_ecgs
from benchmarks.experiments.hostile_signals import as_leads
from tests.bundles import make_bundle

import ecgfoundry
from ecgfoundry.cli.main import main
from ecgfoundry.criteria import state
from ecgfoundry.criteria.serial import compare_measurements
from ecgfoundry.criteria.stating import verdicts
from ecgfoundry.inference.interpretation import find_episodes
from ecgfoundry.inference.live.frames import LiveFrame
from ecgfoundry.inference.live.stream import LiveStream
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.several_leads import combined_window
from ecgfoundry.inference.windows import PreparedWindow
from ecgfoundry.labs.estimates import LaboratoryAnswer, estimate_laboratory
from ecgfoundry.leads import LIMB_COEFFICIENTS, STANDARD_12_LEADS
from ecgfoundry.measurements.gate import judge_window, mostly_doubted
from ecgfoundry.measurements.lead_relations import doubt_of_leads
from ecgfoundry.measurements.median_beat import MedianBeat
from ecgfoundry.measurements.recognition import figures_row, recognise, recognition_trees
from ecgfoundry.measurements.results import Measurements
from ecgfoundry.measurements.stretches import doubt_between_leads
from ecgfoundry.recording import Recording
from ecgfoundry.reports import ReportItem, html_report
from ecgfoundry.reports.prose import prose
from ecgfoundry.signals.quality import Notice, WindowQuality

CODE = "may-be-no-ecg"
DOUBT = Notice(CODE, "I: this may be no ECG", ("I",))
NOISE = Notice("noise", "I: much power above 40 Hz", ("I",))


def recording_of(x: np.ndarray, rate: float = 250.0) -> Recording:
    leads = STANDARD_12_LEADS if len(x) == 12 else ("I",)
    return Recording.from_array(x, sampling_rate=rate, leads=leads, unit="mV")


def slope_of_a_pressure(seconds: int = 10) -> np.ndarray:
    """Made steep and regular as QRS complexes; the trees' log-odds of it are -0.4, far from both
    limits (-1.4 and 0.75)."""
    made = as_leads("slope of a pressure", np.random.default_rng([1, 7]), 2500, 250.0, 1, False)
    return np.tile(made, (1, seconds // 10))


def sample() -> Recording:
    return ecgfoundry.read(ecgfoundry.sample_path("12-lead"))


@pytest.fixture(scope="module")
def doubted() -> Measurements:
    return ecgfoundry.measure(recording_of(slope_of_a_pressure()))


def test_it_is_measured_and_nothing_is_stated(doubted: Measurements) -> None:
    assert doubted.readable and doubted.doubt is not None
    assert doubted.heart_rate_bpm == pytest.approx(79, abs=1)
    stated = state(doubted)
    assert stated and all(one.present is None for one in stated)
    assert all("this may be no ECG" in (one.reason or "") for one in stated)
    assert all(verdict.firm is None for verdict in verdicts(doubted).values())
    assert "Nothing is stated: I: this may be no ECG" in prose(doubted, stated)


def test_the_doubt_is_kept_as_json(doubted: Measurements) -> None:
    again = Measurements.from_dict(json.loads(json.dumps(doubted.to_dict())))
    assert again.doubt == doubted.doubt
    assert not any(one.present for one in state(again))


def test_no_change_is_stated_beside_it(doubted: Measurements) -> None:
    other = ecgfoundry.measure(sample().select(["I"]))
    assert other.doubt is None
    for pair in ((doubted, other), (other, doubted)):
        compared = compare_measurements(*pair)
        assert not any(one.present for one in compared.statements)
        assert (compared.appeared, compared.disappeared) == ((), ())


def test_a_network_decides_nothing(doubted: Measurements) -> None:
    model = load_model("rhythm-single-lead", threads=1)
    answer = model.interpret(recording_of(slope_of_a_pressure()))
    assert answer.refused is None and answer.present == ()
    assert [finding.reason for finding in answer.findings] == ["this may be no ECG"] * 4
    assert all(finding.outcomes is None for finding in answer.findings)
    assert CODE in {notice.code for notice in answer.warnings}
    whole = ecgfoundry.interpret(recording_of(slope_of_a_pressure()))
    assert not any(one.present for one in whole.statements) and whole.present == ()
    assert whole.verdict == "usable"


def test_of_a_long_recording_most_must_be_in_doubt() -> None:
    assert mostly_doubted([[DOUBT], [NOISE]]) is None
    assert mostly_doubted([[DOUBT], [NOISE], [NOISE, DOUBT]]) == DOUBT
    assert mostly_doubted([[DOUBT, DOUBT], [NOISE], []]) is None
    assert mostly_doubted([]) is None
    long = ecgfoundry.measure(recording_of(slope_of_a_pressure(180)))
    assert long.doubt is not None and not any(one.present for one in state(long))


def test_a_long_recording_in_doubt_has_no_episodes_and_no_burden() -> None:
    answer = ecgfoundry.interpret(recording_of(slope_of_a_pressure(120)))
    assert answer.episodes == () and answer.present == ()
    assert answer.burden is not None and set(answer.burden.values()) == {None}
    assert {finding.burden for finding in answer.findings} == {None}
    assert [window.present for window in answer.windows] == [None] * 4
    assert all(window.probabilities is not None for window in answer.windows)
    report = html_report([ReportItem(recording_of(slope_of_a_pressure(120)), answer)])
    assert "No episode is told." in report
    assert report.count("this may be no ECG") == 1, "a doubt is told once"
    assert "No episode was found" not in report
    assert find_episodes(answer.windows, ["normal"]) == ((), {"normal": None}, 120.0)


def test_a_holter_report_says_its_doubt_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It counted the beats of what may be no ECG without a word."""
    for name, made, doubt in (
        ("doubted", recording_of(slope_of_a_pressure(120)), True),
        ("ecg", ecgfoundry.read("sample:single-lead"), False),
    ):
        made.write(tmp_path / f"{name}.npz")
        with pytest.raises(SystemExit, match="^0$"):
            main(["holter", str(tmp_path / f"{name}.npz"), "-o", str(tmp_path / name), "--no-pdf"])
        told = " ".join(capsys.readouterr().out.split())
        document = json.loads((tmp_path / name / "holter.json").read_text())
        page = (tmp_path / name / "report.html").read_text()
        assert (document["doubt"] is not None) == doubt
        words = "Nothing counted here is sure: I: this may be no ECG"
        assert (told.count(words), page.count(words)) == (doubt, doubt)
        assert "Nothing is stated" not in told + page  # counts and burdens are


def test_a_live_stream_decides_nothing_while_it_is_in_doubt() -> None:
    """First the sample, then what may be no ECG: from the window on that is asked and doubted."""
    predictor = load_model("rhythm-single-lead-edge", threads=1)
    ecg = sample().select(["I"]).resample(250).signal
    doubted = slope_of_a_pressure(60).astype(np.float32)
    stream = LiveStream(predictor, ["I"], 250.0)
    answers = stream.run(LiveFrame(np.concatenate([ecg, doubted], axis=1), 0))
    first, last = answers[5], answers[-1]
    assert first.window.present and first.steady.present
    assert CODE not in {notice.code for notice in first.warnings}
    assert CODE in {notice.code for notice in last.warnings}
    assert last.window.present is None and last.steady.present is None
    assert last.window.probabilities is not None
    (named,) = [one for one in answers if one.changed and one.steady.present is None]
    assert named.changed == first.steady.present


def test_a_lead_that_is_surely_an_ecg_speaks_for_the_others() -> None:
    def window(*warnings: Notice) -> PreparedWindow:
        return PreparedWindow(0, 2500, WindowQuality({}, warnings, None), None, None)

    both = combined_window({"I": window(DOUBT), "II": window(DOUBT)})
    assert [notice.code for notice in both.quality.warnings] == [CODE]
    one = combined_window({"I": window(DOUBT, NOISE), "II": window()})
    assert [notice.code for notice in one.quality.warnings] == ["noise"]


def test_ecgs_are_not_in_doubt() -> None:
    for name in ("12-lead", "single-lead"):
        measured = ecgfoundry.measure(ecgfoundry.sample_path(name))
        assert measured.doubt is None, name
        assert any(one.present for one in state(measured)), name


@pytest.mark.parametrize("width_s", [0.008, 0.012, 0.02, 0.025])
def test_one_gaussian_a_beat_is_not_in_doubt(width_s: float) -> None:
    time = np.arange(2500) / 250
    x = np.exp(-0.5 * ((time % 1.0 - 0.5) / width_s) ** 2)
    found = recognise(x[None] + np.random.default_rng(5).normal(0, 0.01, (1, 2500)), 250.0)
    assert found.reason is None and not found.doubtful


def test_runs_of_the_ventricles_are_not_in_doubt_for_their_shape() -> None:
    """Beats of several shapes: the trees are less sure of them, and a tachycardia must be named."""
    unsure = 0
    for seed in range(60):
        x, rate = made_ecgs.ventricular(np.random.default_rng([seed, 53]))
        found = recognise(x, rate)
        if found.reason is None and found.figures.get("members", 1.0) < 0.7:
            assert not found.doubtful, seed
            (odds,) = recognition_trees().logits(figures_row(found.figures))
            unsure += odds < 0.75
    assert unsure >= 1


# --- twelve leads together ------------------------------------------------------------------------

GAINS = np.array([0.6, 1.0, 1.2, 0.5, -0.7, -0.9, -0.5, 0.4, 0.9, 1.4, 1.1, 0.8])
"""With them III is no II - I, and none of aVR, aVL and aVF what I and II make of it."""


def test_copies_of_one_signal_are_no_twelve_leads() -> None:
    one = sample().signal[1]
    copies = ecgfoundry.measure(recording_of(np.outer(GAINS, one), sample().sampling_rate))
    assert copies.doubt is not None and "copies of one signal" in copies.doubt.message
    assert not any(one.present for one in state(copies))
    # With limb leads that add up they may be of one shape: drawn ECGs are.
    added = GAINS.copy()
    added[2:6] = [a * GAINS[0] + b * GAINS[1] for a, b in list(LIMB_COEFFICIENTS.values())[2:]]
    drawn = ecgfoundry.measure(recording_of(np.outer(added, one), sample().sampling_rate))
    assert drawn.doubt is None
    # The network sees each lead by itself; what the leads show together holds for it.
    answer = ecgfoundry.interpret(recording_of(np.outer(GAINS, one), sample().sampling_rate))
    assert answer.present == () and CODE in {notice.code for notice in answer.warnings}


def test_a_live_stream_asks_what_the_leads_show_together() -> None:
    """Copies of one lead, whose every lead is an ECG: in doubt as a file of them is."""
    predictor = load_model("ptbxl-superclass-12lead", threads=1)
    copies = np.tile(np.outer(GAINS, sample().signal[1]), (1, 2)).astype(np.float32)
    real = np.tile(sample().signal, (1, 2))
    for signal, doubted in ((copies, True), (real, False)):
        stream = LiveStream(predictor, STANDARD_12_LEADS, sample().sampling_rate)
        answers = stream.run(LiveFrame(signal, 0))
        asked = [one for one in answers if one.window.probabilities is not None]
        assert len(asked) > 5
        assert {CODE in {notice.code for notice in one.warnings} for one in asked} == {doubted}
        assert {one.window.present is None for one in asked} == {doubted}
        assert {one.steady.present is None for one in asked} == {doubted}


def test_a_window_alone_is_asked_with_its_derived_leads_as_a_file_is() -> None:
    """I, III and V1 to V4 are six independent leads with the II that I and III make."""
    recording = sample().select(("I", "III", "V1", "V2", "V3", "V4"))
    noise = np.random.default_rng(4).normal(0.0, 0.15, (4, recording.samples))
    signal = recording.signal.copy()
    signal[[0, 2, 3, 4]] = noise
    noisy = replace(recording, signal=signal)
    doubt = ecgfoundry.measure(noisy).doubt
    assert doubt is not None and "do not show the beats" in doubt.message
    assert doubt_between_leads(noisy) == doubt
    assert doubt_between_leads(recording) is None


@pytest.mark.parametrize("derived", [False, True], ids=["recorded", "derived"])
@pytest.mark.parametrize("kind", ["slope of a PPG", "slope of a catheter's pressure"])
def test_channels_each_with_its_own_rhythm_get_no_statement(kind: str, derived: bool) -> None:
    """As they are, and with III to aVF as devices derive them from I and II."""
    for seed in range(3):
        x = as_leads(kind, np.random.default_rng([seed, 7]), 5000, 500.0, 12, False)
        if derived:
            x[2:6] = [a * x[0] + b * x[1] for a, b in list(LIMB_COEFFICIENTS.values())[2:]]
        measured = ecgfoundry.measure(recording_of(x, 500.0))
        assert measured.doubt is not None or not measured.readable
        assert not any(one.present for one in state(measured))


def median_of(leads: tuple[str, ...]) -> MedianBeat:
    """Complexes of their own shape in every lead."""
    time = np.arange(-100, 100) / 250
    beats = [np.exp(-0.5 * ((time - 0.01 * k) / 0.012) ** 2) for k in range(len(leads))]
    one = np.ones(1)
    return MedianBeat(leads, np.stack(beats), 250.0, 100, {}, one, np.zeros(len(leads)), 10)


@pytest.mark.parametrize(
    ("without", "snr", "disagreeing", "doubted"),
    [
        pytest.param(("V1", "V2", "V3", "V4"), -5.0, (), False, id="chest electrodes off"),
        pytest.param(("II", "V2", "V3", "V4"), -5.0, (), True, id="II has other beats"),
        pytest.param(("II", "V2", "V3", "V4"), 1.0, (), False, id="noise as large as the beats"),
        pytest.param(("II", "V3", "V4"), -5.0, (), False, id="most leads show them"),
        pytest.param(("V1", "V2", "V3", "V4"), 1.0, ("III", "aVR", "aVF"), True, id="apart"),
    ],
)
def test_leads_that_do_not_show_the_beats(
    without: tuple[str, ...], snr: float, disagreeing: tuple[str, ...], doubted: bool
) -> None:
    leads = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    snr_db = {lead: snr if lead in without else 20.0 for lead in leads}
    found = doubt_of_leads(median_of(leads), snr_db, disagreeing)
    assert (found is not None) == doubted
    assert found is None or found.leads == without


def test_chest_leads_of_noise_leave_the_limb_leads_their_statements() -> None:
    x = np.array(sample().signal)
    x[6:] = 0.3 * np.random.default_rng(0).normal(size=(6, x.shape[1]))
    measured = ecgfoundry.measure(recording_of(x, sample().sampling_rate))
    assert measured.doubt is None and any(one.present for one in state(measured))


def test_five_leads_are_too_few_to_be_copies() -> None:
    leads = ("I", "II", "V1", "V2", "V3")
    flat = median_of(leads)
    same = replace(flat, values=np.outer(np.arange(1, 6), flat.values[0]))
    assert doubt_of_leads(same, {}, ()) is None
    assert doubt_of_leads(None, {}, ()) is None


def test_one_lead_asks_nothing_of_others() -> None:
    quality = judge_window(sample().signal[:1], sample().sampling_rate, ["I"])
    assert CODE not in {notice.code for notice in quality.warnings}


def test_no_window_of_it_is_decided_and_no_episode_told() -> None:
    """Findings were not decided, and the windows beside them, the episodes and the burden were."""
    model = load_model("rhythm-single-lead", threads=1)
    short = model.interpret(recording_of(slope_of_a_pressure()))
    assert [window.present for window in short.windows] == [None] * len(short.windows)
    long = model.interpret(recording_of(slope_of_a_pressure(180)))
    assert long.refused is None and CODE in {notice.code for notice in long.warnings}
    assert all(window.present is None for window in long.windows)
    assert long.episodes == ()
    assert long.burden and set(long.burden.values()) == {None}
    assert all(finding.burden is None for finding in long.findings)


def test_a_live_stream_of_it_decides_nothing() -> None:
    model = load_model("rhythm-single-lead-edge", threads=1)
    stream = LiveStream(model, ["I"], 250.0)
    made = slope_of_a_pressure(20).astype(np.float32)
    frames = [LiveFrame(made[:, k : k + 250]) for k in range(0, made.shape[1], 250)]
    answers = [answer for frame in frames for answer in stream.run(frame)]
    doubted = [a for a in answers if CODE in {notice.code for notice in a.warnings}]
    assert doubted, "the doubt is told"
    assert all(answer.window.present is None for answer in doubted)
    assert answers[-1] in doubted and answers[-1].steady.present is None


def potassium_model(folder: Path) -> Predictor:
    target = {"name": "potassium high", "kind": "laboratory indicator", "unit": "mmol/L"}
    return load_model(
        make_bundle(folder / "labs", np.array([[1.0], [0.5], [-0.25]]), targets=(target,))
    )


def test_no_laboratory_value_is_estimated_from_it(tmp_path: Path) -> None:
    model = potassium_model(tmp_path)

    def estimated(recording: Recording) -> LaboratoryAnswer:
        return estimate_laboratory(model, recording, recording)

    real = estimated(sample().select(["I"]))
    assert real.refused is None and len(real.estimates) == 1
    for seconds in (10, 180):
        answer = estimated(recording_of(slope_of_a_pressure(seconds)))
        assert answer.refused is not None and answer.refused.code == CODE
        assert answer.estimates == ()


def test_a_few_windows_that_look_like_an_ecg_give_no_laboratory_value(tmp_path: Path) -> None:
    """Two minutes of noise with ten seconds of an ECG: a diagnosis refuses it, too."""
    model = potassium_model(tmp_path)
    noise = np.random.default_rng(3).normal(0.0, 0.3, (1, 120 * 500)).astype(np.float32)
    noise[:, :5000] = sample().select(["I"]).signal
    recording = recording_of(noise, 500.0)
    answer = estimate_laboratory(model, recording, recording)
    assert answer.windows == 1 and answer.estimates == ()
    assert answer.refused is not None and answer.refused.code == "not-an-ecg"
    assert model.interpret(recording).refused == answer.refused
