"""Which parts of a recording an answer rests on: saliency over leads and time."""

from ecgfoundry.explanations.explain import METHODS, explain_recording
from ecgfoundry.explanations.gradients import integrated_gradients
from ecgfoundry.explanations.occlusion import beat_spans, occlude, time_spans
from ecgfoundry.explanations.saliency import Saliency, map_agreement

__all__ = [
    "METHODS",
    "Saliency",
    "beat_spans",
    "explain_recording",
    "integrated_gradients",
    "map_agreement",
    "occlude",
    "time_spans",
]
