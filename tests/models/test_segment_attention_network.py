"""Attention over segments: sizes, weights by hand."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.models.networks.segment_attention import (  # noqa: E402
    GatedAttention,
    SegmentAttentionNet,
    pool_segments,
)


def test_number_of_parameters() -> None:
    # The released one-lead Net1D without its classifier, 30,807,750 - (1,024 * 150 + 150); two
    # matrices of 128 x 1,024 with their offsets and one row of 128; a classifier of 1,025 numbers.
    expected = 30_654_000 + 2 * (128 * 1024 + 128) + 129 + 1025 * 150 + 150
    with torch.device("meta"):
        network = SegmentAttentionNet()
    assert sum(p.numel() for p in network.parameters()) == expected
    assert network.config["hidden"] == 128 and network.config["classes"] == 150
    assert (network.leads, network.features) == (1, 1025)


def test_a_score_is_a_gated_tangent() -> None:
    attention = GatedAttention(2, 1)
    with torch.no_grad():
        attention.tanh.weight.copy_(torch.tensor([[1.0, 0.0]]))
        attention.gate.weight.copy_(torch.tensor([[0.0, 1.0]]))
        attention.score.weight.fill_(2.0)
        for part in (attention.tanh, attention.gate):
            part.bias.zero_()
        attention.score.bias.fill_(0.5)
        # 2 tanh(0.5) sigmoid(ln 3) + 0.5 = 2 * 0.4621172 * 0.75 + 0.5
        found = attention(torch.tensor([[0.5, math.log(3.0)]]))
    assert float(found) == pytest.approx(1.1931757, abs=1e-6)


def test_weights_are_the_softmax_of_what_is_known() -> None:
    scores = torch.tensor([[0.0, math.log(3.0), 50.0]])
    values = torch.tensor([[[1.0, 1.0], [5.0, 5.0], [9.0, 9.0]]])
    known = torch.tensor([[[True, True], [True, False], [False, False]]])
    pooled, weights = pool_segments(values, scores, known)
    # 1/4 * 1 + 3/4 * 5; of the second output only the first segment is known.
    assert pooled[0].tolist() == pytest.approx([4.0, 1.0])
    assert weights[0, :, 0].tolist() == pytest.approx([0.25, 0.75, 0.0])
    assert weights[0, :, 1].tolist() == [1.0, 0.0, 0.0]
