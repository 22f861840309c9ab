"""Drift of embeddings: by hand, and shifted recordings, long and short, and streams."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.hand_waves import build, record, wave

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")
pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")

from starlette.testclient import TestClient
from tests.service.conftest import LocalClient

from ecgfoundry.errors import BundleError
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.inference.live.frames import encode_frame
from ecgfoundry.inference.recalibration import recalibrate
from ecgfoundry.manifest import Manifest, ManifestRow, MappedManifest
from ecgfoundry.models.bundle import load_bundle
from ecgfoundry.models.reference import WINDOW_REFERENCE_FILE, read_reference
from ecgfoundry.service.api import create_app
from ecgfoundry.service.drift import DriftWatch, Reference, Seen, Sight, person_number
from ecgfoundry.service.handlers import Worker
from ecgfoundry.service.live.lanes import LaneStreams, StreamOrder
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.work import Work

HOME, AWAY = (1.4, 1.0, 0.2), (0.2, 1.4, 1.0)


def embedded(person: int, *values: float, model: str = "m", source: str = "recordings") -> Seen:
    sight = Sight("good", (), np.array(values, np.float32))
    return Seen(model, person.to_bytes(2, "big"), sight, source)


def two_points(model: str, source: str) -> Reference | None:
    """Thirty people, half at 0 and half at 2: mean 1, deviation 1."""
    return Reference(np.repeat([[0.0], [2.0]], 15, axis=0)) if model == "m" else None


def test_the_distance_by_hand() -> None:
    """All at 3, in deviations 3 and 1 away: 2 * 2 - 2 * 15 / 29 - 0 = 2.965517."""
    drift = DriftWatch(two_points)
    for person in range(29):
        drift.take(embedded(person, 3.0))
    assert drift.look()["m", "recordings"].to_dict() == {
        "people": 29,
        "distance": None,
        "limit": None,
        "shifted": None,
        "quality": None,
        "prevalence": [],
    }
    drift.take(embedded(29, 3.0))
    seen = drift.look()["m", "recordings"]
    assert seen.people == 30 and seen.shift is not None and seen.shift.shifted
    assert seen.shift.distance == pytest.approx(2.965517, abs=1e-6)
    assert drift.look()["m", "recordings"] is seen  # nothing new: not computed again


def test_each_source_is_compared_for_itself() -> None:
    """Streams at 2, all at one point of the reference: 2 * 1 - 30 / 29 - 0 = 0.965517."""
    asked = []

    def reference(model: str, source: str) -> Reference | None:
        asked.append(source)
        return two_points(model, source)

    drift = DriftWatch(reference)
    for person in range(30):
        drift.take(embedded(person, 3.0))
        drift.take(embedded(person, 2.0, source="streams"))
        drift.take(embedded(person, 2.0 * (person % 2), source="long"))
    seen = drift.look()
    assert asked == ["recordings", "streams", "long"]
    distances = {source: one.shift.distance for (_, source), one in seen.items() if one.shift}
    assert distances == pytest.approx(
        {"recordings": 2.965517, "streams": 0.965517, "long": 2 - 60 / 29}, abs=1e-6
    )


def test_a_model_without_a_reference_says_nothing() -> None:
    drift = DriftWatch(two_points)
    for person in range(40):
        drift.take(embedded(person, 3.0, model="other"))
    assert drift.look() == {}


def test_a_person_counts_once_and_only_the_last_two_hundred_are_kept() -> None:
    drift = DriftWatch(two_points)
    for _ in range(50):
        drift.take(embedded(0, 3.0))
    assert drift.look()["m", "recordings"].people == 1
    for person in range(250):
        drift.take(embedded(person, 3.0 if person < 50 else 2.0 * (person % 2)))
    seen = drift.look()["m", "recordings"]
    assert seen.people == 200  # those at 3 have gone
    # Half at 0 and half at 2 on both sides: 2 * 1 - 30 / 29 - 200 / 199 = -0.039508.
    assert seen.shift is not None and not seen.shift.shifted
    assert seen.shift.distance == pytest.approx(-0.039508, abs=1e-6)


def test_the_number_of_a_person() -> None:
    """Of the identifier where there is one, else of the samples; another at each start."""
    one, other = np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32)
    salt = bytes(32)
    named = person_number(salt, "123", one)
    assert person_number(salt, "123", other) == named and len(named) == 16
    assert person_number(bytes(31) + b"x", "123", one) != named
    assert person_number(salt, None, one) != person_number(salt, None, other)


def people(folder: Path, centre: tuple[float, ...], count: int, name: str, seed: int) -> list[str]:
    """Recordings with complexes of amplitudes near the centre, all of the same energy."""
    generator, files = np.random.default_rng(seed), []
    for number in range(count):
        amplitudes = np.abs(np.array(centre) + generator.normal(0, 0.15, 3))
        amplitudes *= np.sqrt(3 / (amplitudes**2).sum())
        a, b, c = amplitudes
        write_wfdb(record(wave((a, b, c))), folder, f"{name}{number}")
        files.append(f"{name}{number}")
    return files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("people")


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that was calibrated on forty people, with their embeddings."""
    files = people(folder, HOME, 40, "home", 0)
    rows = tuple(
        ManifestRow(file, f"{file}.hea", targets={"A": float(k % 2)})
        for k, file in enumerate(files)
    )
    manifest = Manifest(rows, folder)
    output = tmp_path_factory.mktemp("bundles") / "of-this-site"
    hand = build(tmp_path_factory.mktemp("hand"))
    data = MappedManifest(manifest, manifest.target_names)
    recalibrate(hand, data, output, drift_reference=True)
    return output


