"""A command imports what it needs, and the list of commands says what each of them does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ecgfoundry.cli.main import COMMANDS, main

ONE_FILE = """
import sys
from ecgfoundry.cli.main import main
try:
    main(["diagnose", "sample:12-lead"])
except SystemExit as ended:
    assert not ended.code, ended.code
print("@", *(name for name in sys.modules if name.startswith("ecgfoundry.")))
"""
NOT_FOR_ONE_FILE = (
    "api", "corpus", "datasets", "engines", "evaluation", "explanations", "inference.batch",
    "inference.live", "labs", "manifest", "mcp", "models.export", "models.networks",
    "reports.fhir", "reports.html", "reports.paper", "service", "streams", "synthesis", "training",
)  # fmt: skip


def test_diagnosing_one_file_imports_its_reader_and_nothing_of_training_or_service() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ONE_FILE], capture_output=True, text=True, check=True
    )
    imported = done.stdout.rsplit("\n@ ", 1)[1].split()
    assert "ecgfoundry.inference.predictor" in imported
    for package in NOT_FOR_ONE_FILE:
        name = f"ecgfoundry.{package}"
        assert not [own for own in imported if own == name or own.startswith(f"{name}.")], name
    formats = {name.split(".")[2] for name in imported if name.startswith("ecgfoundry.formats.")}
    assert formats == {"base", "builtin", "common", "files", "registry", "wfdb", "zip"}
    assert "ecgfoundry.formats.zip.reader" not in imported
    other = {place.split(":")[0] for place in COMMANDS.values()} - {"diagnose"}
    assert not [name for name in other if f"ecgfoundry.cli.{name}" in imported]


def test_the_list_of_commands_says_what_each_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert not ended.value.code
    printed = " ".join(capsys.readouterr().out.split())
    assert "diagnose Interpret ECG files" in printed
    assert "synth Simulated data sets" in printed
