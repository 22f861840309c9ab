"""Who calls: tokens that expire and are read again, an identity provider, the audit trail, logs."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.testclient import TestClient
from tests.service.conftest import LocalClient

from ecgfoundry.errors import ServiceError
from ecgfoundry.samples import sample_path
from ecgfoundry.service import tokens as tokens_module
from ecgfoundry.service.api import create_app
from ecgfoundry.service.logs import REQUEST, JsonLines, request_name
from ecgfoundry.service.oidc import IdentityProvider, OidcSettings
from ecgfoundry.service.settings import ServiceSettings
from ecgfoundry.service.tokens import Caller, Token, Tokens, read_tokens

ISSUER, AUDIENCE = "https://id.example.org/realms/hospital", "ecgfoundry"
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    return path


# ------------------------------------------------------------------------------------------ tokens


@pytest.mark.parametrize(
    ("words", "expires"),
    [
        ("expires=2027-01-31", dt.datetime(2027, 2, 1, tzinfo=dt.UTC)),
        ("expires=2027-01-31T12:00+02:00", dt.datetime(2027, 1, 31, 10, tzinfo=dt.UTC)),
    ],
)
def test_a_token_with_all_its_words(tmp_path: Path, words: str, expires: dt.datetime) -> None:
    line = f"token-of-ward-three-1 owner=ward-3 role=read name=dr-weber {words}"
    (token,) = read_tokens(written(tmp_path / "tokens", line))
    assert (token.owner, token.role, token.name) == ("ward-3", "read", "dr-weber")
    assert token.expires == expires


@pytest.mark.parametrize("time_", ["tomorrow", "2027-01-31T12:00", "2027-02-30", "20270131"])
def test_times_that_are_none(tmp_path: Path, time_: str) -> None:
    path = written(tmp_path / "tokens", f"token-of-ward-three-1 expires={time_}")
    with pytest.raises(ServiceError, match=f"line 1: '{time_}' is no time"):
        read_tokens(path)


def test_a_token_is_none_from_the_moment_it_expires() -> None:
    token = Token("token-of-ward-three-1", expires=NOON)
    known = Tokens([token])
    assert known.find(token.digest, NOON - dt.timedelta(seconds=1)) is not None
    assert known.find(token.digest, NOON) is None


def test_the_file_of_tokens_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens_module, "_LOOK_S", 0.0)
    path = written(tmp_path / "tokens", "token-of-ward-three-1")
    settings = ServiceSettings(tokens=read_tokens(path), tokens_file=path)
    client = TestClient(create_app(settings), base_url="http://127.0.0.1:8765")

    def status(token: str) -> int:
        return client.get("/v1/models", headers={"Authorization": f"Bearer {token}"}).status_code

    assert (status("token-of-ward-three-1"), status("token-of-ward-nine-11")) == (200, 401)
    written(path, "token-of-ward-nine-11", "# the other was given away")
    assert (status("token-of-ward-three-1"), status("token-of-ward-nine-11")) == (401, 200)
    # A file that cannot be taken opens nothing and closes nothing.
    for damage in ("short", ""):
        written(path, damage)
        assert (status("token-of-ward-three-1"), status("token-of-ward-nine-11")) == (401, 200)
    path.unlink()
    assert status("token-of-ward-nine-11") == 200


# -------------------------------------------------------------------------------- identity provider

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def jwks(*keys: tuple[str, Any]) -> str:
    made = []
    for name, key in keys:
        algorithm = jwt.algorithms.ECAlgorithm if key is EC_KEY else jwt.algorithms.RSAAlgorithm
        kind = "ES256" if key is EC_KEY else "RS256"
        made.append(
            json.loads(algorithm.to_jwk(key.public_key()))
            | {"kid": name, "use": "sig", "alg": kind}
        )
    made.append({"kty": "oct", "k": "c2VjcmV0", "kid": "shared"})
    made.append({"kty": "new", "kid": "of later"})
    return json.dumps({"keys": made})


def signed(
    key: Any = RSA_KEY, kid: str | None = "one", algorithm: str = "RS256", **claims: Any
) -> str:
    body = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "u-17",
        "exp": time.time() + 300,
        "ecg_role": "write",
        "ecg_owner": "ward-3",
        "preferred_username": "dr.weber",
    } | claims
    body = {name: value for name, value in body.items() if value is not None}
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(body, key, algorithm, headers=headers)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(jwks(("one", RSA_KEY), ("two", EC_KEY)))
    return path


def caller(token: str, keys: str | Path) -> Caller | None:
    provider = IdentityProvider(OidcSettings(ISSUER, AUDIENCE, str(keys)))
    return asyncio.run(provider.caller(token))


def test_a_token_of_the_provider_says_who_calls(keys: Path) -> None:
    expected = Caller("ward-3", "write", "oidc:u-17", "dr.weber")
    assert caller(signed(), keys) == expected
    assert caller(signed(EC_KEY, "two", "ES256"), keys) == expected
    many = caller(signed(ecg_role=["offline", "read", "admin"], ecg_owner=None), keys)
    assert many == Caller("u-17", "admin", "oidc:u-17", "dr.weber")


@pytest.mark.parametrize(
    "token",
    [
        signed(OTHER_KEY),
        signed(kid="of later"),
        signed(kid="unknown"),
        signed(iss="https://evil.example.org"),
        signed(aud="another service"),
        signed(aud=None),
        signed(exp=time.time() - 60),
        signed(exp=None),
        signed(nbf=time.time() + 600),
        signed(sub=None),
        signed(ecg_role=None),
        signed(ecg_role="root"),
        signed(ecg_owner=["ward-3"]),
        signed(b"secret" * 8, "shared", "HS256"),
        signed(b"secret" * 8, "one", "HS256"),
        signed(EC_KEY, "one", "ES256"),
        jwt.encode({"sub": "u-17"}, "", "none"),
        signed()[:-4],
        "ey.ey.ey",
    ],
)
def test_tokens_that_open_nothing(keys: Path, token: str) -> None:
    assert caller(token, keys) is None


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"keys": [{"kty": "RSA"}]}', None])
def test_keys_that_cannot_be_read_open_nothing(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "jwks.json"
    if content is not None:
        path.write_text(content)
    assert caller(signed(), path) is None


@pytest.fixture
def provider() -> Iterator[Any]:
    """An identity provider whose keys change, and that counts how often it is asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked += 1
            self.send_response(200)
            self.end_headers()
            self.wfile.write(server.keys.encode())

        def log_message(self, *args: Any) -> None:
            pass

    server: Any = HTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.keys = 0, jwks(("one", RSA_KEY))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_new_keys_are_fetched_and_made_up_names_do_not_ask_again(provider: Any) -> None:
    address = f"http://127.0.0.1:{provider.server_port}/jwks"
    known = IdentityProvider(OidcSettings(ISSUER, AUDIENCE, address))

    async def run() -> None:
        assert await known.caller(signed()) is not None
        assert await known.caller(signed()) is not None
        assert provider.asked == 1
        provider.keys = jwks(("new", OTHER_KEY))
        rotated = signed(OTHER_KEY, "new")
        for _ in range(20):
            assert await known.caller(rotated) is None, "asked a moment ago"
        assert provider.asked == 1
        known._tried -= 60.0
        assert await known.caller(rotated) is not None
        assert await known.caller(signed()) is None, "the old key was taken back"
        assert provider.asked == 2

    asyncio.run(run())


