"""Files that are sent together: which are recordings, and which belong to them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from starlette.testclient import TestClient

from ecgfoundry.samples import sample_path
from ecgfoundry.service.recording_files import recordings_among

HEADERS = {
    "a.hea": "a 1 300 3000\na.dat 16 1000 16 0 0 0 0 I\n",
    "b.hea": "b 2 300 3000\nleads.bin 16 1000 16 0 0 0 0 I\n~ 0 1000 16 0 0 0 0 II\n",
    "m.hea": "m/3 1 300 6000\nm_layout 0\nm_1 3000\n~ 3000\n",
    "m_layout.hea": "m_layout 1 300 0\n~ 0 1000 16 0 0 0 0 I\n",
    "m_1.hea": "m_1 1 300 3000\nm_1.dat 16 1000 16 0 0 0 0 I\n",
}


def put(folder: Path, names: list[str]) -> list[Path]:
    for name in names:
        (folder / name).write_text(HEADERS.get(name, ""))
    return [folder / name for name in names]


@pytest.mark.parametrize(
    ("names", "first", "alone"),
    [
        (["a.dat", "a.hea", "a.atr"], ["a.hea"], []),
        (["b.hea", "leads.bin"], ["b.hea"], []),  # a signal file of another name
        (["m.hea", "m_1.dat", "m_1.hea", "m_layout.hea"], ["m.hea"], []),  # segments
        (["a.hea", "a.dat", "b.hea", "leads.bin"], ["a.hea", "b.hea"], []),
        (["x.npy", "y.npy"], ["x.npy", "y.npy"], []),
        (["x.npy", "x.json"], ["x.npy"], []),  # a description beside its array
        (["x.json"], ["x.json"], []),
        (["x.dat"], ["x.dat"], []),
        (["a.hea", "a.dat", "other.dat"], ["a.hea"], ["other.dat"]),
        (["a.hea", "a.dat", "other.edf"], ["a.hea", "other.edf"], []),
    ],
)
def test_files_are_sorted_by_recording(
    tmp_path: Path, names: list[str], first: list[str], alone: list[str]
) -> None:
    found = recordings_among(put(tmp_path, names))
    assert ([p.name for p in found.first], [p.name for p in found.alone]) == (first, alone)


def two_records(folder: Path) -> list[tuple[str, tuple[str, bytes]]]:
    """The single-lead sample under two names, all four files."""
    header = sample_path("single-lead")
    for path in header.parent.glob(f"{header.stem}.*"):
        for name in ("smith", "jones"):
            target = folder / f"{name}{path.suffix}"
            shutil.copy(path, target)
            if path.suffix == ".hea":
                target.write_text(path.read_text().replace(header.stem, name))
    return [("file", (path.name, path.read_bytes())) for path in sorted(folder.iterdir())]


@pytest.mark.parametrize("address", ["/v1/diagnose", "/v1/read", "/v1/embed", "/v1/recordings"])
def test_two_recordings_in_one_request_are_refused_by_name(
    service: TestClient, tmp_path: Path, address: str
) -> None:
    response = service.post(address, files=two_records(tmp_path))
    problem = response.json()
    assert (response.status_code, problem["code"]) == (400, "several-recordings")
    assert "jones.hea, smith.hea" in problem["detail"]
    assert "/v1/jobs" in problem["remedy"]


def test_a_file_that_belongs_to_no_recording_is_named(service: TestClient, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((1, 3000), np.float32))
    files = [
        ("file", ("x.npy", (tmp_path / "x.npy").read_bytes())),
        ("file", ("other.dat", b"1234")),
    ]
    response = service.post("/v1/read", files=files)
    assert response.status_code == 400
    assert "other.dat" in response.json()["detail"]


def test_a_job_answers_both_recordings_and_names_what_it_left_out(
    service: TestClient, tmp_path: Path
) -> None:
    files = [*two_records(tmp_path), ("file", ("notes.md", b"# ward 3"))]
    job = service.post("/v1/jobs", files=files).json()
    assert (job["recordings"], job["ignored_files"]) == (2, ["notes.md"])
    assert service.delete(f"/v1/jobs/{job['job']}").status_code == 204
    none = service.post("/v1/jobs", files=[("file", (n, b"1")) for n in ("a.dat", "b.dat")])
    assert none.status_code == 400
