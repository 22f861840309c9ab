"""The parts of the recipe ``diagnosis_12lead`` that others do not have."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from ecgfoundry.training.recipes.diagnosis_12lead.members import multitask_loss  # noqa: E402


def test_unknown_targets_have_no_part_in_the_loss() -> None:
    # At logit 0 any target costs ln 2. Five superclasses count 1 each, what follows 0.2; rows of
    # one lead count 0.7. Unknown: (5 + 0.7 * 5) / 2 * ln 2; known: (5.2 + 0.7 * 5.2) / 2 * ln 2.
    logits = torch.zeros(2, 6, requires_grad=True)
    unknown = torch.tensor([[1.0, 0.0, 1.0, 0.0, 1.0, float("nan")]] * 2)
    loss = multitask_loss(logits, unknown)
    loss.backward()
    assert loss.item() == pytest.approx(2.945876, abs=1e-5)
    assert logits.grad is not None and logits.grad[:, 5].tolist() == [0.0, 0.0]
    assert multitask_loss(logits, unknown.nan_to_num(1.0)).item() == pytest.approx(
        3.063711, abs=1e-5
    )
