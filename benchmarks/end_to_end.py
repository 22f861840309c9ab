"""Rows from a file or a live signal to findings."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ecgfoundry
from benchmarks.measure import Fact, Row, compare
from benchmarks.networks import released
from benchmarks.references import ecgfounder_finetune_per_lead, single_lead_rhythm
from benchmarks.signals import write_long_record, write_records
from benchmarks.sizes import FULL, Sizes
from ecgfoundry.engines.pool import start_worker
from ecgfoundry.inference.batch.infer import as_manifest, infer_batch
from ecgfoundry.inference.files import interpret_file
from ecgfoundry.inference.live.frames import LiveFrame
from ecgfoundry.inference.live.stream import LiveStream
from ecgfoundry.inference.predictor import Predictor, load_model
from ecgfoundry.inference.runtimes.base import choose_runtime, create_runtime
from ecgfoundry.inference.runtimes.hardware import usable_cores

__all__ = ["files_to_findings", "latency", "long_record", "memory", "small_network", "stream"]

RHYTHM = ("rhythm-single-lead", "rhythm-single-lead-edge")
MEASURE_MEMORY = """
import sys
from pathlib import Path
from ecgfoundry.inference.files import interpret_file
from ecgfoundry.inference.predictor import load_model
predictor = load_model(sys.argv[1], threads=1)
if len(sys.argv) > 2:
    answer = interpret_file(predictor, sys.argv[2])
    assert answer.refused is None
