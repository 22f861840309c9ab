"""What a network holds of a recording beside its findings: embeddings and saliency."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ecgfoundry.errors import SignalError
from ecgfoundry.formats.files import EcgFile
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.recording import Recording
from ecgfoundry.service.followed import FollowedFile
from ecgfoundry.service.work import Result, Work, json_body

__all__ = ["embeddings", "saliency"]

_SALIENCY_STEP_S = 0.04


def embeddings(
    predictor: Predictor, file: EcgFile, work: Work, tell: Callable[[float], None]
) -> Result:
    """Return the embedding of every window."""
    from ecgfoundry.inference.windows import InputLeads, prepare_windows

    source = FollowedFile(file, tell)
    spec = predictor.bundle.input
    leads = InputLeads.choose(spec, source.leads, lead=work.lead)
    windows = []
    for prepared in prepare_windows(source, spec, leads):
        row: dict[str, Any] = {
            "start_s": round(prepared.start / source.sampling_rate, 4),
            "duration_s": round((prepared.stop - prepared.start) / source.sampling_rate, 4),
            "refused": None if prepared.refusal is None else prepared.refusal.to_dict(),
            "embedding": None,
        }
        if prepared.standardized is not None:
            values = predictor.embed(prepared.standardized[None])[0]
            row["embedding"] = [float(f"{value:.6g}") for value in values]
        windows.append(row)
    bundle = predictor.bundle
    return Result(
        json_body(
            {
                "file": work.name,
                "model": bundle.name,
                "model_version": bundle.version,
                "preprocessing": spec.preprocessing,
                "runtime": predictor.runtime.name,
                "leads_used": list(leads.recorded + leads.derived),
                "windows": windows,
            }
        )
    )


def saliency(predictor: Predictor, recording: Recording, work: Work) -> Result:
    """Saliency of one finding, in steps of time that a page can draw; 1 is the largest."""
    from ecgfoundry.explanations.explain import explain_recording

    target = work.target
    if target is None:
        answer = predictor.interpret(recording, lead=work.lead)
        if answer.refused is not None:
            raise SignalError(answer.refused.message)
        target = max(answer.findings, key=lambda f: f.probability or 0.0).name
    found = explain_recording(predictor, recording, target, lead=work.lead)
    step = max(round(found.sampling_rate * _SALIENCY_STEP_S), 1)
    count = found.values.shape[1] // step
    values = np.nan_to_num(found.values[:, : count * step]).reshape(-1, count, step).mean(2)
    largest = float(values.max(initial=0.0))
    scaled = np.clip(values / largest, 0.0, 1.0) if largest > 0 else np.zeros_like(values)
    document = found.to_dict() | {
        "leads": list(found.leads),
        "step_s": step / found.sampling_rate,
        "values": np.round(scaled, 3).tolist(),
    }
    return Result(json_body(document))
