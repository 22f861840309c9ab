"""The core install has no PyTorch: everything that a user of the shipped models calls works."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

BLOCK = """
import sys

class Blocked:
    names = ("torch", "onnx", "safetensors", "wfdb", "pandas", "sklearn", "onnxscript")

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0])

sys.meta_path.insert(0, Blocked())
"""


EVERY_MODULE = """
import importlib, pkgutil, ecgfoundry
skipped = tuple(
    f"ecgfoundry.{package}"
    for package in (
        "training", "models.networks", "models.onnx_", "preprocessing.tensors", "labs.train",
        "labs.visits", "service.", "api.dataset", "api.estimators", "tasks.losses",
    )
)
for absent in ((), ("fcntl", "resource")):  # Windows has neither
    Blocked.names += absent
    for name in list(sys.modules):
        if name.split(".")[0] in ("ecgfoundry", *absent):
            del sys.modules[name]
    for module in pkgutil.walk_packages(ecgfoundry.__path__, "ecgfoundry."):
        if not module.name.startswith(skipped) and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BLOCK + code],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow  # make test-core and test-oldest run it too, in an environment that is so
def test_both_shipped_models_answer() -> None:
    out = run(
        """
from ecgfoundry.cli.main import main
main(["diagnose", "sample:12-lead", "sample:single-lead", "--json"])
"""
    )
    first, second = map(json.loads, out.splitlines())
    assert first["model"] == "ptbxl-superclass-12lead" and first["refused"] is None
    assert second["model"] == "rhythm-single-lead" and second["refused"] is None


@pytest.mark.slow
def test_every_core_module_imports_with_and_without_fcntl_and_resource() -> None:
    run(EVERY_MODULE)


def test_what_needs_torch_says_how_to_install_it() -> None:
    out = run(
        """
import ecgfoundry
from ecgfoundry.errors import MissingExtraError
for call in (
    lambda: ecgfoundry.create_model("net1d"),
    lambda: ecgfoundry.load_model("rhythm-single-lead", runtime="torch"),
    lambda: ecgfoundry.from_pretrained("rhythm-single-lead"),
    lambda: ecgfoundry.Dataset,
    lambda: ecgfoundry.EcgClassifier,
):
    try:
        call()
    except MissingExtraError as error:
        print(error)
"""
    )
    assert out.count("pip install 'ecgfoundry[torch]'") == 4
    assert out.count("pip install 'ecgfoundry[data]'") == 1


def test_import_is_light() -> None:
    """``import ecgfoundry`` alone loads none of the heavy libraries."""
    out = run("import ecgfoundry; print(*[m for m in ('numpy', 'scipy') if m in sys.modules])")
    assert out.strip() == ""
