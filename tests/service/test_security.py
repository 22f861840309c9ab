"""Tokens, rate limits, settings, names of files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

from starlette.testclient import TestClient

from ecgfoundry.errors import ServiceError
from ecgfoundry.service import tokens as tokens_module
from ecgfoundry.service.api import create_app
from ecgfoundry.service.gate import RateLimit
from ecgfoundry.service.problems import ProblemError
from ecgfoundry.service.recording_files import safe_name
from ecgfoundry.service.settings import ServiceSettings, is_loopback
from ecgfoundry.service.tokens import Token, Tokens, bearer, read_tokens

TOKEN = "correct-horse-battery"


@pytest.mark.parametrize(
    ("host", "answer"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("[::1]", True), ("127.9.9.9", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("example.org", False)],
)  # fmt: skip
def test_loopback(host: str, answer: bool) -> None:
    assert is_loopback(host) is answer


def test_beyond_loopback_a_token_is_required() -> None:
    with pytest.raises(ServiceError, match="no token"):
        ServiceSettings(host="0.0.0.0")
    with pytest.raises(ServiceError, match="16 characters"):
        ServiceSettings(tokens=("short",))
    assert TOKEN not in repr(ServiceSettings(host="0.0.0.0", tokens=(TOKEN,)))


def test_tokens_are_checked_on_every_address_but_the_open_ones() -> None:
    app = create_app(ServiceSettings(host="0.0.0.0", tokens=(TOKEN,)))
    client = TestClient(app, base_url="http://ecg.example")  # without lifespan: no workers needed
    assert client.get("/health").status_code == 200
    assert client.get("/").status_code == 200
    for path in ("/v1/models", "/metrics", "/openapi.json", "/v1/streams"):
        assert client.get(path).status_code == 401
        assert client.get(path).headers["www-authenticate"].startswith("Bearer")
        wrong = {"Authorization": "Bearer wrong-horse-battery"}
        assert client.get(path, headers=wrong).status_code == 401
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert client.get(path, headers=right).status_code == 200


def test_the_rate_is_limited_per_caller() -> None:
    limit = RateLimit(60, callers=2)
    for _ in range(10):
        limit.check("a", now=100.0)
    with pytest.raises(ProblemError) as caught:
        limit.check("a", now=100.0)
    assert (caught.value.problem.status, caught.value.problem.retry_after_s) == (429, 1)
    limit.check("b", now=100.0)
    limit.check("a", now=101.0)
    with pytest.raises(ProblemError):
        limit.check("a", now=101.5)


@given(st.text(), st.sampled_from(["Bearer ", "bearer ", "Basic ", ""]))
def test_no_other_token_is_taken(text: str, scheme: str) -> None:
    given_token = bearer(scheme + text)
    if scheme.lower() == "bearer " and text.strip() == TOKEN:
        return
    digest = hashlib.sha256((given_token or "").encode("utf-8", "surrogatepass")).digest()
    assert Tokens([TOKEN]).find(digest) is None


@given(st.text(max_size=300))
def test_a_name_on_disk_can_do_no_harm(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe) <= 100
    assert not safe.startswith(".")
    assert Path("/folder", safe).resolve().parent == Path("/folder")
    assert safe.isascii()


def test_names_that_wfdb_files_refer_to_stay_as_they_are() -> None:
    for name in ("A00001.hea", "03700181.dat", "patient-1_a.HEA"):
        assert safe_name(name) == name
    assert safe_name("../../etc/passwd") == "passwd"
    assert safe_name("C:\\data\\x.edf") == "x.edf"


def test_the_file_of_tokens_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# clinic\n{TOKEN}\n\n")
    path.chmod(0o644)
    with pytest.raises(ServiceError, match="others may read"):
        read_tokens(path)
    path.chmod(0o600)
    assert read_tokens(path) == (Token(TOKEN),)
    path.chmod(0o622)
    with pytest.raises(ServiceError, match="others may change"):
        read_tokens(path)
    path.chmod(0o600)
    path.write_text("# nothing\n")
    with pytest.raises(ServiceError, match="no token"):
        read_tokens(path)
    with pytest.raises(ServiceError, match="cannot be read"):
        read_tokens(tmp_path / "none")


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="secrets belong to root")
def test_a_secret_as_containers_mount_it_is_taken(tmp_path: Path) -> None:
    """Mode 0444, of root: Docker, Podman and Kubernetes mount secrets so."""
    path = tmp_path / "tokens"
    path.write_text(TOKEN)
    path.chmod(0o444)
    assert read_tokens(path) == (Token(TOKEN),)


@pytest.mark.parametrize("mode", [0o444, 0o644, 0o440, 0o400])
@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_an_ordinary_secret_of_a_container_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    """As compose binds it: with the owner and the mode that it has outside."""
    monkeypatch.setattr(tokens_module, "_MOUNTED_SECRETS", (str(tmp_path),))
    path = tmp_path / "tokens"
    path.write_text(TOKEN)
    if os.getuid() == 0:
        os.chown(path, 1000, 1000)
    path.chmod(mode)
    assert read_tokens(path) == (Token(TOKEN),)
    path.chmod(0o666)
    with pytest.raises(ServiceError, match="others may change"):
        read_tokens(path)


@pytest.mark.parametrize(
    ("line", "token"),
    [
        (TOKEN, Token(TOKEN, None, "write")),
        (f"{TOKEN} owner=ward-3", Token(TOKEN, "ward-3", "write")),
        (f"{TOKEN} role=read owner=ward-3", Token(TOKEN, "ward-3", "read")),
        (f"{TOKEN}\trole=admin", Token(TOKEN, None, "admin")),
    ],
)
def test_lines_of_tokens(tmp_path: Path, line: str, token: Token) -> None:
    path = tmp_path / "tokens"
    path.write_text(line + "\n")
    path.chmod(0o600)
    assert read_tokens(path) == (token,)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"{TOKEN} ward-3", "line 1 is no token"),
        (f"{TOKEN} owner=", "line 1 is no token"),
        (f"{TOKEN} role=root", "line 1: a token has the role 'root'"),
        ("short owner=x", "line 1: a token is shorter than 16 characters"),
        (f"{TOKEN}\n{TOKEN}", "a token twice"),
    ],
)
def test_lines_that_are_no_tokens(tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(line + "\n")
    path.chmod(0o600)
    with pytest.raises(ServiceError, match=words) as caught:
        read_tokens(path)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("port", [-1, 65_536, 99_999])
def test_a_port_that_does_not_exist_is_said(port: int) -> None:
    with pytest.raises(ServiceError, match=f"there is no port {port}"):
        ServiceSettings(port=port)
    assert ServiceSettings(port=65_535).port == 65_535
