"""A client that a program has made from our description does a day's work with typed answers."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")
pytest.importorskip("openapi_python_client", reason="openapi-python-client is not installed")

from tests.service.waiting import until

from ecgfoundry.samples import sample_path

pytestmark = pytest.mark.slow

_UNKNOWN_TO_IT = """
content_type_overrides:
  application/x-ndjson: text/plain
  multipart/related: application/octet-stream
"""
"""Media types of the standards that the generator does not know."""


@pytest.fixture(scope="module")
def generated(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Name of the package that was made."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "settings.yaml").write_text(_UNKNOWN_TO_IT)
    command = [sys.executable, "-m", "openapi_python_client", "generate"]
    command += ["--url", f"{address}/openapi.json", "--meta", "none", "--fail-on-warning"]
    command += ["--output-path", str(folder / "ecg_client"), "--config", "settings.yaml"]
    # The generator formats what it writes with the ruff of this environment.
    beside = str(Path(sys.executable).parent)
    with_tools = {**os.environ, "PATH": f"{beside}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, check=False, env=with_tools
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield "ecg_client"
    sys.path.remove(str(folder))


def test_a_day_of_work(generated: str, address: str) -> None:
    def of(name: str) -> Any:
        return importlib.import_module(f"{generated}.{name}")

    client = of("client").Client(base_url=address)
    models, types = of("models"), of("types")

    def call(where: str, **fields: Any) -> Any:
        answer = of(f"api.{where}").sync_detailed(client=client, **fields)
        assert answer.status_code < 300, (where, answer.content)
        return answer.parsed

    header = sample_path("single-lead")
    paths = sorted(header.parent.glob(f"{header.stem}.*"))
    files = [types.File(path.open("rb"), path.name) for path in paths]
    body = models.KeepV1RecordingsPostFilesBody(file=files)
    stored = call("stored_recordings.keep_v1_recordings_post", body=body, diagnose=True)
    assert isinstance(stored, models.Stored) and stored.new

    def finished() -> bool:
        state = call("jobs.progress_v1_jobs_job_get", job=stored.job).state
        return bool(state == models.JobState.FINISHED)

    until(finished, "the end of the job")
    job = call("jobs.progress_v1_jobs_job_get", job=stored.job)
    assert isinstance(job, models.Job) and (job.done, job.failed) == (1, 0)
    assert '"atrial fibrillation"' in call("jobs.results_v1_jobs_job_results_get", job=job.job)

    recording = stored.recording
    answer = call(
        "stored_recordings.interpretation_v1_recordings_recording_interpretation_get",
        recording=recording,
    )
    assert [one.name for one in answer.findings if one.present] == ["atrial fibrillation"]
    assert isinstance(answer.findings[0], models.InterpretationFinding)

    said = models.NewReview(
        decision=models.NewReviewDecision.EDITED,
        statements=[models.NewReviewStatementsItem(name="atrial fibrillation", present=False)],
    )
    review = call("reviews.review_v1_recordings_recording_reviews_post",
                  recording=recording, body=said)  # fmt: skip
    assert isinstance(review, models.Review) and review.statements[0].present is False
    listed = call("stored_recordings.listed_v1_recordings_get", review="done")
    (entry,) = [one for one in listed.recordings if one.recording == recording]
    assert isinstance(entry, models.StoredEntry) and entry.review == "edited"

    call("stored_recordings.remove_v1_recordings_recording_delete", recording=recording)
    gone = of("api.stored_recordings.one_v1_recordings_recording_get")
    answer = gone.sync_detailed(client=client, recording=recording)
    assert (answer.status_code, answer.parsed.code) == (404, "recording-not-found")
    assert isinstance(answer.parsed, models.Problem)
