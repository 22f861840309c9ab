"""Pulling against a server of our own that can be told to misbehave."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgfoundry.errors import DownloadError, IntegrityError, ModelNotFoundError
from ecgfoundry.models import hub
from ecgfoundry.models.hub import PublishedWeights, download, pull, url_of
from ecgfoundry.models.published import PUBLISHED

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PATH = "/somebody/weights/resolve/main/tiny.pth"


class Server(http.server.ThreadingHTTPServer):
    """Serves ``content`` under PATH; ``faults`` are used up one per request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.faults: list[str] = []
        self.ranges: list[str | None] = []
        self.paths: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        server.paths.append(self.path)
        if self.path == PATH:  # as the hub does it: the file itself is on another host
            self.send_response(302)
            target = server.faults[0] if server.faults[:1] == ["ftp://127.0.0.1/x"] else "/cdn/x"
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        fault = server.faults.pop(0) if server.faults else ""
        wanted = self.headers.get("Range")
        server.ranges.append(wanted)
        if fault.isdigit():
            self.send_error(int(fault))
            return
        content, start = server.content, 0
        if wanted and fault != "no-range":
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if fault == "wrong-range":
                start = 5
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "truncate":
            body = body[: len(body) // 2]
        with contextlib.suppress(ConnectionError):  # a client that has had enough
            self.wfile.write(body)
        if fault == "truncate":
            self.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ECGFOUNDRY_OFFLINE", "HF_ENDPOINT", "http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(hub, "PAUSE_S", 0.001)


def get(server: Server, path: Path, **options: Any) -> Path:
    options = {"sha256": SHA256, "size": len(CONTENT), **options}
    return download(server.address + PATH, path, **options)


def test_a_file_is_downloaded_through_a_redirect(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    path = get(
        server, tmp_path / "a" / "tiny.pth", progress=lambda done, total: seen.append((done, total))
    )
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert server.paths == [PATH, "/cdn/x"]
    assert [entry.name for entry in path.parent.iterdir()] == ["tiny.pth"]
    # A second call needs no network.
    get(server, path)
    assert len(server.paths) == 2


def test_a_broken_connection_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.faults = ["truncate", "truncate", "503"]
    assert get(server, tmp_path / "f").read_bytes() == CONTENT
    half = len(CONTENT) // 2
    quarter = half + half // 2
    assert server.ranges == [None, f"bytes={half}-", f"bytes={quarter}-", f"bytes={quarter}-"]


def test_a_download_is_resumed_after_an_abort(server: Server, tmp_path: Path) -> None:
    class AbortError(Exception):
        pass

    def abort(done: int, total: int | None) -> None:
        raise AbortError

    with pytest.raises(AbortError):
        get(server, tmp_path / "f", progress=abort)
    assert not (tmp_path / "f").exists()
    done = (tmp_path / "f.part").stat().st_size
    assert 0 < done < len(CONTENT)
    assert get(server, tmp_path / "f").read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={done}-"]
    assert not (tmp_path / "f.part").exists()


@pytest.mark.parametrize("fault", ["no-range", "wrong-range"])
def test_servers_that_do_not_do_ranges(server: Server, tmp_path: Path, fault: str) -> None:
    (tmp_path / "f.part").write_bytes(CONTENT[:1000])
    server.faults = [fault]
    assert get(server, tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize("extra", [0, 10])
def test_a_part_that_is_already_whole(server: Server, tmp_path: Path, extra: int) -> None:
    (tmp_path / "f.part").write_bytes(CONTENT + bytes(extra))
    assert get(server, tmp_path / "f").read_bytes() == CONTENT


def test_wrong_bytes_are_deleted(server: Server, tmp_path: Path) -> None:
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(IntegrityError, match="instead of " + SHA256):
        get(server, tmp_path / "f")
    assert not list(tmp_path.iterdir())
    # A damaged beginning is not carried on for ever either.
    server.content = CONTENT
    (tmp_path / "f.part").write_bytes(b"?" * 1000)
    with pytest.raises(IntegrityError):
        get(server, tmp_path / "f")
    assert get(server, tmp_path / "f").read_bytes() == CONTENT


def test_a_missing_file_is_said_at_once(server: Server, tmp_path: Path) -> None:
    server.faults = ["404"]
    with pytest.raises(DownloadError, match="HTTP 404") as caught:
        get(server, tmp_path / "f")
    assert f"Fetch {server.address}{PATH}" in str(caught.value)
    assert str(tmp_path / "f") in str(caught.value)
    assert len(server.ranges) == 1
    assert not list(tmp_path.iterdir())


def test_a_server_that_stays_broken_is_given_up(server: Server, tmp_path: Path) -> None:
    server.faults = ["503"] * 20
    with pytest.raises(DownloadError, match="HTTP 503"):
        get(server, tmp_path / "f")
    assert len(server.ranges) == hub.ATTEMPTS


def test_answers_without_end_are_not_taken(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="far more than"):
        get(server, tmp_path / "f", size=1_000_000)
    assert not (tmp_path / "f").exists()


def test_other_addresses_are_refused(server: Server, tmp_path: Path) -> None:
    server.faults = ["ftp://127.0.0.1/x"]
    with pytest.raises(DownloadError, match="redirects to ftp"):
        get(server, tmp_path / "f")
    with pytest.raises(DownloadError, match="no http or https"):
        download("file:///etc/hostname", tmp_path / "f", sha256=SHA256, size=1)


def test_no_network_says_what_to_fetch_and_where_to_put_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ATTEMPTS", 1)
    with pytest.raises(DownloadError, match=r"Fetch http://127\.0\.0\.1:9/") as caught:
        download("http://127.0.0.1:9/x.pth", tmp_path / "f", sha256=SHA256, size=1)
    assert str(tmp_path / "f") in str(caught.value)
    monkeypatch.setenv("ECGFOUNDRY_OFFLINE", "1")
    with pytest.raises(DownloadError, match="ECGFOUNDRY_OFFLINE is set") as caught:
        get(server, tmp_path / "f")
    assert f"Fetch {server.address}{PATH} by other means" in str(caught.value)
    assert not server.paths
    # What has been put there is used, and only if it is the right file.
    (tmp_path / "f").write_bytes(CONTENT)
    assert get(server, tmp_path / "f") == tmp_path / "f"
    (tmp_path / "f").write_bytes(CONTENT[:-1])
    with pytest.raises(IntegrityError, match="Delete it"):
        get(server, tmp_path / "f")
    assert (tmp_path / "f").exists()


def test_two_processes_do_not_write_to_one_file(server: Server, tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    with (tmp_path / "f.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(DownloadError, match="another process"):
            get(server, tmp_path / "f")
        assert (tmp_path / "f.part").exists(), "the other has not begun to write"
    assert get(server, tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize("ended", ["well", "without one byte"])
def test_another_process_ends_its_download_as_this_one_begins(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    """Between the look for the file and the lock."""
    pytest.importorskip("fcntl")
    alone, path = hub._alone, tmp_path / "f"

    @contextlib.contextmanager
    def meanwhile(stream: Any, part: Path) -> Iterator[None]:
        part.unlink()
        if ended == "well":
            path.write_bytes(CONTENT)
        with alone(stream, part):
            yield

    with monkeypatch.context() as patch:
        patch.setattr(hub, "_alone", meanwhile)
        if ended == "well":
            assert get(server, path) == path
        else:
            with pytest.raises(DownloadError, match="another process"):
                get(server, path)
    assert server.paths == []
    assert get(server, path).read_bytes() == CONTENT
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


def test_the_published_entries_are_those_of_the_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(PUBLISHED) == {"ecgfounder-12lead", "ecgfounder-1lead"}
    twelve, one = PUBLISHED["ecgfounder-12lead"], PUBLISHED["ecgfounder-1lead"]
    assert (twelve.leads, one.leads) == (12, 1)
    assert twelve.sha256 == "ee199f3781f4ae1f732973267f003da0a759ea12bddb0dd28a77faa60aca7997"
    assert one.sha256 == "f863a38897fb49a27fec7e44008ea3c7bdbd29c77fa4a02ecbb8c56df4f37603"
    assert url_of(twelve) == (
        "https://huggingface.co/PKUDigitalHealth/ECGFounder/resolve/main/12_lead_ECGFounder.pth"
    )
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert url_of(one) == (
        "https://mirror.example/PKUDigitalHealth/ECGFounder/resolve/main/1_lead_ECGFounder.pth"
    )
    assert url_of(one, endpoint="http://here").startswith("http://here/PKU")
    with pytest.raises(ModelNotFoundError, match="Known are: ecgfounder-12lead"):
        pull("ecgfounder-8lead")


def test_pull_makes_a_bundle_once(server: Server, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnx")
    from tests.checkpoint_layouts import published_layout

    from ecgfoundry.models.registry import ARCHITECTURES, create_model

    torch.set_num_threads(1)
    tiny = ARCHITECTURES["net1d-tiny"]
    defaults = {**tiny.defaults, "widths": (16,), "blocks": (1,)}
    architecture = replace(tiny, name="net1d-smallest", defaults=defaults)
    with ARCHITECTURES.temporarily(architecture):
        torch.save(published_layout(create_model("net1d-smallest", leads=1)), tmp_path / "up.pth")
        server.content = (tmp_path / "up.pth").read_bytes()
        _pull_twice(server, tmp_path / "cache")
        torch.save(published_layout(create_model("net1d-smallest", leads=1)), tmp_path / "up.pth")
        server.content = (tmp_path / "up.pth").read_bytes()
        _pull_other_weights_under_the_name(server, tmp_path / "cache")


def _pull_other_weights_under_the_name(server: Server, cache: Path) -> None:
    """Weights that were published anew are not answered with the bundle of those before."""
    from ecgfoundry.models.bundle import load_bundle

    entry = replace(_entry(server), file="tiny-2.pth")
    folder = pull(entry, cache=cache, endpoint=server.address)
    checkpoint = load_bundle(folder).about.provenance.checkpoint
    assert checkpoint is not None
    assert checkpoint["sha256"] == hashlib.sha256(server.content).hexdigest()


def _entry(server: Server) -> PublishedWeights:
    return PublishedWeights(
        name="tiny-weights",
        repository="somebody/weights",
        file="tiny.pth",
        sha256=hashlib.sha256(server.content).hexdigest(),
        size=len(server.content),
        architecture="net1d-smallest",
        leads=1,
    )


def _pull_twice(server: Server, cache: Path) -> None:
    from ecgfoundry.models.bundle import load_bundle

    entry = _entry(server)
    folder = pull(entry, cache=cache, endpoint=server.address)
    assert folder == cache / "models" / "tiny-weights"
    bundle = load_bundle(folder)
    assert bundle.name == "tiny-weights"
    assert bundle.input.lead_mode == "any-single"
    requests = len(server.paths)
    assert pull(entry, cache=cache, endpoint=server.address) == folder
    assert len(server.paths) == requests
    # A damaged bundle is made anew from the file that is still there.
    (folder / "model.onnx").write_bytes(b"")
    pull(entry, cache=cache, endpoint=server.address)
    load_bundle(folder)
    assert len(server.paths) == requests
