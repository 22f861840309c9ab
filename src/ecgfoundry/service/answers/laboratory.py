"""Estimates of laboratory values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ecgfoundry.formats.files import open_file
from ecgfoundry.inference.interpretation import Finding, Interpretation
from ecgfoundry.inference.predictor import Predictor
from ecgfoundry.labs.estimates import LaboratoryAnswer, caveats, estimate_laboratory
from ecgfoundry.labs.live import laboratory_timeline, trend_words
from ecgfoundry.service.answers.forms import in_format
from ecgfoundry.service.followed import FollowedFile
from ecgfoundry.service.work import Result, Work, json_body
from ecgfoundry.signals.windows import is_long

__all__ = ["estimates"]


def estimates(
    predictor: Predictor, work: Work, tell: Callable[[float], None], *, synthetic_ok: bool
) -> Result:
    """Estimates as ``ecgfoundry labs --json`` gives them, with what must be said beside them."""
    with open_file(work.path, work.options) as file:
        source = FollowedFile(file, tell)
        answer = estimate_laboratory(
            predictor,
            source,
            source.head,
            lead=work.lead,
            file=work.name,
            synthetic_ok=synthetic_ok,
        )
        trend = None
        if work.trend and answer.refused is None and is_long(answer.duration_s):
            trend = laboratory_timeline(predictor, source, lead=work.lead)
    verdict = "refused" if answer.refused else "usable" if answer.refused_windows else "good"
    if work.format != "json":
        result = in_format(work, _as_interpretation(answer, predictor, verdict))
        return replace(result, verdict=verdict)
    document = answer.to_dict() | {"caveats": caveats(answer)}
    if trend is not None:
        document["trend"] = trend | {"caveats": trend_words(predictor.bundle)}
    return replace(Result(json_body(document)), verdict=verdict)


def _as_interpretation(
    answer: LaboratoryAnswer, predictor: Predictor, verdict: str
) -> Interpretation:
    """The estimates as findings, for the forms that are made from an interpretation."""
    findings = tuple(
        Finding(
            estimate.target,
            probability=estimate.probability,
            threshold=estimate.threshold,
            present=None
            if estimate.probability is None or estimate.threshold is None
            else estimate.probability >= estimate.threshold,
            calibrated=answer.calibrated,
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
        )
        for estimate in answer.estimates
    )
    return Interpretation(
        file=answer.file,
        model=answer.model,
        model_version=answer.model_version,
        preprocessing=predictor.bundle.input.preprocessing,
        runtime=predictor.runtime.name,
        target_kind=predictor.bundle.target_kind,
        calibrated=answer.calibrated,
        duration_s=answer.duration_s,
        verdict=verdict,
        warnings=answer.warnings,
        leads_used=answer.leads_used,
        findings=findings,
        refused=answer.refused,
    )
