"""The file of a hospital: what it says, and what it may not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecgfoundry.errors import ServiceError
from ecgfoundry.service.hospital import Destination, Retries, read_hospital
from ecgfoundry.service.senders.dicom import DicomNode
from ecgfoundry.service.senders.http import HttpTarget
from ecgfoundry.service.senders.mllp import MllpNode
from ecgfoundry.service.settings import ServiceSettings

pytest.importorskip("pynetdicom")

WHOLE = """
time_zone = "Europe/Berlin"
patient_system = "https://hospital.example/mrn"
organization = "KH Nord"

[worklist]
host = "10.0.0.7"
port = 106
called = "RIS"
calling = "ECG2"
timeout_s = 3

[destinations.records]
kind = "fhir"
url = "https://fhir.hospital.example/r4"
token_file = "token"
owners = ["cardiology"]

[destinations.engine]
kind = "mllp"
host = "10.0.0.5"
port = 2575
receiving_application = "EHR"
patient_system = "KH"
attempts = 3

[destinations.pacs]
kind = "dicom"
host = "10.0.0.6"
port = 104
called = "PACS"
documents = ["sr"]
sources = ["dicom"]
stages = ["reader"]
timeout_s = 5

[destinations.archive]
kind = "stow"
url = "https://pacs.hospital.example/dicom-web/studies"

[destinations.hook]
kind = "webhook"
url = "http://127.0.0.1:9/x"
secret_file = "token"

[receivers.dicom]
host = "0.0.0.0"
port = 11113
titles = ["ECGFOUNDRY", "ECG2"]
max_mb = 32
callers = { CART1 = "cardiology", "*" = "carts" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("a secret of some length\n")
    (tmp_path / "token").chmod(0o600)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    (folder / "hospital.toml").write_text(text)
    return folder / "hospital.toml"


def test_everything_that_can_be_said(folder: Path) -> None:
    hospital = read_hospital(written(folder, WHOLE))
    records, engine, pacs, archive, hook = hospital.destinations.values()
    assert records.target == HttpTarget(
        "https://fhir.hospital.example/r4", "a secret of some length"
    )
    assert records.documents == ("fhir",) and records.time_zone == "Europe/Berlin"
    assert records.patient_system == "https://hospital.example/mrn"
    assert records.wants("cardiology", "dicom:CART1", "machine")
    assert not records.wants("x", "http", "machine")
    assert engine.target == MllpNode("10.0.0.5", 2575)
    assert engine.parties.receiving_application == "EHR" and engine.parties.application
    assert (engine.patient_system, engine.retries.attempts) == ("KH", 3)
    assert pacs.target == DicomNode("10.0.0.6", 104, "PACS", timeout_s=5.0)
    assert pacs.documents == ("dicom-sr",)
    assert pacs.wants("anybody", "dicom:CART1", "reader")
    assert not pacs.wants("anybody", "http", "reader")
    assert not pacs.wants("anybody", "dicom:CART1", "machine")
    assert {one.organization for one in hospital.destinations.values()} == {"KH Nord"}
    assert hospital.worklist == DicomNode("10.0.0.7", 106, "RIS", "ECG2", timeout_s=3.0)
    assert archive.documents == ("dicom-pdf", "dicom-sr")
    assert hook.secret == b"a secret of some length"
    assert hospital.dicom is not None
    assert hospital.dicom.titles == ("ECGFOUNDRY", "ECG2") and hospital.dicom.port == 11113
    assert hospital.dicom.callers == {"CART1": "cardiology", "*": "carts"}
    for shown in (repr(records), repr(hook)):
        assert "secret of some" not in shown


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1", "unknown key 'x'"),
        ("[destinations.a]\nkind = 'fax'", "unknown kind 'fax'"),
        ("[destinations.a]\nkind = 'fhir'", "lacks 'url'"),
        ("[destinations.a]\nkind = 'fhir'\nurl = 'ftp://x'", "no address with http"),
        ("[destinations.a]\nkind = 'fhir'\nurl = 'http://x'\nhots = 1", "unknown key 'hots'"),
        ("[destinations.a]\nkind = 'mllp'\nhost = 'x'\nport = '1'", "'port' is of the wrong kind"),
        ("[destinations.a]\nkind = 'webhook'\nurl = 'http://x'", "lacks 'secret_file'"),
        ("[destinations.a]\nkind = 'stow'\nurl = 'http://x'\ndocuments = ['x']", "unknown 'x'"),
        ("time_zone = 'Mars/Olympus'", "no time zone"),
        ("[receivers.dicom]\nport = 1", "lacks 'callers'"),
        ("[receivers.dicom]\ncallers = {}", "an owner for each AE title"),
        ("[worklist]\nhost = 'x'\nport = 1", "lacks 'called'"),
        (
            "[destinations.a]\nkind = 'fhir'\nurl = 'http://x'\nstages = ['all']",
            "'stages' has the unknown 'all'",
        ),
        ("[receivers.fax]\nport = 1", "unknown key 'fax'"),
        ("[[", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(folder: Path, text: str, words: str) -> None:
    with pytest.raises(ServiceError, match=words):
        read_hospital(written(folder, text))


def test_a_secret_that_others_may_read_is_refused(folder: Path) -> None:
    (folder / "token").chmod(0o644)
    with pytest.raises(ServiceError, match="others may read"):
        read_hospital(written(folder, WHOLE))


def test_pauses_double_up_to_a_limit() -> None:
    rule = Retries(attempts=6, first_retry_s=10, longest_retry_s=50)
    assert [rule.pause_s(n) for n in range(1, 7)] == [10, 20, 40, 50, 50, None]


def test_what_comes_in_has_to_be_kept(folder: Path) -> None:
    hospital = read_hospital(written(folder, WHOLE))
    with pytest.raises(ServiceError, match="has to be kept"):
        ServiceSettings(hospital=hospital)


def test_a_destination_without_limits_wants_everything() -> None:
    assert Destination("a", "fhir", HttpTarget("http://x"), ("fhir",)).wants(
        "anybody", "http", "machine"
    )
