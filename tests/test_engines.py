"""Engines: every task once in the results, faults as they are, and a node that dies in the middle.

Ray runs with two nodes on this machine, on a loopback address of their own. What a task of the
tests does is imported by the workers from the package, so the builds and tables of the package are
what is compared.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfoundry.engines import ENGINES, is_orphaned, make_engine, pool, process_pool, ray_cluster
from ecgfoundry.engines import cluster as cluster_module
from ecgfoundry.errors import EngineError, MissingExtraError
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.manifest import ManifestRow, write_manifest
from ecgfoundry.recording import Recording
from tests.bundles import make_bundle
from tests.ports import free_port

HOST = "127.0.0.2"  # Ray replaces 127.0.0.1 by the machine's outer address


@pytest.mark.parametrize("workers", [1, 2])
def test_a_pool_gives_every_result(workers: int) -> None:
    found = list(process_pool(workers)(math.factorial, range(7)))
    assert sorted(found) == [1, 1, 2, 6, 24, 120, 720]
    assert list(process_pool(workers)(math.factorial, [])) == []


def test_an_exception_of_a_task_is_raised_as_it_is() -> None:
    with pytest.raises(ValueError, match="not defined"):
        list(process_pool(2)(math.factorial, [3, -1]))


def test_a_worker_that_dies_is_said() -> None:
    with pytest.raises(EngineError, match="a worker process died"):
        list(process_pool(2)(os._exit, [9, 9]))


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs masks of signals")
@pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="only it is interrupted"
)
def test_ctrl_c_waits_until_a_worker_has_begun(request: pytest.FixtureRequest) -> None:
    """Another thread takes the signal, though this one has masked it."""
    begun, told, ended = threading.Event(), threading.Event(), False

    def interrupt() -> None:
        begun.wait()
        # To this thread, which takes it at once; of the process, any may take it, and later.
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        told.set()

    other = threading.Thread(target=interrupt)
    # Tests that run in the background of a shell ignore it.
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, usual))
    other.start()
    with pytest.raises(KeyboardInterrupt), pool._without_interrupts():
        begun.set()
        told.wait()
        for _ in range(1000):  # Python looks for signals between its steps
            ended = True
    assert ended
    other.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_this_process_is_no_orphan() -> None:
    assert not is_orphaned()


def test_engines_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ray" in ENGINES and list(make_engine()(abs, [-1])) == [1]
    with pytest.raises(EngineError, match="there is no engine"):
        make_engine("threads")
    with pytest.raises(EngineError, match="no address"):
        make_engine("processes", address="127.0.0.1:6379")
    with pytest.raises(EngineError, match="0 workers"):
        process_pool(0)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"ecgfoundry\[scale\]"):
        make_engine("ray")


# --- on two Ray nodes ----------------------------------------------------------------------------


def free_ports() -> dict[str, int]:
    """Ports for what Ray otherwise waits for, at most 15 s; a busy machine needs longer."""
    names = ("metrics_agent_port", "dashboard_agent_listen_port", "runtime_env_agent_port",
             "metrics_export_port")  # fmt: skip
    return {name: free_port() for name in names}


@pytest.fixture(scope="module")
def cluster(short_folder_of_ray: None) -> Iterator[Any]:
    """A head with one processor, on this machine alone."""
    pytest.importorskip("ray", reason="the extra 'scale' is not installed")
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "40"}
    from ray.cluster_utils import Cluster

    made = Cluster()
    add_node(made)
    yield made
    made.shutdown()


def add_node(cluster: Any) -> Any:
    """Start a node; a busy machine gets several tries, since Ray waits 15 s for its helpers."""
    for attempt in range(5):
        try:
            return cluster.add_node(
                num_cpus=1,
                include_dashboard=False,
                node_ip_address=HOST,
                object_store_memory=100 * 2**20,
                **free_ports(),
            )
        except Exception as error:  # Ray raises the bare class
            if attempt == 4:
                raise
            print(f"a Ray node did not start: {error}")
    raise AssertionError


class Killer:
    """Adds a second node and kills it by SIGKILL once some files are there."""

    def __init__(self, cluster: Any, ready: Callable[[], bool]) -> None:
        self.cluster, self.ready = cluster, ready
        self.node = add_node(cluster)
        self.killed_in_the_middle = False
        self.thread = threading.Thread(target=self.wait_and_kill, daemon=True)

    def wait_and_kill(self) -> None:
        end = time.monotonic() + 900
        while time.monotonic() < end:
            if self.ready():
                self.killed_in_the_middle = True
                break
            time.sleep(0.02)
        self.cluster.remove_node(self.node, allow_graceful=False)

    def __enter__(self) -> Killer:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.thread.join()


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of 48 records of 21 s, one of them damaged."""
    root = tmp_path_factory.mktemp("records")
    rows = []
    for number in range(48):
        generator = np.random.default_rng(number)
        t = np.arange(10500) / 500
        beat = np.exp(-0.5 * (((t % 0.8) - 0.4) / 0.02) ** 2)
        x = beat * generator.uniform(0.5, 1.5, (3, 1)) + generator.normal(0, 0.01, (3, t.size))
        recording = Recording(x.astype(np.float32), 500.0, ("I", "II", "V1"))
        write_wfdb(recording, root, f"r{number}")
        rows.append(
            ManifestRow(
                f"r{number}", f"r{number}.hea", patient=f"p{number}", split="train",
                targets={"even": float(number % 2 == 0)} if number % 3 else {},
            )
        )  # fmt: skip
    (root / "r7.dat").write_bytes(b"\0" * 100)
    return write_manifest(root / "manifest.csv", tuple(rows))


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


