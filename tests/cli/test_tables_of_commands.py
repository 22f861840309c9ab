"""The jobs fit together: one table for all commands, and what one writes another reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("polars", reason="tables of many recordings need polars")
pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")

from tests.bundles import make_bundle
from tests.drawn_beats import drawn, rhythm

from ecgfoundry.cli.main import main
from ecgfoundry.models.bundle import load_bundle

LEADS = ["I", "II"]


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as found:
        main(list(map(str, arguments)))
    return int(found.value.code or 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty recordings, the odd ones with spikes twice as tall; the bundle tells them apart."""
    folder = tmp_path_factory.mktemp("jobs")
    time = np.arange(5000) / 500
    beat = np.exp(-(((time % 0.8 - 0.3) / 0.012) ** 2))
    noise = np.random.default_rng(3).normal(0, 0.01, (30, 2, 5000))
    array = np.stack([(1 + k % 2) * np.stack([beat, 0.5 * beat]) + noise[k] for k in range(30)])
    np.save(folder / "x.npy", array.astype(np.float32))
    side = {"leads": LEADS, "sampling_rate": 500, "unit": "mV"}
    (folder / "x.json").write_text(json.dumps(side))
    (folder / "m.csv").write_text(
        "id;pat;A\r\n" + "".join(f"{k:02d};{k}.0;{k % 2}\r\n" for k in range(30)), encoding="utf-16"
    )
    weights = np.random.default_rng(0).normal(size=(3, 2))
    make_bundle(folder / "tiny", weights)
    return folder


def options(folder: Path) -> tuple[str | Path, ...]:
    return ("--records", folder / "x.npy", "--patient-column", "pat", "--target", "A")


def test_the_table_of_training_serves_every_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, bundle = folder / "m.csv", folder / "tiny"
    assert run("manifest", "check", table, *options(folder)) == 0
    assert "A: 15 0, 15 1; '1' is positive" in capsys.readouterr().err
    ways = ("--runtime", "onnxruntime", "--workers", "1")
    scored = tmp_path / "out.csv"
    assert run("infer", table, *options(folder), "-m", bundle, "-o", scored, *ways) == 0
    assert scored.read_text().startswith("record,path,status,")
    assert run("infer", table, *options(folder), "-m", bundle, "-o", scored, *ways) == 0
    assert "is finished already (30 recordings, 0 without" in capsys.readouterr().out
    vectors = tmp_path / "vectors.csv"
    assert run("embed", table, *options(folder), "-m", bundle, "--output", vectors) == 0
    assert vectors.read_bytes()[:4] != b"PAR1"
    assert run("calibrate", bundle, table, *options(folder), "--output", tmp_path / "own") == 0
    assert load_bundle(tmp_path / "own").calibrated[0]
    quick = ("--draws", "20", "--no-controls")
    assert run("evaluate", bundle, table, *options(folder), "-o", tmp_path / "e", *quick) == 0
    given = ("--predictions", scored, "--targets", table, *quick)
    assert run("evaluate", *given, "-o", tmp_path / "f") == 0
    both = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in "ef"]
    assert [document["records"] for document in both] == [30, 30]
    macro = [document["averages"]["macro"]["auroc"] for document in both]
    assert macro[0] == pytest.approx(macro[1], abs=1e-9)
    assert run("compare", scored, scored, "--targets", table, "--draws", "20") == 0


