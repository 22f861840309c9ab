"""Which class a beat is of: N, S, V, F or Q, by a small network on features of timing and shape.

The classes are those of ANSI/AAMI EC57 (:data:`~.values.BEAT_LABELS`): N, beats that the sinus node
or a bundle-branch block explains; S, supraventricular ectopic; V, ventricular ectopic; F, fusion of
V and N; Q, paced or not to be told. The network is several multilayer perceptrons, averaged,
trained on the 22 records of DS1 of the MIT-BIH Arrhythmia Database (P. de Chazal, M. O'Dwyer,
R. B. Reilly, IEEE Trans Biomed Eng 51:1196, 2004); ``docs/beats.md`` is its card. It runs in NumPy
alone.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ecgfoundry.documents import Document, Fields
from ecgfoundry.measurements.beat_features import BEAT_FEATURES, beat_features
from ecgfoundry.measurements.fusion_beats import fusion_beats
from ecgfoundry.measurements.settled_classes import EARLY
from ecgfoundry.measurements.templates import (
    NO_TEMPLATE,
    BeatPieces,
    Templates,
    cut_beats,
    likeness,
)

__all__ = [
    "BeatClasses",
    "BeatLabeller",
    "BeatNetwork",
    "beat_network",
    "called_classes",
    "label_beats",
    "label_pieces",
    "with_fusion",
    "without_narrow",
]

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bool = NDArray[np.bool_]

FILE = "beat_classes.json"
FEWEST_BEATS = 3
"""With fewer there is nothing to compare with: the class is Q."""
MOST_AWAY = 20.0
"""Features are cut at so many standard deviations of the training set."""
TOGETHER_S = 1800.0
"""Long recordings are labelled half an hour at a time: as long as the records that trained."""
SAME_FORM = 0.9
"""A beat so like the usual one has its form (likeness, see :mod:`.templates`) ..."""
SAME_WIDTH = 0.2
"""... and one at most so much wider (logarithm) has its width;"""
NARROW_S = 0.030
"""so small a spread of the squared slope is that of a complex which is not ventricular itself. No
true V of DS1 is lost by the three together, first lead or both."""
SAME_TEMPLATE = 0.9
"""Templates of two half hours that are so alike have one number."""


@dataclass(frozen=True, eq=False)
class BeatClasses:
    """The class of every beat.

    Attributes
    ----------
    label : ndarray of str (beats,)
        "N", "S", "V", "F" or "Q".
    confidence : ndarray, float64 (beats,)
        Probability of the label among N, S, V and F as the network states it, not calibrated; NaN
        for Q.
    template : ndarray, int64 (beats,)
        Cluster of equal shapes, 0 the largest; -1 for a beat like no other.
    usual : ndarray of bool (beats,)
        Beats of the reference template that are neither V nor F (unless all are): what a median
        beat is made of.
    """

    label: NDArray[np.str_]
    confidence: Float64
    template: Int64
    usual: Bool

    @classmethod
    def none(cls) -> BeatClasses:
        """No beat."""
        return cls(np.empty(0, "<U1"), np.empty(0), np.empty(0, np.int64), np.empty(0, bool))

    @classmethod
    def joined(cls, parts: list[BeatClasses]) -> BeatClasses:
        """Put the beats of several stretches behind each other."""
        if not parts:
            return cls.none()
        return cls(
            np.concatenate([part.label for part in parts]),
            np.concatenate([part.confidence for part in parts]),
            np.concatenate([part.template for part in parts]),
            np.concatenate([part.usual for part in parts]),
        )


@dataclass(frozen=True, eq=False)
class BeatNetwork:
    """Several perceptrons that read the same features.

    Attributes
    ----------
    features : tuple of str
        Names of the columns that they read.
    mean, scale : ndarray (features,)
        Of the training set.
    members : tuple of tuple of (weight, bias)
        Layers of each; ``weight`` is (outputs, inputs), and between layers stands a ReLU.
    classes : tuple of str
        Of the outputs.
    offset : ndarray (classes,)
        Added to the logarithm of the mean probability before the largest one is taken.
    """

    features: tuple[str, ...]
    mean: Float64
    scale: Float64
    members: tuple[tuple[tuple[Float64, Float64], ...], ...]
    classes: tuple[str, ...]
    offset: Float64

    @classmethod
    def from_dict(cls, document: Document) -> BeatNetwork:
        """Read the document that the training command writes."""
        own, array = Fields(document), functools.partial(np.asarray, dtype=np.float64)
        members = tuple(
            tuple(
                (array(layer.sequence("weight")), array(layer.sequence("bias"))) for layer in member
            )
            for member in own.lists_of_parts("members")
        )
        return cls(
            features=own.texts("features"),
            mean=array(own.sequence("mean")),
            scale=array(own.sequence("scale")),
            members=members,
            classes=own.texts("classes"),
            offset=array(own.sequence("offset")),
        )

    def probabilities(self, table: Float64) -> Float64:
        """Return the mean probability of each class: float64 (beats, classes).

        Parameters
        ----------
        table : ndarray (beats, len(BEAT_FEATURES))
            From :func:`~ecgfoundry.measurements.beat_features.beat_features`.
        """
        chosen = [BEAT_FEATURES.index(name) for name in self.features]
        x = np.clip((table[:, chosen] - self.mean) / self.scale, -MOST_AWAY, MOST_AWAY)
        total = np.zeros((len(table), len(self.classes)))
        for member in self.members:
            hidden = x
            for number, (weight, bias) in enumerate(member):
                hidden = hidden @ weight.T + bias
                if number + 1 < len(member):
                    hidden = np.maximum(hidden, 0.0)
            hidden = np.exp(hidden - hidden.max(axis=1, keepdims=True))
            total += hidden / hidden.sum(axis=1, keepdims=True)
        return total / len(self.members)


@functools.cache
def beat_network() -> BeatNetwork:
    """Return the network that is part of the installation."""
    text = (files(__package__) / FILE).read_text(encoding="utf-8")
    return BeatNetwork.from_dict(json.loads(text))


def label_beats(
    signal: NDArray[np.floating],
    sampling_rate: float,
    beats: Int64,
    *,
    paced: Bool | None = None,
    network: BeatNetwork | None = None,
) -> BeatClasses:
    """Say of every beat of a recording which class it is of.

    Parameters
    ----------
    signal : ndarray (leads, samples)
        One lead or several, of any kind: mV or any unit, NaN where samples are missing.
    sampling_rate : float
        Hz, 50 at least.
    beats : ndarray, int64 (beats,)
        Sample numbers in order of time, as :func:`ecgfoundry.measurements.beats.find_beats` gives
        them. Half an hour is best; ten seconds have too few beats to show what is usual.
    paced : ndarray of bool (beats,), optional
        Beats that a pacemaker made: their class is Q.
    network : BeatNetwork, optional
        Another than the shipped one.

    Returns
    -------
    BeatClasses
    """
    return label_pieces(cut_beats(signal, sampling_rate, beats), paced=paced, network=network)


def label_pieces(
    pieces: BeatPieces, *, paced: Bool | None = None, network: BeatNetwork | None = None
) -> BeatClasses:
    """Say of beats that were cut out already which class they are of; see :func:`label_beats`."""
    return _labelled(pieces, paced, network)[0]


def _labelled(
    pieces: BeatPieces, paced: Bool | None, network: BeatNetwork | None
) -> tuple[BeatClasses, Float32]:
    """Return the classes, and the shapes of the templates (templates, leads, columns)."""
    count = pieces.centre_s.size
    label = np.full(count, "Q", dtype="<U1")
    confidence = np.full(count, np.nan)
    template = np.full(count, NO_TEMPLATE, np.int64)
    usual = np.zeros(count, bool)
    known = np.flatnonzero(~pieces.missing)
    if known.size < FEWEST_BEATS:
        nothing = pieces.values[:, :0].transpose(1, 0, 2)
        return BeatClasses(label, confidence, template, usual), nothing
    # Paced beats stay among the others while these are described: they are part of the rhythm.
    seen = pieces.chosen(~pieces.missing) if pieces.missing.any() else pieces
    clusters = seen.clusters
    label[known], confidence[known] = _network_labels(seen, clusters, network or beat_network())
    if paced is not None:
        label[paced], confidence[paced] = "Q", np.nan
    template[known] = clusters.number
    reference = np.zeros(count, bool)
    reference[known] = (clusters.number == clusters.reference) & (clusters.number != NO_TEMPLATE)
    usual = reference & ~np.isin(label, ("V", "F"))
    if not usual.any():
        usual = reference
    return BeatClasses(label, confidence, template, usual), clusters.shapes


def _network_labels(
    pieces: BeatPieces, clusters: Templates, network: BeatNetwork
) -> tuple[NDArray[np.str_], Float64]:
    table = beat_features(pieces, clusters)
    probability = without_narrow(network.probabilities(table), table, network.classes)
    label = called_classes(probability, table, network.classes, network.offset)
    label, probability = with_fusion(label, probability, table, pieces, network.classes)
    column = np.array([network.classes.index(name) for name in label.tolist()], dtype=np.int64)
    return label, probability[np.arange(len(column)), column]


def without_narrow(probability: Float64, table: Float64, classes: tuple[str, ...]) -> Float64:
    """Return the probabilities (beats, classes) without V of beats that look like the usual ones.

    A complex of the form and the width of the usual narrow one came through the same bundles.
    """
    like, wider, width = (
        table[:, BEAT_FEATURES.index(name)]
        for name in ("like_reference", "width_reference", "width")
    )
    usual = (like > SAME_FORM) & (wider < SAME_WIDTH) & (width < np.log(NARROW_S))
    result = probability.copy()
    result[usual, classes.index("V")] = 0.0
    return result / result.sum(axis=1, keepdims=True)


def called_classes(
    probability: Float64, table: Float64, classes: tuple[str, ...], offset: Float64
) -> NDArray[np.str_]:
    """Return the class of each beat (beats,) of one recording.

    A beat behind a ventricular one that comes when the next usual beat was due is not premature,
    however short the interval between the two.

    Parameters
    ----------
    probability : ndarray (beats, classes)
        From :func:`without_narrow`.
    table : ndarray (beats, len(BEAT_FEATURES))
        Of the same beats, in order of time.
    classes : tuple of str
        Of the columns of ``probability``.
    offset : ndarray (classes,)
        Added to the logarithm of the probabilities.
    """
    score = np.log(probability + 1e-9) + offset
    ventricular = np.isin(np.array(classes)[score.argmax(axis=1)], ("V", "F"))
    behind = np.concatenate([[False], ventricular[:-1]])
    due = table[:, BEAT_FEATURES.index("usual_since")] >= np.log(EARLY)
    score[behind & due, classes.index("S")] = -np.inf
    return np.array(classes)[score.argmax(axis=1)]


def with_fusion(
    label: NDArray[np.str_],
    probability: Float64,
    table: Float64,
    pieces: BeatPieces,
    classes: tuple[str, ...],
) -> tuple[NDArray[np.str_], Float64]:
    """Return labels and probabilities in which ventricular beats that are fused ones are F.

    Parameters
    ----------
    label : ndarray of str (beats,)
        From :func:`called_classes`.
    probability : ndarray (beats, classes)
        What the network says of V goes to F where a beat is fused.
    table : ndarray (beats, len(BEAT_FEATURES))
    pieces : BeatPieces
        Of the same beats.
    classes : tuple of str
        Of the columns of ``probability``.
    """
    v, f = classes.index("V"), classes.index("F")
    since = np.exp(table[:, BEAT_FEATURES.index("usual_since")])
    fused = fusion_beats(pieces.vectors, pieces.clusters, label == "V", probability[:, v], since)
    result = probability.copy()
    result[fused, f] += result[fused, v]
    result[fused, v] = 0.0
    return np.where(fused, "F", label), result


class BeatLabeller:
    """Labels the beats of a long recording that is read stretch by stretch.

    Half an hour of beats is kept and labelled together, so that memory does not grow; templates
    of different half hours that are alike have the same number.

    >>> labeller = BeatLabeller()  # doctest: +SKIP
    >>> for stretch in stretches:  # doctest: +SKIP
    ...     labeller.add(cut_beats(stretch.signal, rate, stretch.beats).later(stretch.start_s))
    >>> labeller.finish().label  # doctest: +SKIP
    """

    def __init__(self, *, network: BeatNetwork | None = None) -> None:
        self._network = network
        self._waiting: list[tuple[BeatPieces, Bool]] = []
        self._done: list[BeatClasses] = []
        self._shapes: list[Float32] = []

    def add(self, pieces: BeatPieces, paced: Bool | None = None) -> None:
        """Add the next stretch; its times are those of the whole recording.

        Parameters
        ----------
        pieces : BeatPieces
            Of the same leads in every stretch.
        paced : ndarray of bool (beats,), optional
        """
        if pieces.centre_s.size == 0:
            return
        none = np.zeros(pieces.centre_s.size, bool)
        self._waiting.append((pieces, none if paced is None else paced))
        begin = self._waiting[0][0].centre_s[0]
        # Half as much again stays, so that the end of a recording is not labelled by itself.
        if pieces.centre_s[-1] - begin >= 1.5 * TOGETHER_S:
            split = sum(part.centre_s[-1] - begin < TOGETHER_S for part, _ in self._waiting)
            self._label(max(1, split))

    def finish(self) -> BeatClasses:
        """Return the classes of all beats that were added, in their order."""
        if self._waiting:
            self._label(len(self._waiting))
        return BeatClasses.joined(self._done)

    def _label(self, count: int) -> None:
        parts, self._waiting = self._waiting[:count], self._waiting[count:]
        pieces = parts[0][0] if count == 1 else BeatPieces.joined([part for part, _ in parts])
        paced = np.concatenate([spikes for _, spikes in parts])
        classes, shapes = _labelled(pieces, paced, self._network)
        names = np.array([self._number(shape.ravel()) for shape in shapes], dtype=np.int64)
        there = classes.template != NO_TEMPLATE
        template = classes.template.copy()
        template[there] = names[classes.template[there]]
        self._done.append(BeatClasses(classes.label, classes.confidence, template, classes.usual))

    def _number(self, shape: Float32) -> int:
        """Return the number of a known template like this one, or a new one."""
        if self._shapes:
            known = np.stack(self._shapes)
            alike = likeness(known, np.einsum("bc,bc->b", known, known), shape)
            if alike.max() >= SAME_TEMPLATE:
                return int(alike.argmax())
        self._shapes.append(shape)
        return len(self._shapes) - 1
