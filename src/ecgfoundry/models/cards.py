"""What is said about imported weights: in their ``bundle.json`` and on their model card."""

from __future__ import annotations

from dataclasses import dataclass

from ecgfoundry.models.document import BundleDocument, TrainingData
from ecgfoundry.models.published import PublishedWeights

__all__ = ["UpstreamStatement", "imported_card", "upstream_statement"]


@dataclass(frozen=True, slots=True)
class UpstreamStatement:
    """What the authors of weights say about them, and what has to be said beside it."""

    title: str
    training_data: tuple[TrainingData, ...]
    code: str
    licence: str
    intended_use: str
    known_failures: tuple[str, ...]
    references: tuple[str, ...]


_RESEARCH_ONLY = (
    "Research: embeddings, transfer learning, and the study of uncalibrated scores. Not a medical "
    "device; not for diagnosis or any decision about a person."
)

_UNCALIBRATED = (
    "No calibration and no thresholds: scores of different targets cannot be compared, and no "
    "target is ever called present. Fit both with 'ecgfoundry calibrate' on data with labels."
)

_ECGFOUNDER_FAILURES = (
    _UNCALIBRATED,
    "The preprocessing is not settled by the authors: their paper, their fine-tuning code and "
    "their evaluation code differ. This bundle follows the fine-tuning code, which their README "
    "prescribes; 'ecgfoundry models verify --compare-preprocessing' measures the alternatives.",
    "The prescribed notch is at 50 Hz wherever the ECG was recorded; the training data are "
    "American (60 Hz), whose hum only the 40 Hz edge of the band-pass removes.",
    "The labels are statements of the GE 12SL program, not of physicians: its errors were learned.",
    "Statements that compare with an earlier ECG, modifiers and fragments are among the outputs; "
    "they say nothing about a single recording and are not reported.",
    "One hospital system (Harvard-Emory); adults mostly; other devices and populations were tested "
    "by the authors on a few public sets only.",
)


_ECG_FM = UpstreamStatement(
    title="ECG-FM, weights in the layout of its authors",
    training_data=(
        TrainingData(
            "MIMIC-IV-ECG and PhysioNet/CinC Challenge 2021",
            "see the sources: ODbL (MIMIC-IV-ECG), CC BY and others (Challenge)",
            citation="arXiv 2408.05178; the weights published are of these two alone",
            use="pretraining, and fine-tuning on statements of machine reports, by the authors",
        ),
    ),
    code="github.com/bowang-lab/ECG-FM and github.com/Jwoo5/fairseq-signals (MIT)",
    licence="Weights: as published at huggingface.co/wanglab/ecg-fm, see source. Authors' code: "
    "MIT.",
    intended_use=_RESEARCH_ONLY,
    known_failures=(
        _UNCALIBRATED,
        "The hash of the authors' files is not known here: nothing confirms that the weights are "
        "theirs, only that layout and sizes are.",
        "The authors scale each lead over the whole record; here each window of 5 s is scaled "
        "alone, as all models of this package are fed.",
        "The authors join the windows of a record by the mean or, for brief events, the maximum; "
        "here they are joined as those of every model.",
        "The labels were read from machine reports, not from physicians: their errors were "
        "learned.",
    ),
    references=(
        "McKeen K, et al. ECG-FM: An Open Electrocardiogram Foundation Model. arXiv 2408.05178",
        "https://huggingface.co/wanglab/ecg-fm",
        "https://github.com/bowang-lab/ECG-FM",
    ),
)

_ECG_CPC = UpstreamStatement(
    title="ECG-CPC, weights in the layout of its authors",
    training_data=(
        TrainingData(
            "HEEDB (Harvard-Emory ECG Database)",
            "credentialed access; see the source",
            citation="arXiv 2509.25095",
            use="pretraining without labels, by the authors",
        ),
    ),
    code="github.com/AI4HealthUOL/ecg-fm-benchmarking and .../ecg-pretraining-strategies, without "
    "a licence file where they were read",
    licence="Weights: as published at figshare.com/articles/dataset/30192604, whose licence was "
    "not read; see source.",
    intended_use=_RESEARCH_ONLY,
    known_failures=(
        "An encoder: it answers nothing until it has been fine-tuned.",
        "The hash of the file is not compared with that of the authors': nothing confirms that the "
        "weights are theirs, only that layout and sizes are.",
        "The authors cut pieces of 2.5 s and resample each alone; here the window of 10 s is "
        "resampled and then cut, by another filter, so that samples at the cuts differ.",
        "Amplitude counts: a wrong gain, or signals that were scaled, change the embedding.",
        "The authors' figures are of networks fine-tuned on each task, not of the embedding.",
    ),
    references=(
        "Al-Masud MA, Lopez Alcaraz JM, Strodthoff N. Benchmarking ECG Foundational Models: A "
        "Reality Check Across Clinical Tasks. arXiv 2509.25095",
        "https://github.com/AI4HealthUOL/ecg-fm-benchmarking",
    ),
)
_OF_ARCHITECTURES = {"ecg-fm": _ECG_FM, "ecg-cpc": _ECG_CPC}
"""What is known of weights whose layout belongs to one publication."""


