"""The page of a model: the modules of ``files``, the model and the runtime in one HTML file."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import ModuleType

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import BundleError
from ecgfoundry.formats.scp.leads import SCP_LEADS
from ecgfoundry.leads import (
    LEAD_ALIASES,
    LIMB_COEFFICIENTS,
    NAME_PREFIXES,
    NAME_SURROUNDINGS,
    STANDARD_12_LEADS,
    UNNAMED_ECG,
)
from ecgfoundry.measurements import beats, gate, noise, recognition
from ecgfoundry.models.bundle import SHORT_SHARE, Bundle
from ecgfoundry.models.export import model_json, new_folder
from ecgfoundry.models.web_export.runtime import LOADER, PROGRAM, SCRIPT
from ecgfoundry.preprocessing.standardization import SINGLE_LEAD_PREFERENCE
from ecgfoundry.signals import lead_metrics, quality
from ecgfoundry.signals.windows import LONG_RECORDING_S, REMAINDER_SHARE, TOLERANCE_S
from ecgfoundry.units import MILLIVOLTS

__all__ = ["WEB_KINDS", "bundled", "export_web"]

WEB_KINDS = ("multiclass", "multilabel")
"""Kinds of answers that the page can give."""

_STEPS = (
    "fill-gaps", "resample", "notch", "butterworth", "subtract-running-median", "keep-every",
    "z-score", "clip", "blank-gaps",
)  # fmt: skip
"""Steps that ``recipe.js`` runs."""

_IMPORT = re.compile(r'^import \{ ([\w, ]+) \} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|const) (\w+))", re.MULTILINE)


def export_web(bundle: Bundle, output: str | Path, runtime: Mapping[str, bytes]) -> Path:
    """Write a folder with a page that runs the model in a browser, from a disk and offline.

    Parameters
    ----------
    bundle : Bundle
        With ``model.onnx``.
    output : str or Path
        A folder that does not exist yet, or is empty.
    runtime : mapping of str to bytes
        As :func:`ecgfoundry.models.web_export.runtime.find_runtime` returns it.

    Returns
    -------
    Path
        ``output``, with ``index.html`` (all that is needed), ``model.json``, ``preprocessing.json``
        and ``README.md``.

    Raises
    ------
    BundleError
        The page cannot give answers of this kind or run the recipe, the model was trained on
        simulated patients, or there is no graph.
    FileAccessError
        The folder exists and has something in it.
    """
    if bundle.target_kind not in WEB_KINDS:
        raise BundleError(
            f"answers of the kind '{bundle.target_kind}' have no form on the page",
            path=bundle.folder,
            remedy=f"The page is for {', '.join(WEB_KINDS)}; use --format onnx",
        )
    if bundle.about.provenance.synthetic:
        raise BundleError(
            "it was trained on simulated patients, and a page has nobody to say so to",
            path=bundle.folder,
            remedy="Its answers mean nothing for people; use --format onnx",
        )
    if bundle.input.taught:
        raise BundleError(
            f"it has learned from lead {', '.join(bundle.input.taught)} alone, and the page would "
            "read all leads",
            path=bundle.folder,
            remedy="Use --format onnx, or train a one-lead model",
        )
    for step in bundle.recipe.steps:
        if step.kind not in _STEPS:
            raise BundleError(
                f"the preprocessing step {step.kind} has no form on the page",
                path=bundle.folder,
                remedy="Use --format onnx",
            )
    graph = bundle.file("model.onnx").read_bytes()
    with new_folder(output) as folder:
        page = _page(_facts(bundle), graph, runtime)
        (folder / "index.html").write_text(page, encoding="utf-8")
        bundle.recipe.write(folder / "preprocessing.json")
        (folder / "model.json").write_text(model_json(bundle), encoding="utf-8")
        (folder / "README.md").write_text(_readme(bundle, len(page.encode())), encoding="utf-8")
    return Path(output)


def bundled(entry: str = "page") -> str:
    """Return the modules of the page as one classic script: a page on a disk cannot load modules.

    Each module becomes a function that returns what it exports, behind those that it imports.
    """
    done: dict[str, str] = {}

    def add(name: str) -> None:
        if name in done:
            return
        text = (_files() / f"{name}.js").read_text(encoding="utf-8")
        for match in _IMPORT.finditer(text):
            add(match[2])
        body = _IMPORT.sub(r"const { \1 } = module_\2;\n", text)
        exported = _EXPORT.findall(body)
        body = _EXPORT.sub("", body)
        returned = f"return {{ {', '.join(exported)} }};"
        done[name] = f"const module_{name} = (() => {{\n{body}\n{returned}\n}})();\n"

    add(entry)
    return '"use strict";\n(() => {\n' + "\n".join(done.values()) + "})();\n"


def _files() -> Path:
    return Path(str(files("ecgfoundry.models") / "web_export" / "files"))


def _facts(bundle: Bundle) -> JsonObject:
    """What the page needs and the project states in one place each."""
    return {
        "model": json.loads(model_json(bundle))
        | {"shape": {"rows": bundle.input.rows, "samples": bundle.input.samples}},
        "recipe": bundle.recipe.document,
        "leads": {
            "aliases": dict(LEAD_ALIASES),
            "prefixes": list(NAME_PREFIXES),
            "around": list(NAME_SURROUNDINGS),
            "standard": list(STANDARD_12_LEADS),
            "unnamed": UNNAMED_ECG,
            "limb": {lead: list(pair) for lead, pair in LIMB_COEFFICIENTS.items()},
            "preference": list(SINGLE_LEAD_PREFERENCE),
            "scp": {str(code): lead for code, lead in SCP_LEADS.items()},
        },
        "millivolts": dict(MILLIVOLTS),
        "quality": _limits(quality),
        "lead_metrics": _limits(lead_metrics),
        "beats": _limits(beats),
        "recognition": _limits(recognition),
        "recognition_words": dict(recognition.WORDS),
        "recognition_trees": recognition.recognition_trees().to_dict(),
        "noise": _limits(noise),
        "gate": _limits(gate),
        "gate_words": {
            "code": gate.NOISE_IN_BAND,
            "noise": gate.NOISE_WORDS,
            "doubt_code": gate.MAY_BE_NO_ECG,
            "doubt": gate.DOUBT_WORDS,
        },
        "windows": {
            "remainder_share": REMAINDER_SHARE,
            "longest_strip_s": LONG_RECORDING_S + TOLERANCE_S,
            "short_share": SHORT_SHARE,
        },
    }


def _limits(module: ModuleType) -> JsonObject:
    """Return the numbers that stand at the top of a module, and pairs of them."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, float | int | tuple)
    }


