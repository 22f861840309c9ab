"""Outputs that learned from lead II read it by any door, of a network for any subset of leads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.bundles import make_bundle
from tests.measurements.test_may_be_no_ecg import slope_of_a_pressure

from ecgfoundry.errors import BundleError
from ecgfoundry.inference.live.frames import LiveFrame
from ecgfoundry.inference.live.stream import LiveStream
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.windows import InputLeads
from ecgfoundry.labs.estimates import estimate_laboratory
from ecgfoundry.labs.live import laboratory_timeline
from ecgfoundry.labs.upright import upright
from ecgfoundry.models.bundle import load_bundle
from ecgfoundry.models.web_export.folder import export_web
from ecgfoundry.recording import Recording

POTASSIUM = {"name": "potassium high", "kind": "laboratory indicator", "unit": "mmol/L"}
PROVENANCE = {"training_data": [], "code": "tests", "created": "2026-01-01"}
LEADS = ("I", "II", "V1")


def model(folder: Path, recipe: str = "labs_mcmed") -> Predictor:
    """Whose answer hangs on lead I and V1 far more than on II, if they are given to it."""
    return load_model(
        make_bundle(
            folder / recipe, np.array([[40.0], [1.0], [-30.0]]), targets=(POTASSIUM,),
            provenance=PROVENANCE | {"recipe": recipe},
        )
    )  # fmt: skip


def recording(*leads: str, seconds: float = 90.0) -> Recording:
    time_s = np.arange(round(250 * seconds)) / 250
    beats = np.exp(-(((time_s % 0.8 - 0.3) / 0.02) ** 2))
    noise = np.random.default_rng(0).normal(0, 0.02, (3, len(time_s)))
    signal = beats * [[1.0], [0.6], [-0.8]] + noise
    rows = [LEADS.index(lead) for lead in leads]
    return Recording.from_array(
        signal[rows].astype(np.float32), sampling_rate=250, leads=leads, unit="mV"
    )


def test_one_recording_by_every_door(tmp_path: Path) -> None:
    own = model(tmp_path)
    three, two = recording(*LEADS), recording("II")
    assert InputLeads.choose(own.bundle.input, LEADS).recorded == ("II",)
    found = estimate_laboratory(own, three, three)
    assert found.leads_used == ("II",)
    assert found.estimates == estimate_laboratory(own, two, two).estimates != ()
    # The trend of a long recording read all leads, beside the estimate of lead II.
    assert laboratory_timeline(own, three) == laboratory_timeline(own, two)
    short, alone = recording(*LEADS, seconds=10), recording("II", seconds=10)
    assert own.interpret(short).findings == own.interpret(alone).findings != ()
    # Of a live stream too.
    assert LiveStream(own, LEADS, 250.0).input_leads.recorded == ("II",)
    named = InputLeads.choose(own.bundle.input, LEADS, lead="V1")
    assert named.recorded == ("V1",)  # the reader's own choice


def test_another_lead_is_read_with_a_warning(tmp_path: Path) -> None:
    own = model(tmp_path)
    codes = {n.code: n.leads for n in own.interpret(recording("V1", seconds=10)).warnings}
    assert codes["lead-not-trained-on"] == ("V1",)
    good = {n.code for n in own.interpret(recording(*LEADS, seconds=10)).warnings}
    assert not good & {"lead-not-trained-on", "leads-absent"}


def test_laboratory_outputs_of_other_training_read_all_their_leads(tmp_path: Path) -> None:
    own, three = model(tmp_path, "finetune"), recording(*LEADS)
    assert estimate_laboratory(own, three, three).leads_used == LEADS
    assert InputLeads.choose(own.bundle.input, LEADS).absent == ()


@pytest.mark.parametrize("foreign_s", [50])
def test_windows_that_may_be_no_ecg_are_no_part_of_a_trend(tmp_path: Path, foreign_s: int) -> None:
    own = model(tmp_path)
    pressure = slope_of_a_pressure(foreign_s)
    whole = np.concatenate([recording("II", seconds=60).signal, pressure], axis=1)
    made = laboratory_timeline(
        own, Recording.from_array(whole, sampling_rate=250, leads=("II",), unit="mV")
    )
    last = made["points"][-1]
    assert (last["time_s"], last["windows"], last["refused_windows"]) == (110.0, 6, 5)


@pytest.mark.parametrize("mode", ["any-single", "any-subset"])
def test_a_record_upside_down_is_read_as_it_was_learned(tmp_path: Path, mode: str) -> None:
    """A corpus turns such records over for training and for the card; in use they were not."""
    leads = ("II",) if mode == "any-single" else LEADS
    weights = np.array([[3.0]]) if mode == "any-single" else np.array([[40.0], [3.0], [-30.0]])
    own = load_model(
        make_bundle(
            tmp_path / mode, weights, targets=(POTASSIUM,), lead_mode=mode, leads=leads,
            provenance=PROVENANCE | {"recipe": "labs_mcmed"},
        )
    )  # fmt: skip
    right = recording("II")
    turned = replace(right, signal=-right.signal)
    shown = [estimate_laboratory(own, one, one) for one in (right, turned)]
    assert [{n.code for n in one.warnings} & {"lead-turned"} for one in shown] == [
        set(), {"lead-turned"},
    ]  # fmt: skip
    assert shown[0].estimates == shown[1].estimates != ()
    source, _ = upright(own.bundle, turned, InputLeads.choose(own.bundle.input, ("II",)))
    np.testing.assert_array_equal(source.part(100, 900).signal, right.signal[:, 100:900])
    assert laboratory_timeline(own, turned) == laboratory_timeline(own, right)
    # Other bundles read what is there.
    other = model(tmp_path, "finetune")
    assert upright(other.bundle, turned, InputLeads.choose(other.bundle.input, ("II",)))[1] == ()
    # Where I and III are there, II is derived, and judged.
    both = Recording.from_array(
        np.concatenate([0.4 * turned.signal, 0.6 * turned.signal]), sampling_rate=250,
        leads=("I", "III"), unit="mV",
    )  # fmt: skip
    chosen = InputLeads.choose(own.bundle.input, ("I", "III"))
    assert chosen.derived == ("II",)
    assert upright(own.bundle, both, chosen)[1][0].leads == ("II",)


def test_a_live_answer_says_what_a_files_does(tmp_path: Path) -> None:
    """Of leads and of simulated patients; only the answer of a file said it."""
    simulated = {"name": "s", "licence": "x", "records": 1, "use": "all", "synthetic": True}
    own = load_model(
        make_bundle(
            tmp_path / "simulated", np.array([[40.0], [1.0], [-30.0]]), targets=(POTASSIUM,),
            provenance=PROVENANCE | {"training_data": [simulated]},
        )
    )  # fmt: skip
    short = recording("I", "II", seconds=10)
    stream = LiveStream(own, short.leads, 250.0)
    answer = stream.run(LiveFrame(short.signal))[-1]
    told = {notice.code: notice for notice in answer.warnings}
    file = {notice.code: notice for notice in own.interpret(short).warnings}
    assert told["leads-absent"] == file["leads-absent"]
    assert told["synthetic-model"] == file["synthetic-model"]


def test_no_page_is_made_of_what_it_would_misread(tmp_path: Path) -> None:
    simulated = {"name": "s", "licence": "x", "records": 1, "use": "all", "synthetic": True}
    made = make_bundle(
        tmp_path / "simulated", np.array([[1.0]]), lead_mode="any-single", leads=("II",),
        provenance=PROVENANCE | {"training_data": [simulated]},
    )  # fmt: skip
    with pytest.raises(BundleError, match="trained on simulated patients"):
        export_web(load_bundle(made), tmp_path / "page", {})
    with pytest.raises(BundleError, match="learned from lead II alone"):
        export_web(model(tmp_path).bundle, tmp_path / "page", {})
    assert not (tmp_path / "page").exists()
