"""The HTTP interface with real workers: answers, formats, errors, limits, keeping, jobs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.service.waiting import finished

import ecgfoundry
from ecgfoundry.samples import sample_path
from ecgfoundry.schemas import schema_problems
from ecgfoundry.service.api import create_app
from ecgfoundry.service.responses import HEADERS
from ecgfoundry.service.settings import ServiceSettings


def sample_files(name: str) -> list[tuple[str, tuple[str, bytes]]]:
    header = sample_path(name)
    return [
        ("file", (path.name, path.read_bytes()))
        for path in sorted(header.parent.glob(f"{header.stem}.*"))
    ]


@pytest.mark.parametrize(
    ("name", "model"),
    [("single-lead", "rhythm-single-lead"), ("12-lead", "ptbxl-superclass-12lead")],
)
def test_the_answer_is_that_of_the_library(service: TestClient, name: str, model: str) -> None:
    response = service.post("/v1/diagnose", files=sample_files(name))
    assert response.status_code == 200, response.text
    answer = response.json()
    assert schema_problems("interpretation", answer) == []
    wanted = ecgfoundry.load_model(model, threads=1).interpret(
        ecgfoundry.read(sample_path(name)), file=sample_path(name).name
    )
    document = wanted.to_dict()
    for given, own in zip(answer["findings"], document["findings"], strict=True):
        assert given["probability"] == pytest.approx(own["probability"], abs=2e-5)
    for key in ("file", "model", "leads_used", "quality", "refused", "preprocessing"):
        assert answer[key] == document[key]


def test_samples_as_json_with_missing_ones(service: TestClient) -> None:
    recording = ecgfoundry.read(sample_path("single-lead"))
    signal: list[list[float | None]] = [[float(v) for v in recording.signal[0]]]
    signal[0][100] = None
    body = {"signal": signal, "sampling_rate": 300, "leads": ["I"], "unit": "mV"}
    answer = service.post("/v1/diagnose", json=body).json()
    assert answer["model"] == "rhythm-single-lead"
    present = [finding["name"] for finding in answer["findings"] if finding["present"]]
    assert present == ["atrial fibrillation"]


def test_a_raw_body_and_what_the_caller_states(service: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, ecgfoundry.read(sample_path("single-lead")).signal * 1000)
    stated = {"filename": "x.npy", "leads": "I", "unit": "uV", "sampling_rate": 300}
    response = service.post("/v1/diagnose", params=stated, content=path.read_bytes())
    assert response.status_code == 200, response.text
    del stated["unit"]
    response = service.post("/v1/diagnose", params=stated, content=path.read_bytes())
    assert response.status_code == 422
    problem = response.json()
    assert problem["code"] == "unit"
    assert "unit" in problem["remedy"]
    assert str(tmp_path) not in response.text
    assert "/tmp" not in response.text


@pytest.mark.parametrize(
    ("format", "kind", "start"),
    [
        ("fhir", "application/fhir+json", b'{"resourceType":"Bundle"'),
        ("html", "text/html; charset=utf-8", b"<!DOCTYPE html>"),
        ("pdf", "application/pdf", b"%PDF-"),
    ],
)
def test_other_forms_of_the_answer(
    service: TestClient, format: str, kind: str, start: bytes
) -> None:
    response = service.post(
        "/v1/diagnose", params={"format": format}, files=sample_files("single-lead")
    )
    if format == "pdf" and response.status_code == 501:
        pytest.skip("the libraries that PDF reports need are not on this machine")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == kind
    assert response.content.startswith(start)


@pytest.mark.parametrize(
    ("request_fields", "status", "code"),
    [
        ({"content": b"no ECG at all \x00\x01"}, 415, "unknown-format"),
        ({"content": b""}, 400, "request"),
        ({"files": [("other", ("a.txt", b"1"))]}, 400, "request"),
        ({"files": [("file", ("a", b"1")), ("file", ("a", b"2"))]}, 400, "request"),
        ({"json": {"signal": [[1, 2]], "sampling_rate": 500, "leads": ["I"]}}, 400, "request"),
        ({"json": [1, 2, 3]}, 400, "request"),
        ({"content": b"x" * 1_100_000}, 413, "limit"),
        ({"content": b"x", "params": {"model": "../../etc"}}, 415, "unknown-format"),
        ({"content": b"x", "params": {"format": "exe"}}, 400, "request"),
        ({"content": b"x", "params": {"sampling_rate": "nan"}}, 400, "request"),
        (
            {
                "json": {"signal": [[0.1]], "sampling_rate": 500, "leads": ["I"], "unit": "mV"},
                "params": {"sampling_rate": 5e-324},
            },
            422,
            "sampling-rate",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_form(
    service: TestClient, request_fields: dict[str, Any], status: int, code: str
) -> None:
    response = service.post("/v1/diagnose", **request_fields)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert set(response.json()) >= {"type", "title", "status", "detail", "code"}


def test_an_unknown_model_is_no_path(service: TestClient) -> None:
    for name in ("/etc/passwd", "../shipped", "nothing"):
        response = service.post(
            "/v1/diagnose", params={"model": name}, files=sample_files("single-lead")
        )
        assert response.status_code == 404, name
        assert service.get("/v1/models/nothing").status_code == 404


def test_a_flat_recording_is_refused_and_no_error(service: TestClient) -> None:
    body = {"signal": [[0.0] * 5000], "sampling_rate": 500, "leads": ["I"], "unit": "mV"}
    response = service.post("/v1/diagnose", json=body)
    assert response.status_code == 200
    assert response.json()["refused"]["code"] == "flat"
    assert response.json()["findings"] == []


def test_reading_gives_samples_in_millivolts(service: TestClient) -> None:
    import base64

    response = service.post(
        "/v1/read",
        params={"samples": True, "start_s": 1.0, "duration_s": 2.0},
        files=sample_files("12-lead"),
    )
    document = response.json()
    recording = ecgfoundry.read(sample_path("12-lead"))
    assert tuple(document["leads"]) == recording.leads
    part = document["signal"]
    stored = np.frombuffer(base64.b64decode(part["data"]), "<i2").reshape(12, -1)
    wanted = recording.window(1.0, 2.0).signal
    np.testing.assert_allclose(
        stored * part["millivolts_per_unit"], wanted, atol=part["millivolts_per_unit"]
    )


def test_embeddings_are_those_of_the_library(service: TestClient) -> None:
    answer = service.post("/v1/embed", files=sample_files("single-lead")).json()
    model = ecgfoundry.load_model("rhythm-single-lead", threads=1)
    window = ecgfoundry.standardize(
        ecgfoundry.read(sample_path("single-lead")), model.bundle.input.preprocessing
    )
    own = model.embed(window)[0]
    np.testing.assert_allclose(answer["windows"][0]["embedding"], own, rtol=1e-3, atol=1e-4)


def test_laboratory_values_need_a_model_for_them(service: TestClient) -> None:
    response = service.post("/v1/labs", files=sample_files("single-lead"))
    assert (response.status_code, response.json()["code"]) == (404, "no-laboratory-model")


def test_models_and_formats_are_listed(service: TestClient) -> None:
    models = {model["name"]: model for model in service.get("/v1/models").json()["models"]}
    assert {"rhythm-single-lead", "ptbxl-superclass-12lead"} <= set(models)
    document = service.get("/v1/models/rhythm-single-lead").json()
    assert schema_problems("bundle", document) == []
    card = service.get("/v1/models/rhythm-single-lead/card").text
    assert card.startswith("# rhythm-single-lead")
    names = {entry["name"] for entry in service.get("/v1/formats").json()["formats"]}
    assert {"wfdb", "matlab", "arrays"} <= names


def test_there_is_no_room_for_everything(service: TestClient) -> None:
    statuses = set()
    for seed in range(4):
        noise = np.random.default_rng(seed).bytes(900_000)
        statuses.add(service.post("/v1/recordings", content=noise).status_code)
    assert statuses == {201, 413}


def test_a_job_goes_on_after_a_bad_file(service: TestClient) -> None:
    files = [*sample_files("single-lead"), *sample_files("12-lead"), ("file", ("bad.csv", b"?"))]
    started = service.post("/v1/jobs", files=files)
    assert started.status_code == 202
    address = started.headers["location"]
    state = finished(service, address)
    assert (state["recordings"], state["done"], state["failed"]) == (3, 3, 1)
    lines = [json.loads(line) for line in service.get(state["results"]).text.splitlines()]
    assert [line["refused"] is None for line in lines] == [True, True, False]
    assert all(schema_problems("interpretation", line) == [] for line in lines)
    assert service.delete(address).status_code == 204
    assert service.get(address).status_code == 404


def test_every_answer_has_the_headers_that_protect(service: TestClient) -> None:
    for path in ("/", "/health", "/v1/models", "/nothing", "/page/nothing"):
        response = service.get(path)
        for name, value in HEADERS.items():
            assert response.headers[name] == value, (path, name)


def test_a_name_that_was_pointed_here_is_refused(service: TestClient) -> None:
    response = service.get("/v1/models", headers={"Host": "evil.example"})
    assert (response.status_code, response.json()["code"]) == (403, "host")


def test_figures_for_prometheus_hold_no_identifier(service: TestClient) -> None:
    service.get("/v1/models/some-name-of-a-person")
    text = service.get("/metrics").text
    assert 'ecgfoundry_requests_total{route="/v1/models/{name}",status="404"}' in text
    assert "some-name" not in text


def test_logs_hold_no_name(service: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        service.post("/v1/diagnose", files=[("file", ("DOE_JANE.csv", b"Jane Doe,1"))])
    assert "diagnose" in caplog.text
    assert "DOE" not in caplog.text
    assert "Jane" not in caplog.text


def test_no_log_holds_who_the_person_is(
    service: TestClient, fixtures: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("pydicom", reason="the extra 'formats' is not installed")
    content = (fixtures / "dicom" / "waveform_ecg.dcm").read_bytes()
    with caplog.at_level("DEBUG"):
        answer = service.post("/v1/read", files=[("file", ("x.dcm", content))])
        service.post(
            "/v1/diagnose", params={"format": "fhir"}, files=[("file", ("x.dcm", content))]
        )
    assert answer.json()["subject"]["birth_date"] == "1971-01-23"
    assert "diagnose" in caplog.text
    for word in ("1971-01-23", "19710123", "642341"):
        assert word not in caplog.text + service.get("/metrics").text


def test_a_parameter_that_does_not_exist_is_refused_with_what_was_meant(
    service: TestClient,
) -> None:
    response = service.post(
        "/v1/diagnose", params={"modle": "rhythm-single-lead"}, files=sample_files("single-lead")
    )
    problem = response.json()
    assert (response.status_code, problem["code"]) == (400, "parameter")
    assert "'modle'" in problem["detail"]
    assert problem["remedy"] == "Did you mean 'model'?"
    assert service.get("/v1/models?page=2").json()["code"] == "parameter"
    assert service.get("/health?x=1").status_code == 400
    twice = service.post("/v1/read?lead=I&lead=II", files=sample_files("single-lead"))
    assert "stands twice" in twice.json()["detail"]


@pytest.mark.parametrize("path", ["/", "/health", "/v1/models", "/v1/formats", "/page/app.js"])
def test_head_is_the_same_without_the_body(service: TestClient, path: str) -> None:
    wanted, found = service.get(path), service.head(path)
    assert found.status_code == wanted.status_code == 200
    assert found.content == b""
    assert found.headers["content-length"] == str(len(wanted.content))
    assert service.head("/v1/nothing").status_code == 404


def test_a_client_that_hangs_up_is_no_fault_of_the_service(service: TestClient) -> None:
    """The body is announced and breaks off, straight into the application, as a server does it."""
    sent: list[Any] = []
    bodies = [{"type": "http.request", "body": b"half", "more_body": True}]

    async def receive() -> Any:
        return bodies.pop() if bodies else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/diagnose",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:8765"), (b"content-length", b"8")],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 8765),
        "scheme": "http",
    }
    before = service.get("/metrics").text.count('status="500"')
    service.portal.call(service.app, scope, receive, send)
    text = service.get("/metrics").text
    assert sent == []
    assert 'ecgfoundry_requests_total{route="/v1/diagnose",status="499"} 1.0' in text
    assert text.count('status="500"') == before


def test_a_request_says_who_the_person_is(service: TestClient) -> None:
    asked = {"format": "fhir", "patient": "Patient/7", "model": "rhythm-single-lead-edge"}
    answer = service.post("/v1/diagnose", params=asked, files=sample_files("single-lead"))
    report = answer.json()["entry"][0]["resource"]
    assert report["subject"]["reference"] == "Patient/7"


def test_the_description_of_the_interface(service: TestClient) -> None:
    document = service.get("/openapi.json").json()
    scheme = document["components"]["securitySchemes"]["bearer"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    assert document["paths"]["/health"]["get"]["security"] == []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            good = [code for code in operation["responses"] if code.startswith("2")]
            assert good, (path, method)
            for status in good:
                kinds = operation["responses"][status].get("content", {})
                assert kinds or status == "204", (path, method)
                assert all(kind["schema"] for kind in kinds.values()), (path, method)
            problem = operation["responses"]["404"]["content"]
            assert list(problem) == ["application/problem+json"]
    assert set(document["paths"]["/v1/diagnose"]["post"]["responses"]["200"]["content"]) == {
        "application/json",
        "application/vnd.ecgfoundry.reading+json",
        "application/fhir+json",
        "text/html",
        "application/pdf",
    }
    for path, kind in (
        ("/metrics", "text/plain"),
        ("/v1/models/{name}/card", "text/markdown"),
        ("/v1/samples/{name}/{file}", "application/octet-stream"),
    ):
        assert list(document["paths"][path]["get"]["responses"]["200"]["content"]) == [kind]
    assert {"/v1/diagnose", "/v1/labs", "/v1/read", "/v1/embed", "/v1/models"} <= set(
        document["paths"]
    )


def test_every_answer_has_an_example_that_holds(service: TestClient) -> None:
    """Only pages, PDFs and files of a sample have none."""
    from jsonschema import Draft202012Validator

    document = service.get("/openapi.json").json()
    parts = {"components": document["components"]}
    schemas, bare = document["components"]["schemas"], set()
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["summary"] and operation["tags"] and operation["operationId"]
            for answer in operation["responses"].values():
                for kind, told in answer.get("content", {}).items():
                    if "example" in told:
                        Draft202012Validator(told["schema"] | parts).validate(told["example"])
                    else:
                        bare.add(kind)
            told = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if told is not None:
                named = schemas.get(told["schema"].get("$ref", "").rpartition("/")[2], {})
                example = told.get("example") or named["example"]
                Draft202012Validator(told["schema"] | parts).validate(example)
    assert bare == {"text/html", "application/pdf", "application/octet-stream"}


def test_examples_have_the_members_of_real_answers(service: TestClient) -> None:
    paths = service.get("/openapi.json").json()["paths"]

    def shown(method: str, path: str) -> set[str]:
        answer = paths[path][method]["responses"]["200"]["content"]
        return set(answer["application/json"]["example"])

    for path in ("/health", "/v1/models", "/v1/formats", "/v1/samples"):
        assert shown("get", path) == set(service.get(path).json()), path
    real = service.get("/v1/models/rhythm-single-lead").json()
    assert shown("get", "/v1/models/{name}") == set(real)
    for path in ("/v1/read", "/v1/diagnose"):
        answer = service.post(path, files=sample_files("single-lead")).json()
        assert shown("post", path) == set(answer), path


def test_every_operation_asks_for_a_token_where_there_are_tokens() -> None:
    """All but two that a prober asks, and which say nothing of anybody."""
    settings = ServiceSettings(tokens=("a-token-of-a-ward-0001",))
    document = create_app(settings).openapi()
    assert document["security"] == [{"bearer": []}]
    free = {
        path
        for path, operations in document["paths"].items()
        for operation in operations.values()
        if operation.get("security", document["security"]) != [{"bearer": []}]
    }
    assert free == {"/health", "/ready"}


def test_an_explanation_marks_time_and_leads(service: TestClient) -> None:
    response = service.post("/v1/explain", files=sample_files("12-lead"))
    assert response.status_code == 200, response.text
    document = response.json()
    values = np.array(document["values"])
    assert values.shape[0] == len(document["leads"]) == 12
    assert values.max() == 1.0
    assert values.min() >= 0.0
    assert values.shape[1] * document["step_s"] == pytest.approx(10.0, abs=0.1)
    unknown = service.post(
        "/v1/explain", params={"target": "no such thing"}, files=sample_files("12-lead")
    )
    assert unknown.status_code == 422


def test_a_filtered_overlay_has_no_offset(service: TestClient) -> None:
    import base64

    sent = {"files": sample_files("12-lead")}
    part = service.post("/v1/read", params={"samples": 1, "filtered": 1}, **sent).json()["signal"]
    values = np.frombuffer(base64.b64decode(part["data"]), "<i2").reshape(12, -1)
    values = values * part["millivolts_per_unit"]
    raw = ecgfoundry.read(sample_path("12-lead")).signal
    assert np.abs(values.mean(axis=1)).max() < 0.01
    for lead in range(12):
        assert np.corrcoef(values[lead], raw[lead])[0, 1] > 0.8


def test_samples_can_be_fetched(service: TestClient) -> None:
    samples = service.get("/v1/samples").json()["samples"]
    for name, files in samples.items():
        for file in files:
            content = service.get(f"/v1/samples/{name}/{file}").content
            assert content == (sample_path(name).parent / file).read_bytes()
    for address in ("/v1/samples/x/y", "/v1/samples/12-lead/__init__.py"):
        assert service.get(address).status_code == 404


def test_what_a_file_holds_is_what_the_command_says(service: TestClient) -> None:
    import contextlib
    import io

    from ecgfoundry.cli.main import app

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        app(["read", str(sample_path("12-lead")), "--json"], result_action="return_value")
    command = json.loads(printed.getvalue())
    answer = service.post("/v1/read", files=sample_files("12-lead")).json()
    assert command.pop("schema_version") == 1  # the address of the service says /v1
    assert answer | {"file": ""} == command | {"file": ""}
