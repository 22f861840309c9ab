"""Standardization as tensor operations against the function that all rooms call."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
import scipy.signal as ss

torch = pytest.importorskip("torch", reason="tensors need PyTorch")

from tests import golden_recipes  # noqa: E402
from tests.test_preprocessing import PLAIN  # noqa: E402

from ecgfoundry.errors import PreprocessingError, SignalError  # noqa: E402
from ecgfoundry.preprocessing import standardize_windows  # noqa: E402
from ecgfoundry.preprocessing.tensors import (  # noqa: E402
    running_median,
    standardize_tensor,
)

RECIPES = ("ecgfounder-finetune@1", "ecgfounder-paper@1")
DEVICES = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


@pytest.fixture
def record(fixtures) -> np.ndarray:
    return scipy.io.loadmat(fixtures / "cinc2021" / "HR06005.mat")["val"] / 1000.0


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", RECIPES)
def test_the_transcription_is_met(name: str, device: str, record: np.ndarray) -> None:
    x = torch.tensor(record[None], device=device)
    given = standardize_tensor(x, 500, name)[0].cpu().numpy()
    assert given.dtype == np.float32
    assert np.abs(given - PLAIN[name](record)).max() <= 1e-4


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("name", "case"), [(name, case) for name in RECIPES for case in golden_recipes.cases(name)]
)
def test_golden_values(name: str, case: str, device: str) -> None:
    raw = golden_recipes.cases(name)[case]
    given = standardize_tensor(
        torch.tensor(raw.millivolts[None], device=device), raw.sampling_rate, name,
        mains_frequency=raw.mains_frequency,
    )[0].cpu().numpy()  # fmt: skip
    kept = given[:, golden_recipes.kept(given.shape[1])]
    np.testing.assert_allclose(kept, golden_recipes.stored(name, case), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_the_joint_deviation_gets_1e_8_added(name: str) -> None:
    x = np.where(np.arange(5000) // 25 % 2 == 0, 3e-8, -3e-8)[np.newaxis]
    given = standardize_tensor(torch.tensor(x[None]), 500, name)[0].numpy()
    np.testing.assert_allclose(given, PLAIN[name](x), atol=1e-3)
    assert 0.6 < given.std() < 0.75  # 3e-8 / (3e-8 + 1e-8), less what the filters take


def test_samples_are_rounded_to_float32_before_the_filters(record: np.ndarray) -> None:
    """At an offset of 3000 mV that is 0.1 uV and shows: the rule of all engines is one."""
    x = record[:3] + 3000.0
    given = standardize_tensor(torch.tensor(x[None]), 500, "ecgfounder-paper@1")[0].numpy()
    wanted = PLAIN["ecgfounder-paper@1"](x)
    assert np.abs(given - wanted).max() <= 1e-4
    exact = PLAIN["ecgfounder-paper@1"](record[:3])
    assert np.abs(given - exact).max() > 2e-4


def test_the_running_median_by_hand() -> None:
    x = torch.tensor([[5.0, 1.0, 4.0, 2.0, 9.0], [-1.0, -2.0, -3.0, -4.0, -5.0]])
    # Of 3, zeros beyond the ends: (0 5 1) (5 1 4) (1 4 2) (4 2 9) (2 9 0).
    wanted = [[1.0, 4.0, 2.0, 4.0, 2.0], [-1.0, -2.0, -3.0, -4.0, -4.0]]
    assert running_median(x, 3).tolist() == wanted
    assert running_median(x, 1).tolist() == x.tolist()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize(("rate", "samples"), [(500, 5000), (500, 2777), (257, 2570), (1000, 4000)])
def test_batches_with_gaps_and_absent_leads(name, rate, samples, device, record) -> None:
    batch = np.stack([np.roll(record[:5], 91 * k, axis=1)[:, :samples] for k in range(3)])
    batch[0, 1, 200:300] = np.nan
    batch[1, 2] = np.nan
    batch[2, 0] = 0.25  # flat
    given = standardize_tensor(torch.tensor(batch, device=device), rate, name).cpu().numpy()
    wanted = standardize_windows(batch, rate, name)
    np.testing.assert_array_equal(np.isnan(given), np.isnan(wanted))
    assert np.nanmax(np.abs(given - wanted)) <= 1e-4


@pytest.mark.parametrize("kind", ["noise", "ties", "walk", "zeros"])
@pytest.mark.parametrize(("samples", "kernel"), [(900, 201), (150, 201), (64, 3)])
def test_the_running_median_is_exact(
    kind: str, samples: int, kernel: int, random_generator
) -> None:
    x = random_generator.normal(size=(3, samples))
    if kind == "ties":
        x = np.round(x)
    elif kind == "walk":
        x = np.cumsum(x, axis=1)
    elif kind == "zeros":
        x[:] = 0
    given = running_median(torch.tensor(x), kernel).numpy()
    padded = np.pad(x, ((0, 0), (kernel, kernel)))
    wanted = np.stack([ss.medfilt(row, kernel)[kernel:-kernel] for row in padded])
    np.testing.assert_array_equal(given, wanted)


def test_refusals() -> None:
    with pytest.raises(PreprocessingError, match="standardize_windows"):
        standardize_tensor(torch.zeros(1, 1, 5000), 500, "ptbxl-bandpass@1")
    for samples in (499, 5001):
        with pytest.raises(SignalError, match=f"{samples} samples at 500 Hz .* 1 to 10 s"):
            standardize_tensor(torch.zeros(1, 1, samples), 500, RECIPES[0])
    for samples in (500, 5000):
        assert standardize_tensor(torch.zeros(1, 1, samples), 500, RECIPES[0]).shape[2] == 5000
    with pytest.raises(SignalError, match="shape"):
        standardize_tensor(torch.zeros(1, 5000), 500, RECIPES[0])
