"""Tables of many recordings: every cell of the answers and embeddings of known waves.

The files hold steps of 2.5 uV or so, which move a feature by 2e-4 and a probability by 1e-4.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.bundles import make_bundle
from tests.hand_waves import SIZE, P, Q, R, build, record, wave

from ecgfoundry.errors import FileAccessError, ManifestError
from ecgfoundry.formats.files import EcgFile
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.inference.batch import resumable as parts
from ecgfoundry.inference.batch.embed import embed_manifest
from ecgfoundry.inference.batch.infer import as_manifest, as_recordings, infer_batch, interpret_rows
from ecgfoundry.inference.batch.resumable import (
    CHUNK,
    MOST_PARTS,
    BatchOptions,
    BatchProgress,
    bundle_digest,
)
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.manifest import Manifest, ManifestRow, write_manifest
from ecgfoundry.recording import Recording

polars = pytest.importorskip("polars", reason="Parquet needs polars")
pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return build(tmp_path_factory.mktemp("hand"))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Twenty seconds, seventy, a flat one, one that is gone, and five seconds of the first."""
    folder = tmp_path_factory.mktemp("records")
    for name, windows in (("short", [P, R]), ("long", [P, P, R, Q, P, P, P])):
        x = wave(*windows)
        x[:, 30_000:] = np.nan  # the last window of the long one
        write_wfdb(record(x), folder, name)
    write_wfdb(record(np.zeros((3, 5000))), folder, "flat")
    rows = (
        ManifestRow("short", "short.hea", patient="p1", split="test", targets={"A": 1.0}),
        ManifestRow("long", "long.hea", patient="p2", targets={"A": 0.0}),
        ManifestRow("flat", "flat.hea"),
        ManifestRow("gone", "gone.hea", targets={"A": None}),
        ManifestRow("part", "short.hea", start_s=15.0, duration_s=5.0),
    )
    return Manifest(rows, folder)


def near(*values: float | None) -> list[Any]:
    return [None if value is None else pytest.approx(value, abs=3e-4) for value in values]