def _page(facts: JsonObject, graph: bytes, runtime: Mapping[str, bytes]) -> str:
    template = (_files() / "index.html").read_text(encoding="utf-8")
    style = (_files() / "style.css").read_text(encoding="utf-8")
    scripts = [runtime[SCRIPT].decode("utf-8"), bundled()]
    # Only these two scripts may run, and no connection may be opened. The runtime's loader is a
    # part of the page that becomes a blob.
    hashes = " ".join(_hash(script) for script in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes} blob: 'wasm-unsafe-eval'; "
        f"style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    )
    data = {
        "runtime-loader": runtime[LOADER],
        "runtime-program": runtime[PROGRAM],
        "network": graph,
    }
    parts = [
        f'<script type="text/plain" id="{name}">{_packed(content)}</script>'
        for name, content in data.items()
    ]
    text = json.dumps(facts, ensure_ascii=False).replace("<", "\\u003c")
    parts.append(f'<script type="application/json" id="facts">{text}</script>')
    for script in scripts:
        if "</script" in script:
            raise ValueError("a script of the page holds the end of a script")
        parts.append(f"<script>{script}</script>")
    made = template.replace("POLICY", policy).replace("STYLE", style)
    return made.replace("PARTS", "\n".join(parts))


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def _readme(bundle: Bundle, size: int) -> str:
    return f"""# {bundle.name} {bundle.version}, as a page

Open `index.html` ({size / 1e6:.1f} MB) in a current browser (tested in Chromium alone), from any
disk, without a network. Drop a recording: CSV or text, EDF or BDF (without gaps), WFDB (one
segment, formats 16, 80 and 212; header and signal file together), DICOM waveform (explicit little
endian). Nothing leaves the computer: the page's own policy lets it open no connection.

{bundle.about.intended_use}

The numbers are those of ecgfoundry within 0.0001 of each probability. The quality gate is
that of ecgfoundry too: the checks of the signal, and whether there are heartbeats at all.

`model.json` and `preprocessing.json` are for reading; the page holds what it needs of them.
Licence: {bundle.about.licence} ONNX Runtime Web (in the page): MIT, Microsoft Corporation.
"""