# Not ru_maxrss: it begins with what the parent process had when it forked.
status = Path("/proc/self/status").read_text()
print(next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) / 1024)
"""


def reference_answers(
    paths: Sequence[Path], eager: Any, leads: int, *, threads: int
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


def files_to_findings(sizes: Sizes) -> Row:
    """WFDB files to a table of findings with the released 12-lead network, all cores."""
    bundle = released(12, sizes.architecture)
    eager = create_runtime(bundle, runtime="torch", threads=1)
    cores = usable_cores()
    with (
        tempfile.TemporaryDirectory(prefix="ecgfoundry-benchmark-") as name,
        # The reference has its model loaded before the clock starts; so have the workers, which
        # stay for all runs and load it in the first one, which is not measured.
        ProcessPoolExecutor(cores, get_context("spawn"), start_worker, (os.getpid(),)) as pool,
    ):
        folder = Path(name)
        paths = write_records(folder / "records", sizes.records)
        recordings = as_manifest([folder / "records"])

        def engine(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
            yield from pool.map(function, tasks)

        def ours() -> None:
            summary = infer_batch(
                recordings, bundle.folder, folder / "findings.parquet", engine=engine,
                chunk=max(1, min(32, sizes.records // (2 * cores))),
            )  # fmt: skip
            if summary.failures:
                raise RuntimeError(summary.failures[0][1])

        some = paths[: sizes.reference_records]
        return compare(
            f"WFDB files to findings, {sizes.records} records, {cores} cores",
            ours=ours,
            reference=lambda: reference_answers(some, eager, 12, threads=cores),
            reference_name=f"wfdb + SciPy + PyTorch eager, {cores} threads",
            ours_name=f"infer_batch, {cores} warm processes; {choose_runtime(bundle)}",
            target="4.5, stretch 8",
            note="quality gate, calibration and Parquet included in ours",
            items=sizes.records,
            reference_items=len(some),
            clock=time.perf_counter,
            runs=sizes.runs,
            minimum_s=0.0,
        )


def long_record(sizes: Sizes) -> Row:
    """A long single-lead record to findings per window, in bounded memory, one thread."""
    bundle = released(1, sizes.architecture)
    predictor = Predictor(bundle, create_runtime(bundle, threads=1))
    eager = create_runtime(bundle, runtime="torch", threads=1)
    with tempfile.TemporaryDirectory(prefix="ecgfoundry-benchmark-") as name:
        path = write_long_record(Path(name), "long", 60 * sizes.minutes)
        other = write_long_record(Path(name), "reference", 60 * sizes.reference_minutes)
        short = write_long_record(Path(name), "warm", 70)
        interpret_file(predictor, short)
        reference_answers([short], eager, 1, threads=1)
        return compare(
            f"{sizes.minutes / 60:.3g}-h single-lead record to findings per window, one thread",
            ours=lambda: interpret_file(predictor, path),
            reference=lambda: reference_answers([other], eager, 1, threads=1),
            reference_name=f"wfdb + SciPy + PyTorch eager; {sizes.reference_minutes:g} min of it",
            ours_name=predictor.runtime.name,
            target="4, stretch 8",
            items=round(6 * sizes.minutes),
            reference_items=round(6 * sizes.reference_minutes),
            runs=sizes.runs,
            minimum_s=0.0,
            warm=False,
        )


def memory(sizes: Sizes) -> list[Fact]:
    """Peak memory of a process that reads a long record, for several lengths (Linux alone)."""
    if not Path("/proc/self/status").exists():
        return []
    models = [*RHYTHM]
    if sizes.minutes >= FULL.minutes:
        models.append(str(released(1).folder))
    hours = " / ".join(f"{h:g}" for h in sizes.memory_hours)
    lines = []
    with tempfile.TemporaryDirectory(prefix="ecgfoundry-benchmark-") as name:
        paths = [
            write_long_record(Path(name), f"h{k}", 3600 * h)
            for k, h in enumerate(sizes.memory_hours)
        ]
        for model in models:
            idle, *peaks = (_peak_megabytes(model, path) for path in (None, *paths))
            shown = " / ".join(f"{peak:.0f}" for peak in peaks)
            lines.append(
                Fact(
                    f"peak memory, single-lead record of {hours} h at 500 Hz, MB",
                    f"{Path(model).name}, loaded: {idle:.0f} MB",
                    shown,
                    "flat",
                )
            )
    return lines


def _peak_megabytes(model: str, path: Path | None) -> float:
    arguments = [
        sys.executable,
        "-c",
        MEASURE_MEMORY,
        model,
        *([] if path is None else [str(path)]),
    ]
    done = subprocess.run(
        arguments, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return float(done.stdout)


def latency(sizes: Sizes) -> list[Row]:
    """One ECG from file to findings in a warm process, against the network alone."""
    rows = []
    path = ecgfoundry.sample_path("12-lead")
    recording = ecgfoundry.read(path)
    for name in ("ptbxl-superclass-12lead", *RHYTHM):
        predictor = load_model(name, threads=1)
        spec = predictor.bundle.input
        leads = spec.leads if spec.lead_mode != "any-single" else ("I",)
        windows = ecgfoundry.standardize(recording, spec.preprocessing, leads)[:1]
        rows.append(
            compare(
                f"{name}: file to findings, warm, one thread",
                ours=lambda p=predictor: p.interpret(ecgfoundry.read(path)),
                reference=lambda p=predictor, w=windows: p.logits(w),
                reference_name="the network alone",
                ours_name=predictor.runtime.name,
                runs=sizes.runs,
                minimum_s=sizes.minimum_s,
            )
        )
    return rows


def small_network(sizes: Sizes) -> list[Row]:
    """The network for small devices alone, against the committee that it was distilled from."""
    committee, edge = (load_model(name, threads=1) for name in RHYTHM)
    recording = ecgfoundry.read(ecgfoundry.sample_path("single-lead"))
    recipe = edge.bundle.input.preprocessing
    rows = []
    for seconds in (10, 30):
        part = recording.slice_samples(0, round(seconds * recording.sampling_rate))
        windows = ecgfoundry.standardize(part, recipe, part.leads[:1])[:1]
        rows.append(
            compare(
                f"{edge.bundle.name}: network on {seconds} s, one thread",
                ours=lambda w=windows: edge.logits(w),
                reference=lambda w=windows: committee.logits(w),
                reference_name=committee.bundle.name,
                ours_name=edge.runtime.name,
                runs=sizes.runs,
                minimum_s=sizes.minimum_s,
            )
        )
    return rows


def stream(sizes: Sizes) -> list[Row]:
    """One live lead, an answer every second from the last 10 s; times per second of signal."""
    recording = ecgfoundry.read(ecgfoundry.sample_path("single-lead"))
    rate = round(recording.sampling_rate)
    seconds = round(sizes.stream_s)
    signal = np.tile(recording.signal[:1], (1, -(-seconds * rate // recording.signal.shape[1])))
    frames = [LiveFrame(signal[:, k : k + rate // 5]) for k in range(0, seconds * rate, rate // 5)]
    ends = range(rate * 3, seconds * rate + 1, rate)
    presence = np.ones((1, 1), dtype=np.float32)
    rows = []
    for name in RHYTHM:
        predictor = load_model(name, threads=1)
        eager = create_runtime(predictor.bundle, runtime="torch", threads=1)

        def ours(predictor: Predictor = predictor) -> int:
            live = LiveStream(predictor, ("I",), rate)
            return sum(len(live.run(frame)) for frame in frames)

        def reference(eager: Any = eager) -> None:
            for end in ends:
                window = single_lead_rhythm(signal[0, max(0, end - 10 * rate) : end], rate)
                eager.run(window.astype(np.float32)[np.newaxis, np.newaxis], presence)

        if ours() < len(ends):
            raise RuntimeError("the stream gives fewer answers than the reference")
        row = compare(
            f"{name}: live, per second of signal, one thread",
            ours=ours,
            reference=reference,
            reference_name="SciPy + PyTorch eager",
            ours_name=predictor.runtime.name,
            note="quality gate, calibration and smoothing included in ours",
            items=seconds,
            runs=sizes.runs,
            minimum_s=0.0,
        )
        per_core = 1.0 / float(np.median(row.ours))
        rows.append(replace(row, note=f"{row.note}; {per_core:.0f} streams a core"))
    return rows
