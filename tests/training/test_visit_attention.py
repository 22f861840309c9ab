"""Attention over the segments of a visit: its weights, its masks, and what a run learns with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.errors import TrainingError  # noqa: E402
from ecgfoundry.labs.estimates import window_weights  # noqa: E402
from ecgfoundry.labs.training_data import visit_means  # noqa: E402
from ecgfoundry.labs.visits import (  # noqa: E402
    attention_start,
    visit_batches,
)
from ecgfoundry.models.bundle import InputSpec  # noqa: E402
from ecgfoundry.models.networks.net1d import Net1D  # noqa: E402
from ecgfoundry.models.networks.segment_attention import (  # noqa: E402
    SegmentAttentionNet,
    VisitNetwork,
    pool_segments,
)
from ecgfoundry.preprocessing import get_preprocessing  # noqa: E402
from ecgfoundry.tasks import losses  # noqa: E402
from ecgfoundry.training.data.batches import WindowBatches  # noqa: E402
from ecgfoundry.training.fit_settings import FitSettings  # noqa: E402
from ecgfoundry.training.initialization import Start, start_from  # noqa: E402
from ecgfoundry.training.loop import fit  # noqa: E402

GOLDEN = Path(__file__).parent / "golden_losses" / "visit_attention.json"
TINY = {"widths": (16, 32), "blocks": (1, 1)}


def network(classes: int = 2, seed: int = 0) -> SegmentAttentionNet:
    torch.manual_seed(seed)
    return SegmentAttentionNet(classes, hidden=8, **TINY).eval()


def visits(count: int = 3, most: int = 5, classes: int = 2, seed: int = 0):
    """Values, scores and masks of visits; one target of one visit is masked throughout."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(count, most, classes, generator=generator)
    scores = 3 * torch.randn(count, most, generator=generator)
    known = torch.rand(count, most, classes, generator=generator) < 0.7
    known[:, 0] = True
    known[1, :, 0] = False
    return values, scores, known


def test_weights_sum_to_one_over_what_is_known() -> None:
    values, scores, known = visits()
    pooled, weights = pool_segments(values, scores, known)
    sums = weights.sum(dim=1)
    assert sums[1, 0] == 0 and pooled[1, 0] == 0
    sums[1, 0] = 1
    torch.testing.assert_close(sums, torch.ones_like(sums))
    assert (weights[~known] == 0).all() and (weights[known] > 0).all()
    # Very large scores are no overflow.
    far, _ = pool_segments(values, scores * 1000, known)
    assert torch.isfinite(far).all()


def test_the_order_of_segments_means_nothing() -> None:
    values, scores, known = visits()
    order = torch.tensor([3, 0, 4, 2, 1])
    pooled, weights = pool_segments(values, scores, known)
    other, moved = pool_segments(values[:, order], scores[:, order], known[:, order])
    torch.testing.assert_close(other, pooled)
    torch.testing.assert_close(moved, weights[:, order])


def test_masked_segments_have_no_influence_on_value_or_gradient() -> None:
    values, scores, known = visits()
    pooled, _ = pool_segments(values, scores, known)
    changed = torch.where(known, values, torch.full_like(values, 1e6))
    torch.testing.assert_close(pool_segments(changed, scores, known)[0], pooled)
    dark = known.any(dim=2)  # segments of which nothing is known
    strange = torch.where(dark, scores, torch.full_like(scores, 1e6))
    torch.testing.assert_close(pool_segments(values, strange, known)[0], pooled)
    for tensor in (values, scores):
        tensor.requires_grad_(True)
    pool_segments(values, scores, known)[0].square().sum().backward()
    assert (values.grad[~known] == 0).all() and (values.grad[known] != 0).any()
    assert (scores.grad[~dark] == 0).all() and torch.isfinite(scores.grad).all()