def upstream_statement(
    published: PublishedWeights | None, vocabulary: str, architecture: str = ""
) -> UpstreamStatement:
    """Return what is known about the weights.

    Parameters
    ----------
    published : PublishedWeights or None
        If the hash of the checkpoint is a known one.
    vocabulary : str
        Name of the vocabulary that the import was asked for.
    architecture : str
        Whose layout the weights have.
    """
    if published is not None:
        leads = "one-lead" if published.leads == 1 else "12-lead"
        failures: tuple[str, ...] = _ECGFOUNDER_FAILURES
        if published.leads == 1:
            failures = (
                *failures,
                "Trained on lead I and on frontal-plane leads made of I and II; other leads and "
                "electrode places of wearables were not.",
                "Most of the 150 statements cannot be read from one lead by anybody.",
            )
        return UpstreamStatement(
            title=f"ECGFounder, {leads}, as published by its authors",
            training_data=(
                TrainingData(
                    "HEEDB (Harvard-Emory ECG Database), development part",
                    "credentialed access; see the source",
                    citation="arXiv 2410.04133 (numbers relayed by readers of its full text)",
                    records=7_519_035,
                    use="training and validation by the authors",
                ),
            ),
            code="github.com/PKUDigitalHealth/ECGFounder (MIT), training code partly unpublished",
            licence=f"Weights: as published at huggingface.co/{published.repository}, see source. "
            "Authors' code: MIT.",
            intended_use=_RESEARCH_ONLY,
            known_failures=failures,
            references=(
                "Li J, et al. An Electrocardiogram Foundation Model Built on over 10 Million "
                "Recordings. NEJM AI 2025; arXiv 2410.04133",
                f"https://huggingface.co/{published.repository}",
                "https://github.com/PKUDigitalHealth/ECGFounder",
            ),
        )
    if architecture in _OF_ARCHITECTURES:
        return _OF_ARCHITECTURES[architecture]
    unknown = "not stated by the checkpoint"
    return UpstreamStatement(
        title=f"Imported checkpoint, outputs taken for {vocabulary}",
        training_data=(TrainingData("Not stated by the checkpoint", "not stated"),),
        code=unknown,
        licence=f"{unknown}; see where the checkpoint is from",
        intended_use=_RESEARCH_ONLY,
        known_failures=(
            _UNCALIBRATED,
            "Where these weights are from is not known here: the hash is none of the published "
            "ones. Vocabulary and preprocessing are those that the import was asked for, and "
            "nothing in the file confirms them.",
        ),
        references=(),
    )


def imported_card(about: BundleDocument, *, onnx_difference: float | None) -> str:
    """Return the model card of an imported bundle, in Markdown.

    Parameters
    ----------
    about : BundleDocument
    onnx_difference : float or None
        Of the graph from the weights, relative to the root mean square of the logits; None: there
        is no graph.
    """
    spec, targets = about.input, about.vocabulary.targets
    checkpoint = about.provenance.checkpoint or {}
    one_lead = spec.lead_mode == "any-single"
    dependent = sum(not target.standalone for target in targets)
    graph = (
        "There is no graph in this bundle; PyTorch is needed to run it."
        if onnx_difference is None
        else "`model.onnx` is the same network for ONNX Runtime; its logits were within "
        f"{onnx_difference:.1e} of those of the weights (of their root mean square) when the "
        "bundle was made."
    )
    facts = "\n".join(
        f"| {key} | {value} |"
        for key, value in {
            "version": about.version,
            "network": f"{about.architecture.name}, {about.architecture.parameters or 0:,} "
            "parameters",
            "leads": "one; trained on lead I" if one_lead else ", ".join(spec.leads),
            "window": f"{spec.samples / spec.sampling_rate:g} s at {spec.sampling_rate:g} Hz",
            "preprocessing": f"`{spec.preprocessing}`",
            "outputs": f"{len(targets)} ({about.vocabulary.name}), of which {dependent} "
            "are never reported on their own",
            "calibrated": "no",
            "checkpoint": f"`{checkpoint['file']}`, SHA-256 `{checkpoint['sha256']}`",
            "licence": about.licence,
        }.items()
    )
    failures = "\n".join(f"- {text}" for text in about.known_failures)
    sources = "\n".join(
        f"- {data.name}"
        + (f", {data.records:,} records" if data.records is not None else "")
        + f". Licence: {data.licence}."
        for data in about.provenance.training_data
    )
    references = "\n".join(f"- {text}" for text in about.references) or "- None known"
    return f"""# {about.title}

| | |
| --- | --- |
{facts}

## Intended use

{about.intended_use}

## Known failures

{failures}

## Training data

{sources}

## Files

`model.safetensors` holds the tensors of the checkpoint, unchanged, in float32. {graph}

## References

{references}
"""