def test_keys_do_not_come_over_an_open_line() -> None:
    with pytest.raises(ServiceError, match="open line"):
        OidcSettings(ISSUER, AUDIENCE, "http://id.example.org/jwks")


@pytest.mark.usefixtures("still_gate")
def test_the_service_takes_both_kinds_of_tokens(keys: Path, tmp_path: Path) -> None:
    settings = ServiceSettings(
        host="0.0.0.0",
        tokens=(Token("token-of-an-admin-111", "it", "admin"),),
        oidc=OidcSettings(ISSUER, AUDIENCE, str(keys)),
        keep_folder=tmp_path / "kept",
        wrong_tokens_per_minute=3,
    )
    header = sample_path("single-lead")
    files = [
        ("file", (path.name, path.read_bytes())) for path in header.parent.glob(f"{header.stem}.*")
    ]
    with LocalClient(create_app(settings)) as client:

        def as_(token: str) -> dict[str, str]:
            return {"Authorization": f"Bearer {token}"}

        admin = as_("token-of-an-admin-111")
        assert client.get("/v1/audit", headers=admin).json() == {"rows": []}
        kept = client.post("/v1/recordings", files=files, headers=as_(signed()))
        assert kept.status_code == 201, kept.text
        address = f"/v1/recordings/{kept.json()['recording']}"
        assert client.get(address, headers=as_(signed())).status_code == 200
        other = as_(signed(ecg_owner="ward-9", sub="u-99"))
        assert client.get(address, headers=other).status_code == 404
        said = {"decision": "confirmed"}
        reader = as_(signed(ecg_role="read"))
        assert client.post(f"{address}/reviews", json=said, headers=reader).status_code == 403
        review = client.post(f"{address}/reviews", json=said, headers=as_(signed())).json()
        assert review["reader"] == "dr.weber"
        for number in range(4):
            wrong = client.get(address, headers=as_(signed(OTHER_KEY)))
            assert wrong.status_code == (401 if number < 3 else 429)
        rows = client.get("/v1/audit", headers=admin).json()["rows"]
        # A new token of the provider is taken though others from there were wrong.
        assert client.get("/v1/audit", headers=as_(signed())).status_code == 403
    seen = [(row["who"], row["action"], row["outcome"]) for row in rows]
    address = "address:testclient"
    assert sorted(seen) == sorted(
        [
            ("oidc:u-17", "recording.kept", "ok"),
            ("oidc:u-17", "recording.read", "ok"),
            ("oidc:u-99", "recording.read", "not found"),
            ("oidc:u-17", "review.confirmed", "ok"),
            ("oidc:u-17", "request.refused", "403"),
            *[(address, "request.refused", "401")] * 3,
            (address, "request.refused", "429"),
        ]
    )


# --------------------------------------------------------------------------------------------- logs


def test_a_request_has_a_name_in_its_answer(service: TestClient) -> None:
    given = service.get("/health", headers={"X-Request-Id": "gateway-0017"})
    assert given.headers["x-request-id"] == "gateway-0017"
    made = service.get("/health", headers={"X-Request-Id": "two words\t<script>"})
    assert len(made.headers["x-request-id"]) == 16
    assert request_name(None) != request_name(None)


def test_logs_are_json_with_the_name_of_the_request(
    service: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[dict[str, Any]] = []

    class Written(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(json.loads(JsonLines().format(record)))

    handler = Written()
    logger = logging.getLogger("ecgfoundry.service.audit")
    logger.addHandler(handler)
    with caplog.at_level("INFO"):
        service.post(
            "/v1/diagnose?filename=DOE_JANE.csv",
            content=b"Jane Doe,1",
            headers={"X-Request-Id": "r-1"},
        )
    logger.removeHandler(handler)
    (line,) = lines
    assert (line["request"], line["method"], line["route"]) == ("r-1", "POST", "/v1/diagnose")
    assert (line["status"], line["level"]) == (415, "info")
    assert dt.datetime.fromisoformat(line["time"]).tzinfo is not None
    assert "Jane" not in str(lines)
    assert REQUEST.get() is None