def test_numpy_and_torch_weigh_alike() -> None:
    """Training, the measured figures and the answer for a file are the same average."""
    values, scores, known = visits(classes=1)
    values, scores, known = values[:1], scores[:1], torch.ones_like(known[:1])
    pooled, weights = pool_segments(values, scores, known)
    by_file = window_weights(scores[0].numpy(), 5)
    np.testing.assert_allclose(by_file, weights[0, :, 0].numpy(), rtol=1e-5)
    assert by_file.sum() == pytest.approx(1.0)
    means, _, _ = visit_means(
        values[0].numpy(), np.zeros((5, 1)), np.zeros(5, dtype=np.int64), scores[0].numpy()
    )
    np.testing.assert_allclose(means[0], pooled[0].numpy(), rtol=1e-5)
    np.testing.assert_allclose(window_weights(None, 4), 0.25)


def test_equal_scores_are_the_mean() -> None:
    generator = np.random.default_rng(0)
    scores, labels = generator.normal(size=(9, 2)), generator.integers(0, 2, (9, 2)).astype(float)
    labels[2:4, 0] = np.nan
    number = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2])
    plain, truth, _ = visit_means(scores, labels, number)
    even, same, _ = visit_means(scores, labels, number, np.full(9, 700.0))
    np.testing.assert_allclose(even, plain)
    np.testing.assert_array_equal(same, truth)


def test_a_visit_of_one_segment_is_that_segment() -> None:
    net = network()
    x = torch.randn(3, 1, 500)
    known = torch.ones(3, 1, 2, dtype=torch.bool)
    with torch.no_grad():
        joined = VisitNetwork(net)(x, torch.arange(3), torch.zeros(3, dtype=torch.long), known)
        torch.testing.assert_close(joined, net(x))


def test_the_joined_logits_are_those_of_the_joined_embedding() -> None:
    """Averaging logits is averaging embeddings: the classifier is linear (Ilse et al., eq. 9)."""
    net = network()
    x = torch.randn(4, 1, 500)
    known = torch.ones(1, 4, 2, dtype=torch.bool)
    with torch.no_grad():
        joined = VisitNetwork(net)(x, torch.zeros(4, dtype=torch.long), torch.arange(4), known)
        embedding = net.forward_features(x)
        h = net.encoder.forward_features(x)
        gated = torch.tanh(net.attention.tanh(h)) * torch.sigmoid(net.attention.gate(h))
        weights = torch.softmax(net.attention.score(gated)[:, 0], dim=0)
        torch.testing.assert_close(joined[0], net.classifier(weights @ embedding))


def test_a_start_keeps_the_encoder_and_refuses_other_networks() -> None:
    torch.manual_seed(0)
    encoder = Net1D(5, leads=1, **TINY).eval()
    spec = InputSpec("any-single", ("II",), get_preprocessing("ecgfounder-finetune@1"))
    start = attention_start(Start(encoder, "net1d-tiny", spec, False, "x"), 3, seed=1)
    x = torch.randn(2, 1, 500)
    with torch.no_grad():
        kept = start.network.eval().forward_features(x)[:, :-1]
        torch.testing.assert_close(kept, encoder.forward_features(x))
        assert start.network(x).shape == (2, 3) and start.architecture == "net1d-attention"
    assert attention_start(start, 3, seed=2).network is start.network
    rhythm = start_from("rhythm-net", outputs=2, leads=("II",))
    with pytest.raises(TrainingError, match="one-lead Net1D"):
        attention_start(rhythm, 2, seed=0)


# --- batches and training ------------------------------------------------------------------------


