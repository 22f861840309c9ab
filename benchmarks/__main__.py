"""Run the benchmarks and print their table: ``python -m benchmarks``."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np

import ecgfoundry
from benchmarks.measure import Row, compare
from benchmarks.references import ecgfounder_finetune_per_lead
from ecgfoundry.preprocessing import standardize_window


def standardization(recording: ecgfoundry.Recording) -> list[Row]:
    """The fine-tuning recipe against its SciPy transcription, lead by lead."""
    rows = []
    for leads in (12, 1):
        x = recording.signal[:leads, :5000].astype(np.float64)
        rows.append(
            compare(
                f"standardize {leads} x 5000",
                ours=lambda x=x: standardize_window(x, 500.0, "ecgfounder-finetune@1"),
                reference=lambda x=x: ecgfounder_finetune_per_lead(x),
                reference_name="SciPy transcription, lead by lead",
            )
        )
    return rows


def answers(recording: ecgfoundry.Recording, path: Path) -> list[Row]:
    """One ECG from file to findings in a warm process, against the network alone."""
    rows = []
    for name in ("ptbxl-superclass-12lead", "rhythm-single-lead"):
        predictor = ecgfoundry.load_model(name, threads=1)
        spec = predictor.bundle.input
        leads = spec.leads if spec.lead_mode != "any-single" else ("I",)
        windows = ecgfoundry.standardize(recording, spec.preprocessing, leads)[:1]
        rows.append(
            compare(
                f"{name}: file to findings",
                ours=lambda p=predictor: p.interpret(ecgfoundry.read(path)),
                reference=lambda p=predictor, w=windows: p.logits(w),
                reference_name="the network alone",
            )
        )
    return rows


def main() -> None:
    """Print the table."""
    import onnxruntime
    import scipy

    path = ecgfoundry.sample_path("12-lead")
    recording = ecgfoundry.read(path)
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
          f"NumPy {np.__version__}, SciPy {scipy.__version__}, "
          f"ONNX Runtime {onnxruntime.__version__}, one thread")  # fmt: skip
    print("| row | ours, ms | reference, ms | ratio (spread) | reference |")
    print("| --- | --- | --- | --- | --- |")
    for row in standardization(recording) + answers(recording, path):
        print(row)


if __name__ == "__main__":
    main()
