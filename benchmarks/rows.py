"""The rows of the table: each a function that returns lines against a named reference."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from benchmarks import end_to_end
from benchmarks.limits import NETWORK_GMAC
from benchmarks.measure import Fact, Row, compare
from benchmarks.networks import released
from benchmarks.references import ecgfounder_finetune_per_lead
from benchmarks.signals import real_windows
from benchmarks.sizes import Sizes
from ecgfoundry import native
from ecgfoundry.inference.runtimes.base import create_runtime
from ecgfoundry.inference.runtimes.hardware import has_bfloat16
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.measurements.gate import judge_windows
from ecgfoundry.preprocessing import standardize_windows

__all__ = ["ROWS"]

FINETUNE = "ecgfounder-finetune@1"
TRANSCRIPTION = "SciPy transcription of the recipe"


def standardize(leads: int, sizes: Sizes) -> Row:
    """The fine-tuning recipe for a batch, on one core, against SciPy lead by lead."""
    batch = sizes.windows
    windows = real_windows(batch, leads)
    one = windows[0].astype(np.float64)
    return compare(
        f"standardize {leads} x 5000, batch {batch}, one core",
        ours=lambda: standardize_windows(windows, 500.0, FINETUNE, threads=1),
        reference=lambda: ecgfounder_finetune_per_lead(one),
        reference_name=TRANSCRIPTION,
        ours_name=str(native.status()),
        target="6, stretch 9" if leads == 12 else "6, stretch 13",
        items=batch,
        reference_items=1,
        runs=sizes.runs,
        minimum_s=sizes.minimum_s,
    )


def standardize_alone(leads: int, sizes: Sizes) -> Row:
    """One window alone."""
    window = real_windows(1, leads)
    one = window[0].astype(np.float64)
    return compare(
        f"standardize {leads} x 5000, alone, one core",
        ours=lambda: standardize_windows(window, 500.0, FINETUNE),
        reference=lambda: ecgfounder_finetune_per_lead(one),
        reference_name=TRANSCRIPTION,
        ours_name=str(native.status()),
        runs=sizes.runs,
        minimum_s=sizes.minimum_s,
    )


def gate(leads: int, sizes: Sizes) -> Row:
    """The quality gate of one window, against wfdb's search for beats in every lead."""
    from wfdb.processing import XQRS

    window = real_windows(1, leads)
    names = STANDARD_12_LEADS[:leads]
    rows = window[0].astype(np.float64)

    def beats() -> None:
        for row in rows:
            XQRS(row, 500).detect(verbose=False)

    return compare(
        f"quality gate {leads} x 5000, one core",
        ours=lambda: judge_windows(window, 500.0, names),
        reference=beats,
        reference_name="wfdb XQRS, beats of every lead",
        ours_name=str(native.status()),
        runs=sizes.runs,
        minimum_s=sizes.minimum_s,
    )


def network(leads: int, batch: int, sizes: Sizes) -> list[Row]:
    """Every fp32 runtime (and bf16 where the processor has it) against PyTorch eager."""
    import torch

    bundle = released(leads, sizes.architecture)
    x = standardize_windows(real_windows(batch, leads), 500.0, FINETUNE)
    presence = np.ones(x.shape[:2], dtype=np.float32)
    torch.set_num_threads(1)
    eager = create_runtime(bundle, runtime="torch", threads=1)
    wanted = eager.run(x[:2], presence[:2])[0]
    large = "5, stretch 9" if leads == 12 else "4.5, stretch 8"
    small = "3" if leads == 12 else "3, stretch 6"
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
                target=large if batch > 1 else small,
                note=f"logits differ by {error:.0e} of their deviation",
                items=batch,
                multiply_adds=1e9 * NETWORK_GMAC[leads] if sizes.architecture is None else None,
                runs=sizes.runs,
                minimum_s=0.0 if batch > 1 else sizes.minimum_s,
            )
        )
    return rows


def fine_tuning(sizes: Sizes) -> list[Row]:
    """One step of full fine-tuning, 12-lead; see :mod:`benchmarks.training_step` for all modes."""
    from benchmarks.training_step import compared_steps

    return compared_steps(12, sizes)


ROWS: dict[str, Callable[[Sizes], list[Row] | list[Row | Fact]]] = {
    "standardize-12": lambda sizes: [standardize(12, sizes)],
    "standardize-1": lambda sizes: [standardize(1, sizes)],
    "standardize-alone": lambda sizes: [standardize_alone(12, sizes), standardize_alone(1, sizes)],
    "gate": lambda sizes: [gate(12, sizes), gate(1, sizes)],
    "network-12-batch-32": lambda sizes: network(12, sizes.network_batch, sizes),
    "network-12-batch-1": lambda sizes: network(12, 1, sizes),
    "network-1-batch-32": lambda sizes: network(1, sizes.network_batch, sizes),
    "network-1-batch-1": lambda sizes: network(1, 1, sizes),
    "fine-tuning": fine_tuning,
    "files": lambda sizes: [end_to_end.files_to_findings(sizes)],
    "long": lambda sizes: [end_to_end.long_record(sizes)],
    "memory": lambda sizes: end_to_end.memory(sizes),
    "latency": end_to_end.latency,
    "small-network": end_to_end.small_network,
    "stream": end_to_end.stream,
}
"""Name -> function(sizes) -> lines."""
