"""A transaction to a small FHIR server that does what R4 says about conditional creates."""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest

import ecgfoundry
from ecgfoundry.reports.clinical import ClinicalReport, PatientLink
from ecgfoundry.reports.fhir import to_fhir
from ecgfoundry.reports.reviewed import Review, Said
from ecgfoundry.service.hospital import Destination
from ecgfoundry.service.senders.errors import DeliveryError
from ecgfoundry.service.senders.http import HttpTarget

resources = pytest.importorskip("fhir.resources.R4B")


@dataclass
class FhirServer:
    """Holds resources; refuses what is invalid, and references that lead nowhere (400)."""

    port: int = 0
    held: dict[str, dict[str, Any]] = field(default_factory=dict)

    def transact(self, body: bytes) -> int:
        """As R4 3.1.0.11.2: all or nothing.

        ifNoneExist, and what follows an address with PUT, is a search that may find one resource.
        """
        bundle = json.loads(body)
        resources.get_fhir_model_class("Bundle").model_validate(bundle)
        if bundle["resourceType"] != "Bundle" or bundle["type"] != "transaction":
            return 400
        places, new = {}, []
        for entry in bundle["entry"]:
            kind, _, condition = entry["request"]["url"].partition("?")
            method = entry["request"]["method"]
            name, _, token = (condition or entry["request"]["ifNoneExist"]).partition("=")
            assert method == ("PUT" if condition else "POST") and name == "identifier"
            found = [place for place in self.held if self.matches(place, kind, token)]
            if len(found) > 1:
                return 412
            place = found[0] if found else f"{kind}/{len(self.held) + len(new) + 1}"
            places[entry["fullUrl"]] = place
            if not found or method == "PUT":
                new.append((place, entry["resource"]))
        for place, resource in new:
            text = json.dumps(resource)
            for url, known in places.items():
                text = text.replace(f'"reference": "{url}"', f'"reference": "{known}"')
            if '"reference": "urn:' in text:
                return 400
            self.held[place] = json.loads(text)
        return 200

    def matches(self, place: str, kind: str, token: str) -> bool:
        system, _, value = (unquote(part) for part in token.partition("|"))
        identifiers = self.held[place].get("identifier", [])
        return place.startswith(f"{kind}/") and {"system": system, "value": value} in identifiers

    def kinds(self) -> dict[str, int]:
        kinds = [place.split("/")[0] for place in self.held]
        return {kind: kinds.count(kind) for kind in kinds}


@contextmanager
def fhir_server() -> Iterator[FhirServer]:
    server = FhirServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            right = self.headers["Content-Type"] == "application/fhir+json"
            self.send_response(server.transact(body) if right else 415)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        server.port = running.server_address[1]
        threading.Thread(target=running.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            running.shutdown()


def test_sent_twice_it_is_there_once_and_a_person_is_found_again() -> None:
    link = PatientLink(identifier="4711", system="https://hospital.example/mrn", name="Roe^Jane")
    answer = ecgfoundry.interpret("sample:12-lead")
    with fhir_server() as server:
        target = HttpTarget(f"http://127.0.0.1:{server.port}/")
        destination = Destination("a", "fhir", target, ("fhir",))
        server.held["Patient/1"] = {
            "resourceType": "Patient",
            "identifier": [{"system": "https://hospital.example/mrn", "value": "4711"}],
        }
        for day in (1, 1, 2):
            issued = dt.datetime(2026, 11, day, tzinfo=dt.UTC)
            start = dt.datetime(2026, 11, day, 7, tzinfo=dt.UTC)
            report = ClinicalReport(answer, issued, effective=start, patient=link)
            destination.send(json.dumps(to_fhir(report)).encode())
        kinds = server.kinds()
        assert kinds["Patient"] == 1 and kinds["Device"] == 1
        assert kinds["DiagnosticReport"] == 2  # of two days; the first was sent twice
        assert kinds["Observation"] % 2 == 0 and kinds["Observation"] >= 2 * 16
        (first, second) = (r for p, r in server.held.items() if p.startswith("DiagnosticReport"))
        assert first["subject"]["reference"] == second["subject"]["reference"] == "Patient/1"
        assert all(r["reference"] in server.held for r in first["result"])
        derived = [o for o in server.held.values() if "derivedFrom" in o]
        assert derived and all(
            d["reference"] in server.held for o in derived for d in o["derivedFrom"]
        )
        with pytest.raises(DeliveryError, match="answered 400") as refused:
            destination.send(b'{"resourceType": "Bundle", "type": "batch"}')
        assert refused.value.permanent


def test_a_review_makes_the_report_final_and_leaves_what_the_machine_has_observed() -> None:
    link = PatientLink(identifier="4711", system="https://hospital.example/mrn")
    answer = ecgfoundry.interpret("sample:12-lead")
    issued = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    with fhir_server() as server:
        target = HttpTarget(f"http://127.0.0.1:{server.port}/")
        destination = Destination("a", "fhir", target, ("fhir",))

        def sent(review: Review | None) -> dict[str, Any]:
            report = ClinicalReport(answer, issued, patient=link, review=review)
            destination.send(json.dumps(to_fhir(report)).encode())
            (told,) = (r for p, r in server.held.items() if p.startswith("DiagnosticReport/"))
            return told

        before = sent(None)
        observed = {
            place: server.held[place] for place in {r["reference"] for r in before["result"]}
        }
        first = Review("dr-weber", "confirmed", issued, 1)
        final = sent(first)
        assert (before["status"], final["status"]) == ("preliminary", "final")
        assert sent(first) == final, "sent twice it is the same"
        said = (Said("SINUS TACHYCARDIA", False),)
        second = Review("dr-kaya", "edited", issued, 2, said, before=1, released=True)
        amended = sent(second)
        assert (amended["status"], amended["performer"]) == ("amended", [{"display": "dr-kaya"}])
        assert {place: server.held[place] for place in observed} == observed
        assert {resource["status"] for resource in observed.values()} == {"preliminary"}
        by_reader = [o for o in server.held.values() if o.get("performer") and "result" not in o]
        assert {o["performer"][0]["display"] for o in by_reader} == {"dr-weber", "dr-kaya"}
        (taken_back,) = [o for o in by_reader if o["valueBoolean"] is False]
        assert taken_back["code"]["text"] == "sinus tachycardia"
        assert server.kinds()["Patient"] == 1
