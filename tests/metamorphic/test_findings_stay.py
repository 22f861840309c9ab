"""What must not change an answer: unit, offset, leads' order, container, reading in parts, rate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ecgfoundry
from ecgfoundry.criteria import state
from ecgfoundry.criteria.variability import REPEAT
from ecgfoundry.inference.files import interpret_file
from ecgfoundry.inference.interpretation import Interpretation
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.measurements.beats import find_beats
from ecgfoundry.measurements.measuring import measure
from ecgfoundry.recording import Recording
from ecgfoundry.signals.resampling import resample_polyphase

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
MODELS = ("rhythm-single-lead", "ptbxl-superclass-12lead")


@pytest.fixture(scope="module", params=MODELS)
def model(request: pytest.FixtureRequest) -> Predictor:
    return load_model(request.param, threads=1)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return ecgfoundry.read(FIXTURES / "cinc2021" / "JS20000.hea")


def findings(answer: Interpretation) -> dict[str, float | None]:
    assert answer.refused is None, answer.refused
    return {finding.name: finding.probability for finding in answer.findings}


def same(given: Interpretation, wanted: Interpretation, within: float) -> None:
    assert findings(given) == pytest.approx(findings(wanted), abs=within)
    assert given.present == wanted.present


def test_microvolts_are_millivolts(model: Predictor, recording: Recording) -> None:
    in_uv = Recording.from_array(
        1000.0 * recording.signal,
        sampling_rate=recording.sampling_rate,
        leads=recording.leads,
        unit="uV",
    )
    same(model.interpret(in_uv), model.interpret(recording), 1e-4)


@pytest.mark.parametrize("offset_mv", [0.3, -4.0])
def test_an_offset_says_nothing(model: Predictor, recording: Recording, offset_mv: float) -> None:
    moved = replace(recording, signal=recording.signal + np.float32(offset_mv))
    same(model.interpret(moved), model.interpret(recording), 1e-3)


def test_leads_go_by_their_names(model: Predictor, recording: Recording) -> None:
    turned = recording.select(recording.leads[::-1])
    same(model.interpret(turned), model.interpret(recording), 1e-5)


@pytest.mark.parametrize("name", ["x.hea", "x.edf", "x.dcm", "x.npz", "x.parquet"])
def test_the_container_says_nothing(
    model: Predictor, recording: Recording, tmp_path: Path, name: str
) -> None:
    ecgfoundry.write(recording, tmp_path / name)
    # The coarsest of them holds steps of 1 uV or so.
    same(model.interpret(ecgfoundry.read(tmp_path / name)), model.interpret(recording), 5e-3)


def test_a_table_of_numbers_is_a_container_as_well(
    model: Predictor, recording: Recording, tmp_path: Path
) -> None:
    head = "time_s," + ",".join(f"{lead} (mV)" for lead in recording.leads)
    time = np.arange(recording.samples) / recording.sampling_rate
    table = np.column_stack([time, recording.signal.T])
    np.savetxt(tmp_path / "x.csv", table, fmt="%.6f", delimiter=",", header=head, comments="")
    same(model.interpret(ecgfoundry.read(tmp_path / "x.csv")), model.interpret(recording), 1e-3)


def test_a_file_read_in_parts_gives_the_answer_of_the_whole(
    model: Predictor, recording: Recording, tmp_path: Path
) -> None:
    long = replace(recording, signal=np.tile(recording.signal, (1, 3)), annotations=())
    ecgfoundry.write(long, tmp_path / "x.hea")
    whole = model.interpret(ecgfoundry.read(tmp_path / "x.hea"))
    parts = interpret_file(model, tmp_path / "x.hea")
    same(parts, whole, 1e-5)
    for one, other in zip(parts.windows, whole.windows, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


@pytest.mark.parametrize("rate", [250.0, 1000.0])
def test_the_sampling_rate_says_little(model: Predictor, recording: Recording, rate: float) -> None:
    x = resample_polyphase(recording.signal.astype(np.float64), recording.sampling_rate, rate)
    other = replace(recording, signal=x.astype(np.float32), sampling_rate=rate, annotations=())
    same(model.interpret(other), model.interpret(recording), 0.05)


AS_FINE_AS_A_STEP = {("E07500", "SEPTAL INFARCT")}
"""V2 has no R wave at 500 Hz and one of a few microvolts at the others: Q or S, nobody can tell."""


@pytest.mark.parametrize("rate", [250.0, 1000.0])
@pytest.mark.parametrize("name", ["JS20000", "E07500", "HR06005"])
def test_a_certain_statement_stands_at_any_rate(name: str, rate: float) -> None:
    """Values stay within their repeat variability, and only what is possible comes and goes."""
    recorded = ecgfoundry.read(FIXTURES / "cinc2021" / f"{name}.hea")
    one, other = measure(recorded), measure(recorded.resample(rate))
    for key, repeat in REPEAT.items():
        if key in one.values and one.values[key].value is not None:
            wanted = one.values[key].value
            assert other.values[key].value == pytest.approx(wanted, abs=repeat.around(wanted)), key
    given, again = ({s.name: s for s in state(measured)} for measured in (one, other))
    assert given.keys() == again.keys()
    present = [key for key, found in given.items() if found.present]
    assert len(present) >= 3
    changed = [key for key, found in given.items() if found.present is not again[key].present]
    for key in changed:
        told = [found for found in (given[key], again[key]) if found.present]
        if (name, key) not in AS_FINE_AS_A_STEP:
            assert all(found.possible for found in told), (key, told)


@pytest.mark.parametrize("rate", [200.0, 250.0, 360.0, 1000.0])
def test_beats_are_where_they_are_at_any_rate(recording: Recording, rate: float) -> None:
    x = resample_polyphase(recording.signal.astype(np.float64), recording.sampling_rate, rate)
    wanted = find_beats(recording.signal, recording.sampling_rate) / recording.sampling_rate
    found = find_beats(x, rate) / rate
    assert found.size == wanted.size
    assert np.abs(found - wanted).max() < 0.012


def test_beats_are_in_the_file_and_not_in_the_order_of_its_leads(recording: Recording) -> None:
    wanted = find_beats(recording.signal, 500.0).tolist()
    assert find_beats(recording.signal[::-1], 500.0).tolist() == wanted
    assert find_beats(-1000.0 * recording.signal + 7.0, 500.0).tolist() == wanted
