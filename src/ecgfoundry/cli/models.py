"""``ecgfoundry models``: what is there, what it is, whether it holds, and how to get more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from ecgfoundry.cli.saying import note, print_json, progress
from ecgfoundry.cli.vocabulary import JsonResult, Output

if TYPE_CHECKING:
    from ecgfoundry.api.models import ModelSummary
    from ecgfoundry.models.bundle import Bundle

app = App(name="models", help="List, show, verify, export, import and pull models.")


@app.command(name="list")
def list_models(*, json: JsonResult = False) -> None:
    """List the models that are installed or were pulled, and those that can be pulled."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from ecgfoundry.api.models import list_models as found

    if json:
        print_json({"models": [_described(model) for model in found()]})
        return
    table = Table(
        "model", "version", "input", "targets", "where", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for column in table.columns[:2]:
        column.no_wrap = True
    models = found()
    for model in models:
        table.add_row(
            model.name,
            model.version or "-",
            f"{model.lead_mode}, {model.window_s:g} s at {model.sampling_rate:g} Hz",
            f"{len(model.targets)} ({model.target_kind})",
            model.where,
        )
    console = Console()
    console.print(table)
    if any(model.folder is None for model in models):
        console.print("to be pulled: ecgfoundry models pull NAME")


def _described(model: ModelSummary) -> dict[str, Any]:
    return {
        "name": model.name,
        "version": model.version,
        "where": model.where,
        "lead_mode": model.lead_mode,
        "leads": model.leads,
        "sampling_rate_hz": model.sampling_rate,
        "window_s": model.window_s,
        "target_kind": model.target_kind,
        "targets": model.targets,
        "folder": model.folder,
    }


@app.command
def show(model: str, *, json: JsonResult = False) -> None:
    """Print the model card.

    Parameters
    ----------
    model
        A shipped or pulled name, or a bundle folder.
    """
    from rich.console import Console
    from rich.markdown import Markdown

    from ecgfoundry.models.bundle import find_bundle, load_bundle

    bundle = load_bundle(find_bundle(model))
    card = bundle.file("README.md").read_text(encoding="utf-8")
    if json:
        print_json({"name": bundle.name, "version": bundle.version, "folder": bundle.folder,
                    "document": bundle.about.to_dict(), "card": card})  # fmt: skip
        return
    Console().print(Markdown(card))


@app.command
def verify(
    model: str,
    *,
    compare_preprocessing: Annotated[Path | None, Parameter(name="--compare-preprocessing")] = None,
    runtime: str = "onnxruntime",
    ecgs: Annotated[Path | None, Parameter(name="--ecgs")] = None,
    json: JsonResult = False,
) -> int:
    """Check hashes and schema, and the graph against the weights where PyTorch is installed.

    Parameters
    ----------
    model
        A shipped or pulled name, or a bundle folder.
    compare_preprocessing
        A manifest (CSV) with target columns: score the model on it under every recipe.
    runtime
        The runtime to compare with PyTorch: onnxruntime, openvino, openvino-bf16, torch-compiled,
        torch-bf16.
    ecgs
        Real recordings to compare it on: a manifest (CSV), whose target columns also give the
        AUROC of both, or a folder. Without it: made-up windows and the two sample ECGs.
    """
    import importlib.util

    from ecgfoundry.inference.verification import compare_runtimes
    from ecgfoundry.models.bundle import find_bundle, load_bundle

    bundle = load_bundle(find_bundle(model))
    say = note if json else print
    found: dict[str, Any] = {
        "name": bundle.name, "version": bundle.version, "hashes": len(bundle.about.files),
        "notice": bundle.recipe_notice, "runtime": None, "difference": None, "real": None,
        "preprocessing": None,
    }  # fmt: skip
    say(f"{bundle.name} {bundle.version}: schema and {len(bundle.about.files)} hashes agree")
    if bundle.recipe_notice is not None:
        say(f"notice: {bundle.recipe_notice}")
    if importlib.util.find_spec("torch") is None:
        say("PyTorch is not installed: the graph was not compared with the weights")
    elif "model.onnx" in bundle.about.files or runtime != "onnxruntime":
        from ecgfoundry.inference.runtimes.base import choose_runtime, is_exact

        runtime = choose_runtime(bundle, runtime)
        found["runtime"] = runtime
        if is_exact(runtime):
            difference = found["difference"] = compare_runtimes(bundle, other=runtime)
            say(
                f"{runtime} against PyTorch: logits differ by at most {difference:.1e} of their rms"
            )
        found["real"] = _on_real_recordings(bundle, runtime, ecgs, say)
    if compare_preprocessing is not None:
        found["preprocessing"] = _compare(model, compare_preprocessing, shown=not json)
    if json:
        print_json(found)
    return 0


def _on_real_recordings(
    bundle: Bundle, runtime: str, ecgs: Path | None, say: Callable[[str], None]
) -> dict[str, Any]:
    from ecgfoundry.inference.batch.infer import as_manifest
    from ecgfoundry.inference.verification import verify_runtime
    from ecgfoundry.samples import sample_path

    samples = [sample_path("12-lead"), sample_path("single-lead")]
    manifest = as_manifest(samples if ecgs is None else [ecgs])
    with progress(f"Comparing {runtime}", len(manifest)) as bar:
        result = verify_runtime(bundle, manifest, runtime=runtime, progress=bar.update)
    say(
        f"{result.runtime} on {result.records} real recordings ({result.windows} windows): logits "
        f"differ by at most {result.difference:.1e} of their rms"
    )
    for name in result.held:
        before, after, positives = result.auroc[name]
        say(f"  {name}: AUROC {before:.4f} -> {after:.4f} ({positives} positive)")
    for record, reason in result.skipped.items():
        note(f"skipped {record}: {reason}")
    return {
        "records": result.records, "windows": result.windows, "difference": result.difference,
        "auroc": {name: list(result.auroc[name][:2]) for name in result.held},
        "skipped": result.skipped,
    }  # fmt: skip


def _compare(model: str, path: Path, *, shown: bool) -> dict[str, Any]:
    from rich.console import Console
    from rich.table import Table

    from ecgfoundry.inference.predictor import load_model
    from ecgfoundry.inference.verification import compare_preprocessing
    from ecgfoundry.manifest import read_recordings

    manifest = read_recordings(path).manifest
    with progress("Scoring", len(manifest)) as bar:
        scores = compare_preprocessing(
            load_model(model),
            manifest,
            progress=lambda name, done, total: bar.update(done, total, name),
        )
    table = Table("preprocessing", "records", "macro AUROC", "per target")
    for score in scores:
        each = ", ".join(f"{name} {value:.3f}" for name, value in score.auroc.items())
        table.add_row(score.preprocessing, str(score.records), f"{score.macro:.4f}", each)
    if shown:
        Console().print(table)
    for record, reason in scores[0].skipped.items():
        note(f"skipped {record}: {reason}")
    return {
        score.preprocessing: {"records": score.records, "macro_auroc": score.macro}
        for score in scores
    }


@app.command
def export(
    model: str,
    *,
    output: Output,
    format: str = "onnx",
    sampling_rate: float | None = None,
    calibration: Path | None = None,
    runtime_folder: Path | None = None,
    fetch_runtime: Annotated[bool, Parameter(negative="")] = False,
    json: JsonResult = False,
) -> None:
    """Write a model for other programs, with its preprocessing and vectors to check it with.

    onnx and openvino: graph, preprocessing in NumPy and C. c: the whole model as portable C99 for
    small devices, in float32 and in eight bits. web: a page that opens in a browser, offline.

    Parameters
    ----------
    model
        A shipped or pulled name, or a bundle folder.
    output
        The folder to make.
    format
        onnx, openvino, c or web.
    sampling_rate
        With c: of the device, Hz (default: the model's own, without resampling).
    calibration
        With c: a folder or table of ECGs on which the ranges of the eight-bit activations are
        found (default: the two samples).
    runtime_folder
        With web: holds onnxruntime-web, packed or its three files (default: the cache).
    fetch_runtime
        With web: download onnxruntime-web from the npm registry where it is not there.
    """
    from ecgfoundry.inference.exporting import export_bundle

    with progress("Exporting") as bar:
        folder = export_bundle(
            model,
            output,
            format=format,
            sampling_rate=sampling_rate,
            calibration=calibration,
            runtime_folder=runtime_folder,
            fetch_runtime=fetch_runtime,
            progress=bar.update,
        )
    if json:
        print_json({"folder": folder, "format": format})
        return
    if format == "web":
        print(f"{folder}: exported; open {folder / 'index.html'} in a browser")
        return
    check = "make check" if format == "c" else "python check.py"
    print(f"{folder}: exported; check it there with: {check}")


@app.command(name="import")
def import_model(
    checkpoint: Path,
    *,
    output: Output,
    architecture: str = "net1d",
    leads: int = 12,
    lead: str = "I",
    vocabulary: str = "ecgfounder-150",
    preprocessing: str | None = None,
    json: JsonResult = False,
) -> None:
    """Turn a published checkpoint into a bundle, without executing anything that it contains.

    Parameters
    ----------
    checkpoint
        The .pth or .safetensors file.
    output
        The bundle folder to make.
    architecture
        The network that the weights belong to.
    leads
        12 or 1.
    lead
        With --leads 1: the lead that the weights were trained on; it is read where it is there.
    vocabulary
        What the outputs mean; "representation": an encoder without answers.
    preprocessing
        The recipe that the weights need: a name, or a file (.json); default: the usual one of the
        architecture.
    """
    from ecgfoundry.models.importing import import_checkpoint

    with progress("Importing"):
        folder = import_checkpoint(
            checkpoint,
            architecture=architecture,
            leads=leads,
            lead=lead,
            vocabulary=vocabulary,
            output=output,
            preprocessing=preprocessing,
        )
    if json:
        print_json({"folder": folder})
    else:
        print(f"{folder}: imported; use it with --model {folder}")


@app.command
def pull(name: str, *, json: JsonResult = False) -> None:
    """Download published weights, check them and make a bundle of them.

    Parameters
    ----------
    name
        ecgfounder-12lead or ecgfounder-1lead.
    """
    from ecgfoundry.models.hub import pull as pull_model

    with progress(name, size=True) as bar:
        folder = pull_model(name, progress=bar.update)
    if json:
        print_json({"name": name, "folder": folder})
    else:
        print(f"{folder}: ready; use it with --model {name}")