def test_one_row_per_recording(manifest: Manifest, tiny: Predictor, tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    summary = infer_batch(manifest, tiny.bundle.folder, output, workers=1, runtime="onnxruntime")
    table = polars.read_parquet(output)
    columns = {name: table[name].to_list() for name in table.columns}
    assert columns["record"] == ["short", "long", "flat", "gone", "part"]
    assert columns["path"] == ["short.hea", "long.hea", "flat.hea", "gone.hea", "short.hea"]
    assert columns["status"] == ["ok", "ok", "refused", "failed", "ok"]
    assert columns["code"] == [None, None, "flat", "file-access", None]
    assert columns["message"][:2] == [None, None]
    # Five seconds are short, which is said of the recording; the signal itself is good.
    assert columns["verdict"] == ["good", "usable", "refused", None, "good"]
    assert columns["duration_s"] == [20.0, 70.0, 10.0, None, 5.0]
    assert columns["windows"] == [2, 7, 1, None, 1]
    assert columns["leads"] == ["I II V1", "I II V1", "I II V1", None, "I II V1"]
    assert "windows-refused" in columns["warnings"][1].split(";")
    assert "short" in columns["warnings"][4].split(";")
    # Mean of P and R: A is 2 x 1.6 - 3 = 0.2, B 2.8 + 0.5. R alone, padded to 10 s, is scaled by
    # its own 5 s: A is -3, B 6.5, and both halved by the padding (features are means over 10 s).
    assert columns["probability:A"][:4] == near(0.549834, None, None, None)
    assert columns["probability:B"][:4] == near(0.9644288, None, None, None)
    assert columns["probability:H"] == [0.5, None, None, None, 0.5]
    assert columns["probability:A"][4] == pytest.approx(0.0474259, abs=3e-4)
    assert columns["probability:B"][4] == pytest.approx(0.9706878, abs=3e-4)  # 3 + 0.5
    assert columns["present:A"] == [False, True, None, None, False]
    assert columns["present:B"] == [False, True, None, None, False]
    assert columns["present:H"] == [True, True, None, None, True]
    assert columns["burden:A"] == near(None, 5 / 6, None, None, None)
    assert columns["burden:B"] == near(None, 1 / 6, None, None, None)
    assert set(columns["probability:never alone"]) == {None}
    assert "failure" not in columns and "start_s" not in columns
    assert (summary.records, summary.resumed, summary.output) == (5, 0, output)
    assert [name for name, _ in summary.failures] == ["flat", "gone"]
    assert summary.failures[0][1].startswith("refused: every lead is flat")
    assert "gone.hea" in summary.failures[1][1]


def test_one_row_per_window(manifest: Manifest, tiny: Predictor, tmp_path: Path) -> None:
    output = tmp_path / "out.parquet"
    infer_batch(manifest, tiny.bundle.folder, output, workers=1, windows=True)
    table = polars.read_parquet(output)
    long = table.filter(polars.col("record") == "long")
    assert long["window"].to_list() == list(range(7))
    assert long["start_s"].to_list() == [0, 10, 20, 30, 40, 50, 60]
    assert long["status"].to_list() == ["ok"] * 6 + ["refused"]
    assert long["code"].to_list() == [None] * 6 + ["missing"]
    # A - 1: 2.2, 2.2, -1, 1, 2.2, 2.2.
    assert long["probability:A"].to_list() == near(
        0.9002495, 0.9002495, 0.2689414, 0.7310586, 0.9002495, 0.9002495, None
    )
    assert long["present:A"].to_list() == [True, True, False, True, True, True, None]
    assert long["present:B"].to_list() == [False, False, True, False, False, False, None]
    assert set(long["burden:A"].to_list()) == {None}
    assert table["record"].to_list().count("flat") == 1
    assert table.filter(polars.col("record") == "gone")["status"].to_list() == ["failed"]


def test_measured_values_have_columns_of_their_own(manifest: Manifest, tmp_path: Path) -> None:
    """Age of features (1.2, 0.6, 0.8): 10 x 1.2 + 40."""
    folder = make_bundle(
        tmp_path / "age",
        np.array([[1.0], [0], [0]]),
        targets=({"name": "age", "kind": "demographic", "unit": "a"},),
        target_kind="regression",
        regression={"scale": [10.0], "offset": [40.0], "residual_quantiles": [[-5.0, 6.0]]},
        preprocessing="ecgfounder-ptbxl-eval@1",
        size=SIZE,
    )
    infer_batch(manifest, folder, tmp_path / "a.parquet", workers=1)
    table = polars.read_parquet(tmp_path / "a.parquet")
    values = [table[f"{kind}:age"].to_list() for kind in ("value", "low", "high")]
    assert [value[0] for value in values] == [pytest.approx(v, abs=3e-3) for v in (52, 47, 58)]
    assert [value[1] for value in values] == [None, None, None]  # of a long one: by the windows
    assert "probability:age" not in table.columns
    infer_batch(manifest, folder, tmp_path / "w.parquet", workers=1, windows=True)
    windows = polars.read_parquet(tmp_path / "w.parquet")
    first = windows.filter(polars.col("record") == "short")["value:age"].to_list()
    assert first == [pytest.approx(54, abs=3e-3), pytest.approx(50, abs=3e-3)]


def test_embeddings_are_means_over_the_windows(
    manifest: Manifest, tiny: Predictor, tmp_path: Path
) -> None:
    output = tmp_path / "new" / "e.parquet"
    summary = embed_manifest(manifest, tiny.bundle.folder, output)
    table = polars.read_parquet(output)
    assert table.columns == ["record", "patient", "split", "target:A", "windows", "embedding"]
    assert table["record"].to_list() == ["short", "long", "part"]
    assert table["patient"].to_list() == ["p1", "p2", None]
    assert table["split"].to_list() == ["test", None, None]
    assert table["target:A"].to_list() == [1.0, 0.0, None]
    assert table["windows"].to_list() == [2, 6, 1]
    embeddings = np.array(table["embedding"].to_list())
    # (P + R) / 2; (4 P + R + Q) / 6 without the last window; R of 5 s in 10.
    wanted = [(1.2, 0.6, 0.8), (6.8 / 6, 5.6 / 6, 3.2 / 6), (0.5, 0.1, 0.7)]
    np.testing.assert_allclose(embeddings, wanted, atol=3e-4)
    assert [name for name, _ in summary.failures] == ["flat", "gone"]
    assert summary.records == 5


def test_embeddings_of_the_windows(manifest: Manifest, tiny: Predictor, tmp_path: Path) -> None:
    output = tmp_path / "e.parquet"
    embed_manifest(manifest, tiny.bundle.folder, output, BatchOptions(workers=1, windows=True))
    table = polars.read_parquet(output)
    assert table["start_s"].to_list() == [0, 10, 0, 10, 20, 30, 40, 50, 0]
    np.testing.assert_allclose(
        np.array(table["embedding"].to_list())[:6], [P, R, P, P, R, Q], atol=3e-4
    )
    assert "windows" not in table.columns


def test_where_nothing_can_be_embedded_nothing_is_written(
    manifest: Manifest, tiny: Predictor, tmp_path: Path
) -> None:
    bad = Manifest(manifest.rows[2:4], manifest.folder)
    with pytest.raises(ManifestError, match="no recording could be embedded: .*every lead is flat"):
        embed_manifest(bad, tiny.bundle.folder, tmp_path / "e.parquet")
    assert not (tmp_path / "e.parquet").exists()


def test_a_disk_that_fails_on_the_way_leaves_the_others_their_answers(
    manifest: Manifest, tiny: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a disk can fail after the first second was read, so that is played here."""
    read_part = EcgFile.part

    def fail(self: EcgFile, start: int, stop: int) -> Recording:
        if start == 20_000:
            raise OSError(5, "Input/output error")
        return read_part(self, start, stop)

    monkeypatch.setattr(EcgFile, "part", fail)
    short, long, flat = interpret_rows(tiny, manifest, manifest.rows[:3])
    assert short.finding("A").probability == pytest.approx(0.549834, abs=3e-4)
    assert isinstance(long, FileAccessError)
    assert str(long) == "long.hea: cannot be read: Input/output error"
    assert flat.refused.code == "flat"


# --------------------------------------------------------------------------------------- the parts


def test_the_sizes_of_parts() -> None:
    assert (CHUNK, MOST_PARTS) == (32, 10_000)


@pytest.mark.parametrize(
    ("most", "chunk", "done"),
    # Five recordings; one per part, and as many parts as there may be, or as asked for.
    [(5, None, [1, 2, 3, 4, 5]), (4, None, [2, 4, 5]), (2, None, [3, 5]), (1, None, [5]),
     (5, 4, [4, 5])],
)  # fmt: skip
def test_parts_grow_where_there_would_be_too_many(
    manifest: Manifest, tiny: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    most: int, chunk: int | None, done: list[int],
) -> None:  # fmt: skip
    monkeypatch.setattr(parts, "CHUNK", 1)
    monkeypatch.setattr(parts, "MOST_PARTS", most)
    clock = iter(range(100, 1100, 2))  # two seconds from one look to the next
    monkeypatch.setattr(parts, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    seen: list[BatchProgress] = []
    summary = infer_batch(
        manifest, tiny.bundle.folder, tmp_path / "o.parquet", workers=1, chunk=chunk,
        progress=seen.append,
    )  # fmt: skip
    assert [p.done for p in seen] == done
    # After the first part 2 s have gone: done / 2 recordings per second, and the rest at that.
    assert seen[0].rate == done[0] / 2
    assert seen[0].eta_s == (5 - done[0]) / (done[0] / 2)
    assert [(p.total, p.resumed) for p in seen] == [(5, 0)] * len(done)
    assert seen[-1].failed == 2
    assert summary.seconds == 2 * (len(done) + 1)


def test_what_an_earlier_run_did_counts_as_done_and_not_in_the_rate(
    manifest: Manifest, tiny: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "o.parquet"

    class EnoughError(Exception):
        pass

    def stop(progress: BatchProgress) -> None:
        if progress.done == 4:
            raise EnoughError

    with pytest.raises(EnoughError):
        infer_batch(manifest, tiny.bundle.folder, output, workers=1, chunk=2, progress=stop)
    clock = iter(range(100, 1100, 2))
    monkeypatch.setattr(parts, "time", SimpleNamespace(monotonic=lambda: float(next(clock))))
    seen: list[BatchProgress] = []
    summary = infer_batch(
        manifest, tiny.bundle.folder, output, workers=1, chunk=2, progress=seen.append
    )
    assert [(p.done, p.resumed, p.rate, p.eta_s) for p in seen] == [(5, 4, 0.5, 0.0)]
    assert (summary.resumed, summary.records) == (4, 5)
    assert [name for name, _ in summary.failures] == ["flat", "gone"]
    assert polars.read_parquet(output)["record"].to_list() == [r.record for r in manifest.rows]


def test_an_empty_table_is_refused(tiny: Predictor, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="there are no recordings"):
        infer_batch(Manifest((), tmp_path), tiny.bundle.folder, tmp_path / "o.parquet")


def test_the_digest_of_a_bundle_changes_with_its_files(tiny: Predictor, tmp_path: Path) -> None:
    other = build(tmp_path, version="1.0.1")
    assert len(bundle_digest(tiny.bundle)) == 64
    assert bundle_digest(tiny.bundle) != bundle_digest(other.bundle)
    assert bundle_digest(tiny.bundle) == bundle_digest(build(tmp_path / "again").bundle)


# ------------------------------------------------------------------------------- what is a manifest


@pytest.mark.parametrize(
    ("header", "is_one"),
    [
        ("record,path", True),
        ('\ufeff"path","record",target:A', True),
        ("path,name", True),
        ("record,name", False),
        ("I,II", False),
    ],
)
def test_a_table_is_known_by_its_header(
    manifest: Manifest, tmp_path: Path, header: str, is_one: bool
) -> None:
    path = tmp_path / "table.csv"
    values = {"record": "r", "path": "x.hea", "target:A": "1"}
    cells = [values.get(name.strip('\ufeff" '), "0") for name in header.split(",")]
    path.write_text(f"{header}\n{','.join(cells)}\n", encoding="utf-8")
    found = as_manifest([path])
    if is_one:
        assert [row.record for row in found.rows] == [
            "x.hea" if "record" not in header else "r"
        ] and found.folder == tmp_path
    else:  # a recording as text
        assert [row.path for row in found.rows] == [str(path)]


def test_two_arguments_are_two_recordings(manifest: Manifest, tmp_path: Path) -> None:
    table = write_manifest(tmp_path / "m.csv", manifest.rows)
    both = as_recordings([table, manifest.folder / "flat.hea"])
    assert [Path(row.path).name for row in both.rows] == ["m.csv", "flat.hea"]
    assert len(as_recordings([table])) == 5
    with pytest.raises(FileAccessError):
        as_recordings([tmp_path / "nothing*.hea"])
    assert len(as_recordings([manifest.folder])) == 3