def send(client: TestClient, folder: Path, file: str) -> dict[str, Any]:
    files = [
        ("file", (f"{file}{end}", (folder / f"{file}{end}").read_bytes()))
        for end in (".hea", ".dat")
    ]
    answer = client.post("/v1/diagnose?model=of-this-site", files=files)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def drift_of(client: TestClient) -> dict[str, Any] | None:
    listed = {one["name"]: one for one in client.get("/v1/models").json()["models"]}
    assert listed["rhythm-single-lead"]["drift"] is None
    found: dict[str, Any] | None = listed["of-this-site"]["drift"]
    if found is None:
        return None
    assert set(found) == {"recordings"}
    one: dict[str, Any] = found["recordings"]
    return one


def test_a_worker_hands_on_what_it_has_seen(folder: Path, model: Path) -> None:
    """Features are the amplitudes of leads I, II and V1 times one number: 1.4, 1.0 and 0.2."""
    write_wfdb(record(wave(HOME)), folder, "known")
    work = Work("diagnose", str(folder / "known.hea"), "known", model="of-this-site")
    seen = Worker(models=(str(model),), salt=b"1").run([work])[0].seen
    assert seen is not None and seen.model == "of-this-site" and seen.sight.verdict == "good"
    found = seen.sight.embedding
    assert found is not None
    assert found / found[0] == pytest.approx([1.0, 0.714286, 0.142857], abs=1e-3)
    assert Worker(models=(str(model),)).run([work])[0].seen is None  # nobody asks
    without = Worker(salt=b"1").run([replace(work, model="ptbxl-superclass-12lead")])[0]
    assert without.problem is None and without.seen is None