class Waves:
    """Segments of visits: those whose first sample says so carry a wave that tells the label."""

    def __init__(self, count: int, seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        self.visits = np.sort(generator.integers(0, count, 4 * count)).astype(np.int64)
        self.visits = np.unique(self.visits, return_inverse=True)[1].astype(np.int64)
        own = generator.integers(0, 2, self.visits.max() + 1)
        self.labels = own[self.visits].astype(np.float64)
        self.signal = generator.normal(0, 1, (len(self.visits), 1, 256)).astype(np.float32)
        self.clean = generator.random(len(self.visits)) < 0.5
        self.clean[np.unique(self.visits, return_index=True)[1]] = True
        wave = np.sin(np.arange(256) / 256 * 2 * np.pi * 8).astype(np.float32)
        told = self.clean & (self.labels == 1)
        self.signal[self.clean] *= 0.3
        self.signal[told, 0] += wave

    def __len__(self) -> int:
        return len(self.signal)

    def get(self, positions, generator):
        return self.signal[positions].copy(), np.ones((len(positions), 1), dtype=np.float32)


def batches_of(waves: Waves, *, most: int = 3, batch: int = 12, workers: int = 0):
    targets = np.stack([waves.labels, np.where(waves.visits % 5 == 0, np.nan, waves.labels)], 1)
    like = WindowBatches(
        windows=waves, positions=np.arange(len(waves)), targets=targets.astype(np.float32),
        batch=batch, sampling_rate=100.0, seed=3, workers=workers,
    )  # fmt: skip
    return visit_batches(like, waves.visits, classes=2, most=most)


def test_every_visit_once_an_epoch_with_at_most_so_many_of_its_segments() -> None:
    waves = Waves(20)
    batches = batches_of(waves)
    seen = 0
    for (signal, visit, place, known), targets in batches(0, np.random.default_rng()):
        assert len(signal) == len(visit) == len(place) and place.max() < 3
        assert known.shape == (len(targets), place.max() + 1, 2)
        counted = torch.zeros(known.shape[:2], dtype=torch.bool)
        counted[visit, place] = True
        assert torch.equal(known[:, :, 0], counted)  # nothing is known beyond the segments
        masked = torch.isnan(targets[:, 1])
        assert not known[masked][:, :, 1].any() and known[~masked][:, 0, 1].all()
        seen += len(targets)
    assert seen == waves.visits.max() + 1
    first = [b[0][0] for b in batches(0, np.random.default_rng())]
    again = [b[0][0] for b in batches_of(waves, workers=2)(0, np.random.default_rng())]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    later = [b[0][0] for b in batches.from_batch(0, 2)]
    assert all(torch.equal(a, b) for a, b in zip(first[2:], later, strict=True))


def trained(epochs: int = 2, *, checkpoint: Path | None = None, die_after: int | None = None):
    waves = Waves(40)
    batches = batches_of(waves)
    net = network()

    def loss(outputs, targets):
        loss.calls += 1
        if die_after is not None and loss.calls > die_after:
            raise KeyboardInterrupt
        return losses.binary_cross_entropy(outputs, targets)

    loss.calls = 0
    result = fit(
        VisitNetwork(net), batches, loss, checkpoint=checkpoint,
        settings=FitSettings(
            epochs=epochs, steps_per_epoch=batches.steps, learning_rate=3e-3, seed=1, threads=1,
            checkpoint_every=2,
        ),
    )  # fmt: skip
    return net, result, waves


def test_golden_losses() -> None:
    _, result, _ = trained()
    found = [row["loss"] for row in result.curves]
    np.testing.assert_allclose(found, json.loads(GOLDEN.read_text()), rtol=1e-2)


def test_killed_and_continued_it_has_the_same_weights(tmp_path: Path) -> None:
    whole, _, _ = trained()
    with pytest.raises(KeyboardInterrupt):
        trained(checkpoint=tmp_path / "run.pt", die_after=13)
    continued, _, _ = trained(checkpoint=tmp_path / "run.pt")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(continued.state_dict()[name], tensor), name


@pytest.mark.slow
def test_it_learns_which_segments_to_hear() -> None:
    net, _, waves = trained(30)
    with torch.no_grad():
        scores = net.eval().forward_features(torch.from_numpy(waves.signal))[:, -1].numpy()
    assert np.median(scores[waves.clean]) > np.median(scores[~waves.clean])
