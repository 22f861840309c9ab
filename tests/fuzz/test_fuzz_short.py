"""A short seeded part of the harness runs with the tests; ``make fuzz`` is the long one."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ecgfoundry.formats import formats, read
from tests.fuzz.__main__ import FAILURES, Worker, fuzz, table
from tests.fuzz.checks import check_recording
from tests.fuzz.mutations import damaged, kinds_for, xml_attack, zip_attack
from tests.fuzz.seeds import Seed, save

FILES = int(os.environ.get("ECGFOUNDRY_FUZZ_FILES", "126"))


def test_damaged_files_of_every_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pydicom", reason="the extra 'formats' is not installed")
    pytest.importorskip("polars", reason="the extra 'data' is not installed")
    # How long a file takes on a busy machine says nothing; ``make fuzz`` has its own limit.
    monkeypatch.setattr("tests.fuzz.__main__.TIME_LIMIT_S", 300.0)
    results = fuzz(FILES, tmp_path, seed=20241101)
    failed = [result for result in results if result["outcome"] in FAILURES]
    assert failed == [], table(results)
    assert {result["format"] for result in results} == {reader.name for reader in formats()}
    outcomes = Counter(result["outcome"] for result in results)
    # Damage that always passes or always fails would test nothing.
    assert outcomes["read"] > FILES // 10
    assert outcomes["refused"] > FILES // 10


def test_runs_are_taken_up_where_they_stopped(fixtures: Path, tmp_path: Path) -> None:
    first = [{"number": n, "format": "edf", "outcome": "read"} for n in range(5)]
    (tmp_path / "results.jsonl").write_text("".join(f"{one}\n".replace("'", '"') for one in first))
    assert fuzz(5, tmp_path) == first
    assert table(first).splitlines()[-1].startswith("| **all** | 5 | 5 | 0 |")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("os.kill(os.getpid(), 11)", "crash"), ("time.sleep(60)", "hang"), ("pass", "answer")],
)
def test_the_harness_sees_crashes_and_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, outcome: str
) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        "import os, sys, time\n"
        "for line in sys.stdin:\n"
        '    print(\'{"number": 7, "format": "x", "begins": true}\', flush=True)\n'
        f"    {code}\n"
        '    print(\'{"number": 7, "format": "x", "outcome": "answer"}\', flush=True)\n'
    )
    limit_s = 1.0 if outcome == "hang" else 300.0
    monkeypatch.setattr("tests.fuzz.__main__.TIME_LIMIT_S", limit_s)
    worker = Worker(tmp_path, tmp_path, 1)
    worker._command = [worker._command[0], str(script)]
    for _ in range(2):  # a worker that ended is started again
        assert worker.run(7)["outcome"] == outcome
    worker.stop()


def test_the_memory_limit_holds_in_a_worker(tmp_path: Path) -> None:
    seed = Seed("arrays", tmp_path / "x.npy", (), None, {})
    np.save(seed.target, np.zeros((1, 10)))
    save([seed], tmp_path / "seeds.json")
    worker = Worker(tmp_path / "seeds.json", tmp_path / "w", 1)
    limits = "import resource; from tests.fuzz.worker import MEMORY_BYTES as m;"
    limits += "resource.setrlimit(resource.RLIMIT_DATA, (m, m)); import numpy;"
    worker._command = [worker._command[0], "-c", limits + "numpy.ones(200_000_000)"]
    assert worker.run(1)["outcome"] == "crash"
    worker.stop()


def test_mutations_change_files_and_can_be_repeated() -> None:
    content = bytes(range(256)) * 20
    pairs = [[damaged(content, np.random.default_rng([3, n])) for n in range(60)] for _ in range(2)]
    assert pairs[0] == pairs[1]
    assert len({name for name, _ in pairs[0]}) == len(kinds_for(content))
    assert sum(changed != content for _, changed in pairs[0]) > 50


@pytest.mark.parametrize("attack", range(40))
def test_attacks_on_xml_never_show_a_file(fixtures: Path, tmp_path: Path, attack: int) -> None:
    pytest.importorskip("defusedxml", reason="the extra 'formats' is not installed")
    content = (fixtures / "hl7_aecg/minimum_aecg.xml").read_bytes()
    path = tmp_path / "x.xml"
    path.write_bytes(xml_attack(content, np.random.default_rng(attack)))
    try:
        recording = read(path)
    except Exception as error:
        assert "root:" not in str(error)
    else:
        assert "root:" not in str(recording.header) + str(recording.annotations)


@pytest.mark.parametrize("attack", range(24))
def test_attacks_on_archives_write_nothing(fixtures: Path, tmp_path: Path, attack: int) -> None:
    place = tmp_path / "deep" / "deeper"
    place.mkdir(parents=True)
    path = place / "x.zip"
    content = (fixtures / "hl7_aecg/subject1_0.zip").read_bytes()
    path.write_bytes(zip_attack(content, np.random.default_rng(attack)))
    try:
        read(path)
    except Exception as error:
        assert "root:" not in str(error)
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [path]


def test_the_checks_notice_what_they_should() -> None:
    from dataclasses import replace

    from ecgfoundry.recording import Annotation, Channel, Recording

    good = Recording.from_array([[0.0, 1.0]], sampling_rate=100, leads=("I",), unit="mV")
    check_recording(good)
    with pytest.raises(AssertionError, match="at no time"):
        check_recording(replace(good, annotations=(Annotation(float("nan"), "note", "x"),)))
    with pytest.raises(AssertionError, match="no samples"):
        check_recording(good.slice_samples(0, 0))
    pulse = Channel("Pleth", "ppg", "1", 100.0, np.full(2, np.inf, np.float32))
    with pytest.raises(AssertionError, match="an infinite sample in Pleth"):
        check_recording(replace(good, other_channels=(pulse,)))