@pytest.mark.slow
def test_a_corpus_is_the_same_though_a_node_dies(
    cluster: Any, records: Path, tmp_path: Path
) -> None:
    pytest.importorskip("polars")
    from ecgfoundry.corpus import BuildOptions, build_corpus, verify_corpus
    from ecgfoundry.manifest import read_manifest

    manifest, options = read_manifest(records), BuildOptions(task_bytes=130_000)
    pool = build_corpus(manifest, tmp_path / "pool", options=options, workers=2)
    assert pool.tasks >= 20
    commits = tmp_path / "ray" / "commits"
    with Killer(cluster, lambda: len(list(commits.glob("*.json"))) >= 3) as killer:
        engine = make_engine("ray", address=cluster.address)
        found = build_corpus(manifest, tmp_path / "ray", options=options, engine=engine)
    assert killer.killed_in_the_middle and found.made == pool.tasks
    assert content(tmp_path / "ray") == content(tmp_path / "pool")
    assert verify_corpus(tmp_path / "ray").ok


@pytest.mark.slow
@pytest.mark.parametrize("command", ["infer", "embed"])
def test_a_table_is_the_same_though_a_node_dies(
    cluster: Any, records: Path, tmp_path: Path, command: str
) -> None:
    pytest.importorskip("polars")
    pytest.importorskip("onnx", reason="building a test bundle needs the onnx package")
    from ecgfoundry.inference.batch.embed import embed_manifest
    from ecgfoundry.inference.batch.infer import infer_batch
    from ecgfoundry.inference.batch.resumable import BatchOptions
    from ecgfoundry.manifest import Manifest, read_manifest

    weights = np.random.default_rng(0).normal(size=(3, 2))
    model = make_bundle(tmp_path / "model", weights)

    def run(manifest: Manifest, model: Path, output: Path, **given: Any) -> Any:
        if command == "infer":
            return infer_batch(manifest, model, output, **given)
        return embed_manifest(manifest, model, output, BatchOptions(**given))

    manifest = read_manifest(records)
    pool = run(manifest, model, tmp_path / "pool.parquet", workers=2, chunk=2)
    parts = tmp_path / "ray.parquet.parts"
    with Killer(cluster, lambda: len(list(parts.glob("part-*"))) >= 3) as killer:
        engine = make_engine("ray", address=cluster.address)
        found = run(manifest, model, tmp_path / "ray.parquet", engine=engine, chunk=2)
    assert killer.killed_in_the_middle
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "pool.parquet").read_bytes()
    assert found.failures == pool.failures and found.failures[0][0] == "r7"
    assert found.records == 48 and not parts.exists()


@pytest.mark.slow
def test_what_goes_wrong_on_a_cluster_is_said(cluster: Any, monkeypatch: Any) -> None:
    engine = ray_cluster(cluster.address)
    with pytest.raises(ValueError, match="not defined"):
        list(engine(math.factorial, [3, -1]))
    assert sorted(engine(math.factorial, [3, 4, 5])) == [6, 24, 120]
    monkeypatch.setattr(cluster_module, "RETRIES", 1)
    with pytest.raises(EngineError, match="lost a task 2 times"):
        list(engine(os._exit, [9]))
    other = {"ecgfoundry": "0.0", "numpy": np.__version__, "polars": "1"}
    monkeypatch.setattr(cluster_module, "node_versions", lambda: other)
    with pytest.raises(EngineError, match="instead of 0.0"):
        list(engine(math.factorial, [3]))


def test_a_cluster_that_does_not_answer_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="the extra 'scale' is not installed")

    def refuses(**_: object) -> None:
        raise Exception("timed out\nand much more")  # as Ray does

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuses)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(EngineError, match=r"no Ray cluster answers at 'h:1' \(timed out\)"):
        list(ray_cluster("h:1")(math.factorial, [1]))
    with pytest.raises(EngineError, match="could be started on this machine"):
        list(ray_cluster()(math.factorial, [1]))
