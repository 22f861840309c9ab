"""What every command prints with ``--json`` is what ``commands.schema.json`` says of it, and which
commands show how long they will still take."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cyclopts import App

pytest.importorskip("polars", reason="tables of many recordings need polars")
pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")

from tests.bundles import make_bundle
from tests.datasets.layouts import cinc2017
from tests.ports import free_port

import ecgfoundry
from ecgfoundry.cli import saying
from ecgfoundry.cli.main import ENDLESS, app, main
from ecgfoundry.schemas import load_schema, schema_problems

SPEAKS_JSON_ANYWAY = {"mcp"}
"""Its standard output is the protocol's, JSON-RPC."""
ELSEWHERE = {
    "models pull": "downloads 353 MiB",
    "train-defaults": "trains for hours",
    "stream replay": "tests/service/test_service_commands.py runs a service for it",
}
SHOWS_A_BAR = {
    "calibrate", "compare", "convert", "diagnose", "embed", "evaluate", "explain", "holter",
    "infer", "labs", "measure", "read", "review",
    "corpus build", "corpus cache", "corpus copy", "corpus stats", "corpus verify",
    "database backup", "database restore", "datasets manifest", "labs catalogue", "labs report",
    "labs ten-minutes",
    "manifest check", "manifest croissant", "models export", "models import", "models pull",
    "models verify", "synth ecgs", "synth mc-med",
}  # fmt: skip
KNOWS_NO_END = {
    "corpus stats", "labs catalogue", "manifest croissant", "models export", "models import",
}  # fmt: skip
"""Of these: a few steps of very different length; the bar says how long it has gone on."""
SAYS_EPOCHS = {"finetune", "pretrain", "labs train", "train-defaults"}
"""A line an epoch, with the time that is left at most: it stays in a log file."""
IS_QUICK = {
    "completion", "database downgrade", "database status", "database upgrade", "datasets list",
    "deliveries list", "deliveries retry", "formats", "manifest split", "models list",
    "models show",
}  # fmt: skip
"""What they take does not grow with the number of recordings, or is a table read once."""