@pytest.mark.slow
def test_what_training_takes(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    table, given = folder / "m.csv", options(folder)
    quick = ("--epochs", "1", "--batch", "8", "--threads", "1", "--augment", "none")
    way = ("--model", "net1d-tiny", "--preprocessing", "twelve-lead-100hz@1")
    assert run("finetune", table, *given, "-o", tmp_path / "f", *way, *quick) == 0
    assert load_bundle(tmp_path / "f" / "bundle").vocabulary.names == ("A",)
    network = ("--architecture", "net1d-tiny", "--leads", "II", "--task", "multilabel")
    share = ("--validation-share", "0.3", "--device", "cpu")
    assert run("pretrain", table, *given, "-o", tmp_path / "p", *network, *quick, *share) == 0
    assert load_bundle(tmp_path / "p" / "bundle").input.leads == ("II",)
    capsys.readouterr()
    chosen = ("explain", table, *given[:4], "-m", folder / "tiny", "--target", "A")
    assert run(*chosen, "--record", "03", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["file"], document["target"]) == ("03", "A")
    assert run(*chosen, "--record", "99") == 1
    assert "there is no record '99'. The first is '00'" in capsys.readouterr().err


def test_marks_are_refused_by_pretraining(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    signal = drawn(rhythm("N" * 12), "N" * 12, rate=100.0)[:, :1000]
    np.save(tmp_path / "x.npy", np.repeat(signal[None], 20, axis=0))
    (tmp_path / "x.json").write_text('{"leads": ["I"], "sampling_rate": 100, "unit": "mV"}')
    rows = [f"r{k},x.npy,{k},p{k},{(0, 1, -1)[k % 3]}" for k in range(20)]
    table = tmp_path / "m.csv"
    table.write_text("\n".join(["record,path,index,patient,target:AF", *rows]) + "\n")
    way = ("--architecture", "net1d-tiny", "--leads", "I", "--target", "AF")
    assert run("pretrain", table, "-o", tmp_path / "p", *way, "--device", "cpu") == 1
    assert "'AF' is 0, 1 and -1 (6 windows)" in capsys.readouterr().err


def test_what_files_leave_open_is_stated_once_for_a_table(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The remedy of the message works in the commands that print it."""
    np.save(tmp_path / "bare.npy", np.load(folder / "x.npy"))
    rows = [f"r{k},bare.npy,{k},p{k},{k % 2}" for k in range(30)]
    table = tmp_path / "m.csv"
    table.write_text("\n".join(["record,path,index,patient,target:A", *rows]) + "\n")
    bundle, quick = folder / "tiny", ("--runtime", "onnxruntime", "--workers", "1")
    out = tmp_path / "out.csv"
    assert run("infer", table, "-m", bundle, "-o", out, *quick) == 1
    assert "--leads I,II" in capsys.readouterr().err
    stated = ("--leads", "I,II", "--unit", "mV", "--sampling-rate", "500")
    assert run("infer", table, *stated, "-m", bundle, "-o", out, *quick) == 0
    assert run("manifest", "check", table) == 1
    assert run("manifest", "check", table, *stated) == 0
    assert run("embed", table, *stated, "-m", bundle, "--output", tmp_path / "e.csv") == 0
    measured = ("-o", tmp_path / "e", "--draws", "0", "--no-controls")
    assert run("evaluate", bundle, table, *stated, *measured) == 0
    assert run("calibrate", bundle, table, *stated, "--output", tmp_path / "own") == 0
    capsys.readouterr()
    np.save(tmp_path / "one.npy", np.load(folder / "x.npy")[0])
    assert run("infer", tmp_path / "one.npy", *stated, "-m", bundle, "-o", tmp_path / "o.csv",
               *quick) == 0  # fmt: skip


def test_the_suffix_of_a_table_is_kept_or_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("infer", folder / "m.csv", *options(folder), "-m", folder / "tiny")
    assert run(*given, "-o", tmp_path / "out.xml") == 1
    assert "the suffix '.xml' names no table" in capsys.readouterr().err


def test_files_that_are_no_recordings_are_counted(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "a.npy", np.load(folder / "x.npy")[0])
    (tmp_path / "a.json").write_text((folder / "x.json").read_text())
    (tmp_path / "letter.bin").write_bytes(b"\x00\x01\x02nothing")
    out = tmp_path / "out.parquet"
    run("infer", tmp_path, "-m", folder / "tiny", "-o", out, "--workers", "1")
    assert "1 file(s) are of no format that is read here" in capsys.readouterr().err