def test_a_long_recording_gives_one_window_of_its_middle(folder: Path, model: Path) -> None:
    """Two minutes of one form about ten seconds of another: only those are compared."""
    long = wave(*[HOME] * 6, AWAY, *[HOME] * 6)
    write_wfdb(record(long), folder, "long")
    work = Work("diagnose", str(folder / "long.hea"), "long", model="of-this-site")
    seen = Worker(models=(str(model),), salt=b"1").run([work])[0].seen
    assert seen is not None and (seen.model, seen.source) == ("of-this-site", "long")
    # I, II and V1 as 0.2, 1.4 and 1.0.
    found = seen.sight.embedding
    assert found is not None and found / found[0] == pytest.approx([1.0, 7.0, 5.0], rel=1e-2)
    assert Worker(models=(str(model),)).run([work])[0].seen is None  # nobody asks
    # Nobody is named: the first minute says who it is.
    other = long.copy()
    other[:, -5000:] *= 1.5
    write_wfdb(record(other), folder, "other-end")
    again = replace(work, path=str(folder / "other-end.hea"))
    later = Worker(models=(str(model),), salt=b"1").run([again])[0].seen
    assert later is not None and later.person == seen.person


def test_a_live_stream_gives_a_window_every_ten_minutes(model: Path) -> None:
    lane = LaneStreams()
    lane.open(StreamOrder("a", model, ("I", "II", "V1"), 500.0, 0.001))
    beats = encode_frame(np.round(wave(AWAY, seconds=5.0) * 1000).astype(np.int16), start=0)
    assert lane.answer([("a", beats)]).seen == []  # no whole window yet
    given = []
    for k in range(1, 122):
        frame = encode_frame(
            np.round(wave(AWAY, seconds=5.0) * 1000).astype(np.int16), start=2500 * k
        )
        given += [(5 * (k + 1), *one) for one in lane.answer([("a", frame)]).seen]
    assert [(seconds, stream) for seconds, stream, _ in given] == [(10, "a"), (610, "a")]
    for _, _, sight in given:
        embedding = sight.embedding
        assert embedding is not None and embedding / embedding[0] == pytest.approx(
            [1.0, 7.0, 5.0], rel=1e-2
        )


@pytest.mark.slow
def test_a_shifted_stream_through_a_service(folder: Path, model: Path) -> None:
    alike = people(folder, HOME, 30, "alike", 1)
    others = people(folder, AWAY, 20, "others", 2)
    settings = ServiceSettings(workers=1, models=(str(model),), requests_per_minute=1_000_000)
    with LocalClient(create_app(settings)) as client:
        assert drift_of(client) is None
        for file in alike:
            send(client, folder, file)
        send(client, folder, alike[0])  # the same once more is nobody new
        before = drift_of(client)
        assert before is not None and before["people"] == 30
        assert before["shifted"] is False and before["distance"] < before["limit"]
        for file in others:
            send(client, folder, file)
        after = drift_of(client)
        assert after is not None and after["people"] == 50 and after["shifted"] is True
        figures = client.get("/metrics").text
    labels = '{model="of-this-site",source="recordings"}'
    assert f"ecgfoundry_drift_people{labels} 50.0" in figures
    assert f"ecgfoundry_drift_distance{labels} {after['distance']}" in figures
    assert f"ecgfoundry_drift_limit{labels} {after['limit']}" in figures


def test_what_the_bundle_carries(folder: Path, model: Path, tmp_path: Path) -> None:
    reference = read_reference(load_bundle(model))
    assert reference is not None and reference.shape == (40, 3)
    # Each recording is one window of ten seconds.
    windows = read_reference(load_bundle(model), WINDOW_REFERENCE_FILE)
    assert windows is not None
    np.testing.assert_allclose(windows, reference, rtol=1e-5)
    # The features are the amplitudes, times a number: those of forty people are about HOME.
    assert reference.mean(axis=0) / reference.mean() == pytest.approx(
        np.array(HOME) / np.mean(HOME), abs=0.1
    )
    rows = tuple(
        ManifestRow(f"{k}", f"home{k}.hea", targets={"A": float(k % 2)}) for k in range(29)
    )
    few = MappedManifest(Manifest(rows, folder), ("A",))
    again = build(tmp_path)
    with pytest.raises(BundleError, match="needs 30 people, there are 29"):
        recalibrate(again, few, tmp_path / "new", drift_reference=True)
    recalibrate(again, few, tmp_path / "new")
    assert read_reference(load_bundle(tmp_path / "new")) is None
