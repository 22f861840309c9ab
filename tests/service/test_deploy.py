"""The recipes in deploy/: what they start is a command that exists, with what it needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the service needs the extra 'serve'")

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def known_options() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-m", "ecgfoundry", "serve", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin"} | _python_path(),
    )
    return set(re.findall(r"--[a-z-]+", done.stdout))


def _python_path() -> dict[str, str]:
    import os

    return {key: os.environ[key] for key in ("PYTHONPATH", "HOME") if key in os.environ}


def test_the_container_starts_a_command_that_exists(known_options: set[str]) -> None:
    text = (DEPLOY / "Containerfile").read_text()
    words = entry_point()
    assert words[:2] == ["ecgfoundry", "serve"]
    assert {word for word in words if word.startswith("--")} <= known_options
    # PDF reports need Pango; the package comes from the built wheel and from no index.
    assert "libpango-1.0-0" in text
    (install,) = re.findall(r"pip install .*?&&", text, re.DOTALL)
    assert "--no-index" in install
    assert "/wheels/ecgfoundry-*.whl" in install
    # pip refuses a wheel of another platform than those named; ours is built without manylinux.
    (download,) = re.findall(r"pip download(.*?)\[formats,serve,hospital\]", text, re.DOTALL)
    assert {"linux_x86_64", "any"} <= set(re.findall(r"--platform (\S+)", download))
    assert re.search(r"^USER [1-9][0-9]*$", text, re.MULTILINE), "a number: not root, to be seen so"


def documents(name: str) -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    return list(yaml.safe_load_all((DEPLOY / name).read_text()))


def entry_point() -> list[str]:
    text = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
    (entry,) = re.findall(r"^ENTRYPOINT (\[.*\])$", text, re.MULTILINE)
    return list(json.loads(entry))


def test_compose_names_only_what_is_there() -> None:
    (whole,) = documents("compose.yaml")
    assert set(whole) == {"services", "secrets", "volumes"}
    words = entry_point()
    for name, service in whole["services"].items():
        assert set(service.get("secrets", ())) <= set(whole["secrets"]), name
        mounted = [volume.split(":")[0] for volume in service.get("volumes", ())]
        assert set(mounted) <= set(whole["volumes"]), name
        assert set(service.get("depends_on", ())) <= set(whole["services"]), name
        assert service["mem_limit"], name
        for variable, value in service["environment"].items():
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], variable
    ours = whole["services"]["ecgfoundry"]
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    # The places that the entry point of the image writes to and reads from.
    assert words[words.index("--keep-folder") + 1] in [v.split(":")[1] for v in ours["volumes"]]
    assert Path(words[words.index("--tokens") + 1]).name in ours["secrets"]
    assert "healthcheck" in whole["services"]["database"]


def test_kubernetes_names_only_what_is_there(known_options: set[str]) -> None:
    found = {document["kind"]: document for document in documents("kubernetes.yaml")}
    assert all({"apiVersion", "kind", "metadata", "spec"} <= set(document) for document in
               found.values() if document["kind"] != "ServiceAccount")  # fmt: skip
    deployment = found["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    for selector in (
        deployment["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    pod = deployment["template"]["spec"]
    assert pod["serviceAccountName"] == found["ServiceAccount"]["metadata"]["name"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    (container,) = pod["containers"]
    assert {word.split("=")[0] for word in container["args"]} <= known_options
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe, path in (
        ("startupProbe", "/ready"),
        ("readinessProbe", "/ready"),
        ("livenessProbe", "/health"),
    ):
        asked = container[probe]["httpGet"]
        assert (asked["path"], ports[asked["port"]]) == (path, 8765)
        # A probe is asked by a name that the service goes by.
        (host,) = asked["httpHeaders"]
        assert f"--allowed-host={host['value']}" in container["args"]
    assert container["resources"]["limits"]["memory"]
    inside = container["securityContext"]
    assert (inside["readOnlyRootFilesystem"], inside["allowPrivilegeEscalation"]) == (True, False)
    assert inside["capabilities"] == {"drop": ["ALL"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert set(mounts.values()) == set(volumes)
    words = entry_point()
    assert words[words.index("--keep-folder") + 1] in mounts
    assert "/tmp" in mounts
    claim = volumes["recordings"]["persistentVolumeClaim"]["claimName"]
    assert claim == found["PersistentVolumeClaim"]["metadata"]["name"]
    assert found["PersistentVolumeClaim"]["spec"]["accessModes"] == ["ReadWriteMany"]
    assert volumes["secrets"]["secret"]["defaultMode"] == 0o444
    assert ports[found["Service"]["spec"]["ports"][0]["targetPort"]] == 8765


def test_the_unit_starts_a_command_that_exists(known_options: set[str]) -> None:
    text = (DEPLOY / "ecgfoundry.service").read_text().replace("\\\n", " ")
    (command,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert set(re.findall(r"--[a-z-]+", command)) <= known_options
