"""The rows of the table: each a function that returns ratios against a named reference."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ecgfoundry
from benchmarks.measure import Row, compare
from benchmarks.networks import released
from benchmarks.references import ecgfounder_finetune_per_lead
from ecgfoundry import native
from ecgfoundry.engines.pool import start_worker
from ecgfoundry.formats.wfdb_writer import write_wfdb
from ecgfoundry.inference.batch import as_manifest, write_answers
from ecgfoundry.inference.files import interpret_file
from ecgfoundry.inference.hardware import has_bfloat16, usable_cores
from ecgfoundry.inference.parts import CHUNK, PartJob, bundle_digest, predictor_of
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.inference.runtimes import choose_runtime, create_runtime
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.manifest import Manifest
from ecgfoundry.preprocessing import standardize_windows
from ecgfoundry.recording import Recording

FINETUNE = "ecgfounder-finetune@1"
TRANSCRIPTION = "SciPy transcription of the recipe"


def real_windows(count: int, leads: int) -> NDArray[np.float32]:
    """Return raw windows (count, leads, 5000) in mV: the sample ECG, each shifted in time."""
    recording = ecgfoundry.read(ecgfoundry.sample_path("12-lead"))
    x = recording.select(STANDARD_12_LEADS).signal[:leads, :5000]
    return np.stack([np.roll(x, 37 * k, axis=1) for k in range(count)]).astype(np.float32)


# --- standardization ---------------------------------------------------------------------------


def standardize(leads: int, *, batch: int = 64, threads: int = 1) -> Row:
    """The fine-tuning recipe for a batch, on one core, against SciPy lead by lead."""
    windows = real_windows(batch, leads)
    one = windows[0].astype(np.float64)
    return compare(
        f"standardize {leads} x 5000, batch {batch}, one core",
        ours=lambda: standardize_windows(windows, 500.0, FINETUNE, threads=threads),
        reference=lambda: ecgfounder_finetune_per_lead(one),
        reference_name=TRANSCRIPTION,
        ours_name=str(native.status()),
        target="6, stretch 9" if leads == 12 else "6, stretch 13",
        items=batch,
        reference_items=1,
    )


def standardize_alone(leads: int) -> Row:
    """One window alone: what a live stream pays."""
    window = real_windows(1, leads)
    one = window[0].astype(np.float64)
    return compare(
        f"standardize {leads} x 5000, alone, one core",
        ours=lambda: standardize_windows(window, 500.0, FINETUNE),
        reference=lambda: ecgfounder_finetune_per_lead(one),
        reference_name=TRANSCRIPTION,
        ours_name=str(native.status()),
    )


# --- networks ------------------------------------------------------------------------------------


def network(leads: int, batch: int) -> list[Row]:
    """Every fp32 runtime (and bf16 where the processor has it) against PyTorch eager."""
    import torch

    bundle = released(leads)
    x = standardize_windows(real_windows(batch, leads), 500.0, FINETUNE)
    presence = np.ones(x.shape[:2], dtype=np.float32)
    torch.set_num_threads(1)
    eager = create_runtime(bundle, runtime="torch", threads=1)
    wanted = eager.run(x[:2], presence[:2])[0]
    targets = {(12, 32): "5, stretch 9", (12, 1): "3", (1, 32): "4.5, stretch 8",
               (1, 1): "3, stretch 6"}  # fmt: skip
    rows = []
    names = ["onnxruntime"]
    if find_spec("openvino"):
        names.append("openvino")
        names += ["openvino-bf16"] if has_bfloat16() else []
    for name in names:
        runtime = create_runtime(bundle, runtime=name, threads=1)
        error = float(np.abs(runtime.run(x[:2], presence[:2])[0] - wanted).max() / wanted.std())
        rows.append(
            compare(
                f"released {leads}-lead network, batch {batch}, one thread",
                ours=lambda runtime=runtime: runtime.run(x, presence),
                reference=lambda: eager.run(x, presence),
                reference_name=f"{eager.name}",
                ours_name=runtime.name,
                target=targets[leads, batch],
                note=f"logits differ by {error:.0e} of their deviation",
                items=batch,
                minimum_s=0.0 if batch > 1 else 0.15,
            )
        )
    return rows


# --- end to end ----------------------------------------------------------------------------------


def reference_answers(
    paths: list[Path], eager: Any, leads: int, *, threads: int, long: bool = False
) -> list[NDArray[np.float32]]:
    """What a user writes: wfdb, SciPy and PyTorch in fp32, records shared by threads."""
    import torch
    import wfdb

    torch.set_num_threads(1)

    def answer(path: Path) -> NDArray[np.float32]:
        signal = np.nan_to_num(wfdb.rdrecord(str(path.with_suffix(""))).p_signal.T[:leads])
        windows = [signal[:, k : k + 5000] for k in range(0, signal.shape[1] - 4999, 5000)]
        result = []
        for window in windows:
            x = ecgfounder_finetune_per_lead(window).astype(np.float32)[np.newaxis]
            result.append(eager.run(x, np.ones((1, leads), dtype=np.float32))[0][0])
        return np.stack(result)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(answer, paths))


def _start_warm(parent: int, job: PartJob) -> None:
    """Prepare a worker as an engine does, and load its model."""
    start_worker(parent)
    predictor_of(job)


def files_to_findings(records: int) -> Row:
    """WFDB files to a table of findings with the released 12-lead network, all cores."""
    with tempfile.TemporaryDirectory(prefix="ecgfoundry-benchmark-") as folder:
        x = real_windows(records, 12)
        for k, window in enumerate(x):
            recording = Recording.from_array(
                window, sampling_rate=500, leads=STANDARD_12_LEADS, unit="mV"
            )
            write_wfdb(recording, folder, f"r{k:04d}")
        paths = sorted(Path(folder).glob("*.hea"))
        bundle = released(12)
        eager = create_runtime(bundle, runtime="torch", threads=1)
        cores = usable_cores()
        some = paths[: min(len(paths), max(16, records // 8))]  # the reference is slow and linear
        manifest = as_manifest([folder])
        chunk = max(1, min(CHUNK, records // (2 * cores)))
        runtime = choose_runtime(bundle, "auto")
        jobs = [
            PartJob(
                recordings=Manifest(manifest.rows[k : k + chunk], manifest.folder),
                part=Path(folder) / f"{k}.part",
                targets=(),
                windows=False,
                model=bundle.folder,
                model_digest=bundle_digest(bundle),
                runtime=runtime,
            )
            for k in range(0, len(manifest), chunk)
        ]
        # The reference has its model loaded before the clock starts; so have the workers.
        with ProcessPoolExecutor(
            cores, get_context("spawn"), _start_warm, (os.getpid(), jobs[0])
        ) as pool:
            return compare(
                f"WFDB files to findings, {records} records, {cores} cores",
                ours=lambda: list(pool.map(write_answers, jobs)),
                reference=lambda: reference_answers(some, eager, 12, threads=cores),
                reference_name=f"wfdb + SciPy + PyTorch eager, {cores} threads",
                ours_name=f"the workers of infer_batch, warm; {runtime}",
                target="4.5, stretch 8",
                note="quality gate, calibration and Parquet included in ours",
                items=records,
                reference_items=len(some),
                clock=time.perf_counter,
                minimum_s=0.0,
            )


def long_record(minutes: float) -> Row:
    """A long single-lead record to findings per window, in bounded memory, one thread."""
    with tempfile.TemporaryDirectory(prefix="ecgfoundry-benchmark-") as folder:
        beat = real_windows(1, 1)[0]
        signal = np.tile(beat, (1, max(7, round(minutes * 6))))
        recording = Recording.from_array(signal, sampling_rate=500, leads=("I",), unit="mV")
        write_wfdb(recording, folder, "long")
        path = Path(folder) / "long.hea"
        bundle = released(1)
        predictor = Predictor(bundle, create_runtime(bundle, threads=1))
        eager = create_runtime(bundle, runtime="torch", threads=1)
        windows = signal.shape[1] // 5000
        return compare(
            f"{minutes:g}-min single-lead record to findings per window, one thread",
            ours=lambda: interpret_file(predictor, path),
            reference=lambda: reference_answers([path], eager, 1, threads=1),
            reference_name="wfdb + SciPy + PyTorch eager; per window",
            ours_name=predictor.runtime.name,
            target="4, stretch 8",
            items=windows,
            minimum_s=0.0,
        )


def latency() -> list[Row]:
    """One ECG from file to findings in a warm process, against the network alone."""
    rows = []
    path = ecgfoundry.sample_path("12-lead")
    recording = ecgfoundry.read(path)
    for name in ("ptbxl-superclass-12lead", "rhythm-single-lead"):
        predictor = ecgfoundry.load_model(name, threads=1)
        spec = predictor.bundle.input
        leads = spec.leads if spec.lead_mode != "any-single" else ("I",)
        windows = ecgfoundry.standardize(recording, spec.preprocessing, leads)[:1]
        rows.append(
            compare(
                f"{name}: file to findings, warm",
                ours=lambda p=predictor: p.interpret(ecgfoundry.read(path)),
                reference=lambda p=predictor, w=windows: p.logits(w),
                reference_name="the network alone",
                ours_name=predictor.runtime.name,
            )
        )
    return rows


ROWS: dict[str, Callable[[bool], list[Row]]] = {
    "standardize-12": lambda full: [standardize(12)],
    "standardize-1": lambda full: [standardize(1)],
    "standardize-alone": lambda full: [standardize_alone(12), standardize_alone(1)],
    "network-12-batch-32": lambda full: network(12, 32),
    "network-12-batch-1": lambda full: network(12, 1),
    "network-1-batch-32": lambda full: network(1, 32),
    "network-1-batch-1": lambda full: network(1, 1),
    "files": lambda full: [files_to_findings(1000 if full else 60)],
    "long": lambda full: [long_record(24 * 60 if full else 8)],
    "latency": lambda full: latency(),
}
"""Name -> function(full sizes?) -> rows."""