def commands(parent: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    for name in parent:
        if not name.startswith("-"):
            yield from commands(parent[name], (*path, name))
    if path and parent.default_command is not None:
        arguments = parent.assemble_argument_collection()
        yield " ".join(path), {name for each in arguments for name in each.names}


OPTIONS = dict(commands(app))
DEFINED = set(load_schema("commands")["$defs"]) - {"error", "problem", "live"}
Run = Callable[..., list[dict[str, Any]]]


def test_every_command_has_json_and_a_definition() -> None:
    without = {name for name, options in OPTIONS.items() if "--json" not in options}
    assert without == SPEAKS_JSON_ANYWAY
    assert set(OPTIONS) - SPEAKS_JSON_ANYWAY == DEFINED


def test_every_command_is_run_here_or_the_reason_stands_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    missing = [name for name in DEFINED if f'"{name}"' not in source]
    assert missing == []


def test_every_command_says_how_long_it_takes_or_takes_no_time() -> None:
    as_long_as_the_signal = {"stream replay"}
    kinds = (SHOWS_A_BAR, SAYS_EPOCHS, IS_QUICK, ENDLESS, as_long_as_the_signal)
    assert sorted(name for kind in kinds for name in kind) == sorted(OPTIONS)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command with ``--json``, hold every line against its definition, return them.

    On a terminal that is told to show bars at once, a command that takes long has to, and its
    answers have to reach standard output, which is none.
    """
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(saying, "BAR_AFTER_S", 0.0)

    def run(command: str, *arguments: str | Path, code: int = 0) -> list[dict[str, Any]]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*command.split(), *map(str, arguments), "--json"])
        printed = capsys.readouterr()
        assert int(ended.value.code or 0) == code, printed.err
        reads_recordings = command not in ("labs catalogue", "models verify") or len(arguments) > 1
        if code == 0 and reads_recordings:
            words = r"\bfor\b.*0:\d\d:\d\d" if command in KNOWS_NO_END else r"\bleft\b"
            shown = re.search(words, printed.err) is not None and "━" in printed.err
            assert shown == (command in SHOWS_A_BAR)
        documents = [json.loads(line) for line in printed.out.splitlines()]
        for document in documents:
            part = "error" if "error" in document else command
            assert schema_problems("commands", document, part=part) == []
        return documents

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty recordings of two leads, a table with labels, and a bundle for them."""
    folder = tmp_path_factory.mktemp("json")
    time = np.arange(5000) / 500
    beat = np.exp(-(((time % 0.8 - 0.3) / 0.012) ** 2))
    noise = np.random.default_rng(3).normal(0, 0.01, (40, 2, 5000))
    array = np.stack([(1 + k % 2) * np.stack([beat, 0.5 * beat]) + noise[k] for k in range(40)])
    np.save(folder / "x.npy", array.astype(np.float32))
    (folder / "x.json").write_text('{"leads": ["I", "II"], "sampling_rate": 500, "unit": "mV"}')
    rows = [f"r{k},x.npy,{k},p{k},{k % 2}" for k in range(40)]
    (folder / "m.csv").write_text("\n".join(["record,path,index,patient,target:A", *rows]) + "\n")
    make_bundle(folder / "tiny", np.random.default_rng(0).normal(size=(3, 2)))
    return folder


def test_files(run: Run, tmp_path: Path) -> None:
    for command in ("read", "measure", "diagnose"):
        assert len(run(command, "sample:12-lead", "sample:single-lead")) == 2
    with_earlier = run("diagnose", "sample:12-lead", "--earlier", "sample:12-lead")
    assert set(with_earlier[0]) == {"schema_version", "interpretation", "comparison"}
    (made,) = run("convert", "sample:12-lead", tmp_path / "a.edf")
    assert made["leads"][:2] == ["I", "II"] and made["step_mv"] > 0
    (why,) = run("explain", "sample:12-lead")
    assert sum(why["lead_shares"].values()) == pytest.approx(1.0, abs=1e-3)
    (found,) = run("holter", "sample:single-lead", "-o", tmp_path / "h", "--no-pdf", "--no-rhythm")
    assert found["duration_s"] == 30.0


def test_what_fails_is_a_document_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Sir,\n")
    (failed,) = run("convert", tmp_path / "letter.txt", tmp_path / "a.edf", code=1)
    assert failed["error"]["code"] == "unknown-format"
    (missing,) = run("corpus verify", tmp_path / "none", code=1)
    assert missing["error"]["code"] == "corpus"
    (wrong,) = run("models show", "no-such-model", code=1)
    assert wrong["error"]["code"] == "model-not-found" and wrong["error"]["remedy"]


def test_lists(run: Run, tmp_path: Path) -> None:
    names = {one["name"] for one in run("models list")[0]["models"]}
    assert {"rhythm-single-lead", "ptbxl-superclass-12lead"} <= names
    (shown,) = run("models show", "rhythm-single-lead-edge")
    assert shown["card"].startswith("#")
    assert {one["name"] for one in run("datasets list")[0]["datasets"]} >= {"ptbxl", "cinc2017"}
    assert len(run("datasets list", "ptbxl")[0]["datasets"]) == 1
    assert len(run("formats")[0]["read"]) > 20
    assert len(run("labs catalogue")[0]["indicators"]) > 20
    assert "complete" in run("completion", "bash")[0]["script"]


def test_tables(run: Run, folder: Path, tmp_path: Path) -> None:
    table, bundle = folder / "m.csv", folder / "tiny"
    assert all(one["severity"] != "leak" for one in run("manifest check", table))
    (parted,) = run("manifest split", table, "-o", tmp_path / "split.csv")
    assert sum(parted["rows"].values()) == 40
    about = ("--name", "x", "--description", "x", "--license", "CC0-1.0", "--creator", "x")
    run("manifest croissant", table, *about, "--url", "https://example.org",
        "-o", tmp_path / "croissant.json")  # fmt: skip
    quick = ("--runtime", "onnxruntime", "--workers", "1")
    (scored,) = run("infer", table, "-m", bundle, "-o", tmp_path / "o.csv", *quick)
    assert (scored["records"], scored["failures"]) == (40, [])
    (vectors,) = run("embed", table, "-m", bundle, "-o", tmp_path / "v.csv")
    assert vectors["records"] == 40
    (own,) = run("calibrate", bundle, table, "-o", tmp_path / "own")
    assert own["fitted"] == ["A"]
    measured = ("--draws", "20", "--no-controls")
    (found,) = run("evaluate", bundle, table, "-o", tmp_path / "e", *measured)
    assert found["records"] == 40
    (both,) = run("compare", tmp_path / "o.csv", tmp_path / "o.csv", "--targets", table,
                  "--draws", "20")  # fmt: skip
    assert both["kind"] == "paired"


@pytest.mark.slow
def test_labels_and_bundles(run: Run, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    (listed,) = run("review", folder / "m.csv", "-o", tmp_path / "r", "--shown", "0")
    assert listed["labels"] == 40
    (verified,) = run("models verify", "rhythm-single-lead-edge")
    assert verified["hashes"] > 3
    (made,) = run("models export", "rhythm-single-lead-edge", "-o", tmp_path / "x",
                  "--format", "c")  # fmt: skip
    assert made == {"schema_version": 1, "folder": str(tmp_path / "x"), "format": "c"}


def test_corpora(run: Run, folder: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    (built,) = run("corpus build", folder / "m.csv", "-o", corpus, "--workers", "1")
    assert built["segments"] == 40
    (verified,) = run("corpus verify", corpus)
    assert verified["whole"] is True
    run("corpus stats", corpus)
    (cached,) = run("corpus cache", corpus, "--recipe", "single-lead-rhythm@1", "--leads", "I",
                    "--workers", "1")  # fmt: skip
    assert cached["made"] >= 1
    (copied,) = run("corpus copy", corpus, f"file://{tmp_path / 'copy'}")
    assert copied["files"] >= 2


def test_data_sets(run: Run, tmp_path: Path) -> None:
    (made,) = run("synth ecgs", "--people", "2", "-o", tmp_path / "ecgs")
    assert made["people"] == 2
    (visits,) = run("synth mc-med", "--visits", "4", "--minutes", "0.5", "--oracle-draws", "0",
                    "-o", tmp_path / "mc")  # fmt: skip
    data = visits["data"]
    (counted,) = run("labs catalogue", data, "--minimum-patients", "1")
    assert counted["synthetic"] is True
    cinc2017(tmp_path / "cinc2017")
    (flow,) = run("datasets manifest", "cinc2017", tmp_path / "cinc2017", "-o", tmp_path / "c.csv")
    assert flow["rows"] == flow["flow"]["kept"] > 0


@pytest.mark.slow
def test_a_service(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    pytest.importorskip("fastapi")
    keep = tmp_path / "keep"
    (new,) = run("database upgrade", keep)
    assert new["revision"]
    assert run("database status", keep)[0]["revision"] == new["revision"]
    assert run("deliveries list", keep) == []
    assert run("deliveries retry", keep, "--dead")[0]["revived"] == []
    assert run("database backup", keep, tmp_path / "copy")[0]["damaged"] == 0
    run("database restore", tmp_path / "copy", tmp_path / "again")
    assert run("database downgrade", keep, new["revision"])[0]["revision"] == new["revision"]
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    ecgfoundry.write(ecgfoundry.read("sample:single-lead"), inbox / "a.npz")
    (watched,) = run("watch", inbox, "--once", "--settle", "0", "-o", tmp_path / "answers")
    assert Path(watched["answer"]).is_file() and watched["problem"] is None


def test_serve_says_where_it_listens() -> None:
    pytest.importorskip("fastapi")
    port = free_port()
    way = [sys.executable, "-m", "ecgfoundry", "serve", "--port", str(port), "--json"]
    with subprocess.Popen(way, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as service:
        assert service.stdout is not None
        document = json.loads(service.stdout.readline())
        service.terminate()
    assert schema_problems("commands", document, part="serve") == []
    assert document["url"] == f"http://127.0.0.1:{port}/"


def test_a_live_signal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = ecgfoundry.read("sample:single-lead").signal[0]
    lines = [json.dumps({"leads": ["I"], "sampling_rate": 300, "unit": "mV"})]
    lines += [
        json.dumps({"samples": [signal[k : k + 300].tolist()]}) for k in range(0, len(signal), 300)
    ]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
    answers = run("stream follow", "-", "-m", "rhythm-single-lead-edge")
    assert len(answers) > 15


@pytest.mark.slow
def test_training(run: Run, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    table = folder / "m.csv"
    quick = ("--epochs", "1", "--batch", "8", "--threads", "1", "--augment", "none")
    way = ("--model", "net1d-tiny", "--preprocessing", "twelve-lead-100hz@1")
    (tuned,) = run("finetune", table, "--target", "A", "-o", tmp_path / "f", *way, *quick)
    assert tuned["metrics"][0]["name"]
    network = ("--architecture", "net1d-tiny", "--leads", "II", "--task", "multilabel")
    share = ("--validation-share", "0.3", "--device", "cpu")
    run("pretrain", table, "--target", "A", "-o", tmp_path / "p", *network, *quick, *share)
    run("synth mc-med", "--visits", "150", "--minutes", "0.5", "--oracle-draws", "0",
        "--pulse-share", "0.5", "-o", tmp_path / "visits")  # fmt: skip
    visits, corpus = tmp_path / "visits", tmp_path / "corpus"
    run("corpus build", visits, "-o", corpus, "--workers", "1")
    probe = ("--model", "rhythm-single-lead-edge", "--probe", "--minimum-patients", "3")
    (made,) = run("labs train", corpus, "--tables", visits, *probe, "-o", tmp_path / "labs")
    run("labs report", made["bundle"], corpus, "--tables", visits, "-o", tmp_path / "report",
        "--draws", "20")  # fmt: skip
    (paired,) = run("labs ten-minutes", visits, "-o", tmp_path / "ten", *probe[:2],
                    "--windows", "1", "--no-values", "--minimum-patients", "2")  # fmt: skip
    assert 55 < paired["left_out"]["no pulse"] < 95  # half of 150, and three deviations
    (answer,) = run("labs", "sample:12-lead", "-m", made["bundle"], "--synthetic-ok")
    assert answer["estimates"]


def test_imported_weights(run: Run, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from ecgfoundry.models.registry import create_model

    network = create_model("net1d-tiny", leads=12, classes=150)
    torch.save(network.state_dict(), tmp_path / "w.pth")
    run("models import", tmp_path / "w.pth", "-o", tmp_path / "b", "--architecture", "net1d-tiny")
