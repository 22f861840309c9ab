"""Does this export compute here what it computed where it was made?

``python check.py`` needs NumPy and the runtime (onnxruntime or openvino), nothing else.
"""

import json
import sys
from pathlib import Path

import numpy as np
from answers import answer

from preprocessing import standardize

FOLDER = Path(__file__).resolve().parent
STANDARDIZED_TOLERANCE = 1e-4
ANSWER_TOLERANCE = 1e-6
LOGIT_TOLERANCE = 1e-3  # of the rms of the logits; the inputs may differ by 1e-4 already


def load_network():
    """Return a function (feed) -> logits."""
    if (FOLDER / "model.onnx").exists():
        import onnxruntime

        session = onnxruntime.InferenceSession(
            str(FOLDER / "model.onnx"), providers=["CPUExecutionProvider"]
        )
        names = {node.name for node in session.get_inputs()}
        return lambda feed: session.run(["logits"], {k: feed[k] for k in names})[0]
    import openvino

    options = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(FOLDER / "model.xml"), "CPU", options)
    names = {name for port in compiled.inputs for name in port.get_names()}
    return lambda feed: compiled({k: v for k, v in feed.items() if k in names})["logits"]


def main():
    """Run the golden windows through preprocessing and network; return the exit code."""
    golden = np.load(FOLDER / "golden.npz")
    run = load_network()
    worst = {"standardized": 0.0, "logits": 0.0, "answers": 0.0}
    for k in range(int(golden["windows"])):
        x = standardize(golden[f"raw_{k}"], float(golden[f"rate_{k}"]))
        wanted = golden[f"standardized_{k}"]
        if not np.array_equal(np.isnan(x), np.isnan(wanted)):
            worst["standardized"] = np.inf
        difference = np.nanmax(np.abs(x - wanted))
        worst["standardized"] = max(worst["standardized"], float(difference))
        presence = (~np.isnan(x).all(axis=1)).astype(np.float32)[np.newaxis]
        logits = run({"signal": np.nan_to_num(x)[np.newaxis], "presence": presence})[0]
        rms = float(np.sqrt(np.mean(golden[f"logits_{k}"] ** 2)))
        error = float(np.abs(logits - golden[f"logits_{k}"]).max()) / rms
        worst["logits"] = max(worst["logits"], error)
        for level in ("record", "window", "short_window", "reduced_leads"):
            said = list(answer(golden[f"logits_{k}"], level).values())
            error = float(np.abs(said - golden[f"answer_{level}_{k}"]).max())
            worst["answers"] = max(worst["answers"], error)
    good = (
        worst["standardized"] <= STANDARDIZED_TOLERANCE
        and worst["logits"] <= LOGIT_TOLERANCE
        and worst["answers"] <= ANSWER_TOLERANCE
    )
    print(json.dumps({"agrees": good, "largest_difference": worst}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
