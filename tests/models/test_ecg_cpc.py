"""ECG-CPC: weights in the layout of its authors, against the recurrence of its definition.

Names, order and steps are read from public code of AI4HealthUOL (ecg-pretraining-strategies and
s4sleep). The matrices are those of Gu et al. (ICLR 2022) in their real form, which the network
under test never sees: the checkpoint holds them turned into conjugate pairs, with ``C`` times
``1 - A^1200``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("safetensors")

import torch
from safetensors.torch import save_file
from torch import nn

from ecgfoundry.errors import BundleError, CheckpointError
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.models.importing import import_checkpoint
from ecgfoundry.models.registry import ARCHITECTURES, create_model
from ecgfoundry.recording import Recording

torch.set_num_threads(1)

WIDTH, STATE, LAYERS, LENGTH = 16, 8, 2, 1200
KERNELS = (3, 1, 1, 1)
Complex = NDArray[np.complex128]


def legendre() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """HiPPO-LegS: A[n, k] = -sqrt((2n + 1)(2k + 1)) below, -(n + 1) on the diagonal."""
    a = np.zeros((STATE, STATE))
    for n in range(STATE):
        a[n, n] = -(n + 1)
        for k in range(n):
            a[n, k] = -np.sqrt((2 * n + 1) * (2 * k + 1))
    return a, np.sqrt(2 * np.arange(STATE) + 1)


class Layer(nn.Module):
    """One layer: the state space as a recurrence, in float64."""

    def __init__(self) -> None:
        super().__init__()
        self.log_step = torch.log(torch.logspace(-3, -1, WIDTH, dtype=torch.float64))
        self.c = torch.randn(WIDTH, STATE, dtype=torch.float64)
        self.d = torch.randn(1, WIDTH, dtype=torch.float64)
        self.mix = nn.Conv1d(WIDTH, 2 * WIDTH, 1).double()
        self.norm = nn.LayerNorm(WIDTH).double()

    def discrete(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The bilinear rule: (1 - h/2 A)^-1 (1 + h/2 A) and (1 - h/2 A)^-1 h B."""
        a, b = legendre()
        h = self.log_step.exp().numpy()[:, None, None]
        inverse = np.linalg.inv(np.eye(STATE) - h / 2 * a)
        return inverse @ (np.eye(STATE) + h / 2 * a), (inverse @ (h * b[:, None]))[..., 0]

    def forward(self, u: torch.Tensor) -> torch.Tensor:
        a, b = map(torch.from_numpy, self.discrete())
        x = torch.zeros(*u.shape[:2], STATE, dtype=torch.float64)
        y = torch.empty_like(u)
        for k in range(u.shape[2]):
            x = torch.einsum("hmn,bhn->bhm", a, x) + b * u[:, :, k, None]
            y[:, :, k] = (self.c * x).sum(-1)
        y = nn.functional.gelu(y + self.d[0, :, None] * u)
        z = nn.functional.glu(self.mix(y), dim=1)
        return self.norm((u + z).transpose(1, 2)).transpose(1, 2)

    def published(self) -> dict[str, torch.Tensor]:
        """A + P P^T is normal; its eigenvectors turn all into conjugate pairs, one of each kept."""
        a, b = legendre()
        p = np.sqrt(np.arange(STATE) + 0.5)
        values, vectors = np.linalg.eig(a + np.outer(p, p))
        kept = np.flatnonzero(values.imag > 0)
        turned = vectors[:, kept].conj().T
        onwards, _ = self.discrete()
        past = np.stack([np.linalg.matrix_power(one, LENGTH) for one in onwards])
        c = (self.c.numpy()[:, None, :] @ (np.eye(STATE) - past))[:, 0]  # C (1 - A^L)
        # y = C x and x = V z, so that C in the new states is V^T C.
        pairs = {
            "w": np.tile(values[kept], (WIDTH, 1)),
            "B": np.tile(turned @ b, (1, WIDTH, 1)),
            "P": np.tile(turned @ p, (1, WIDTH, 1)),
            "Q": np.tile((turned @ p).conj(), (1, WIDTH, 1)),
            "C": (c @ vectors[:, kept])[None],
            "omega": np.exp(-2j * np.pi * np.arange(LENGTH // 2 + 1) / LENGTH),
            "z": np.zeros(LENGTH // 2 + 1, dtype=np.complex128),
        }
        inside = {
            f"kernel.kernel.{name}": torch.view_as_real(torch.from_numpy(value).cfloat())
            for name, value in pairs.items()
        }
        return inside | {
            "kernel.kernel.log_dt": self.log_step.float(),
            "D": self.d.float(),
            "output_linear.0.weight": self.mix.weight.detach()[..., 0].float(),
            "output_linear.0.bias": self.mix.bias.detach()[:, None].float(),
        }


class Transcription(nn.Module):
    """Encoder and predictor of the authors; pieces of 600 samples, and their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv1d(12 if k == 0 else WIDTH, WIDTH, size, 2 if k == 0 else 1,
                              padding=(size - 1) // 2, bias=False),
                    nn.BatchNorm1d(WIDTH),
                    nn.ReLU(),
                )
                for k, size in enumerate(KERNELS)
            )
        ).double()  # fmt: skip
        self.layers = nn.Sequential(*(Layer() for _ in range(LAYERS)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pieces = [self.layers(self.encoder(x[..., k : k + 600])) for k in range(0, 2400, 600)]
        return torch.cat(pieces, dim=2).mean(dim=2)

    def published(self) -> dict[str, torch.Tensor]:
        """Its tensors under the names of the authors."""
        found = {
            f"ts_encoder.encoder.layers.{name}": value.float()
            if value.is_floating_point()
            else value
            for name, value in self.encoder.state_dict().items()
        }
        for k, layer in enumerate(self.layers):
            place = "ts_encoder.predictor.predictor"
            for name, value in layer.published().items():
                found[f"{place}.s4_layers.{k}.{name}"] = value
            for name, value in layer.norm.state_dict().items():
                found[f"{place}.norms.{k}.{name}"] = value.float()
        return found | {"ts_encoder.head_ssl.proj.0.weight": torch.zeros(3, WIDTH)}


@pytest.fixture(scope="module")
def transcription() -> Transcription:
    torch.manual_seed(4)
    made = Transcription().eval()
    with torch.no_grad():  # norms that do something; weights that float32 holds
        for name, tensor in made.state_dict().items():
            if name.endswith("running_var"):
                tensor.add_(torch.rand(WIDTH))
            elif name.endswith("running_mean") or "norm" in name or name.endswith(".1.weight"):
                tensor.add_(0.3 * torch.randn(WIDTH))
            if tensor.is_floating_point():
                tensor.copy_(tensor.float())
        for layer in made.layers:
            layer.c, layer.d = layer.c.float().double(), layer.d.float().double()
            layer.log_step = layer.log_step.float().double()
    return made


def imported(state: dict[str, torch.Tensor], folder: Path, **changes: object) -> Path:
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "w.safetensors")
    given = {"architecture": "ecg-cpc", "leads": 12, "vocabulary": "representation", **changes}
    return import_checkpoint(folder / "w.safetensors", output=folder / "bundle", **given)  # type: ignore[arg-type]


def test_a_bundle_computes_what_the_definition_says(
    transcription: Transcription, tmp_path: Path
) -> None:
    folder = imported(transcription.published(), tmp_path)
    predictor = load_model(folder, threads=1)
    windows = np.random.default_rng(0).normal(size=(2, 12, 2400)).astype(np.float32)
    with torch.no_grad():
        wanted = transcription(torch.from_numpy(windows).double()).numpy()
    assert np.abs(wanted).max() > 0.3
    np.testing.assert_allclose(predictor.embed(windows), wanted, rtol=0, atol=1e-5)
    spec = predictor.bundle.input
    assert (spec.preprocessing, spec.samples, spec.recipe.sampling_rate) == ("ecg-cpc@1", 2400, 240)
    about = predictor.bundle.about
    card = (folder / "README.md").read_text()
    assert about.licence in card and "30192604" in about.licence and "2509.25095" in card
    noise = 0.2 * np.random.default_rng(2).normal(size=(12, 5000))
    with pytest.raises(BundleError, match="without labels"):
        predictor.interpret(Recording(noise, 500.0, STANDARD_12_LEADS))


def test_the_kernel_is_that_of_the_generating_function(transcription: Transcription) -> None:
    """Their way: C (1 - A^L) (1 - A z)^-1 B at the L-th roots of one, and back by Fourier."""
    layer = transcription.layers[0]
    settings, state = ARCHITECTURES["ecg-cpc"].from_published(transcription.published())
    network = create_model("ecg-cpc", classes=1, **settings)
    network.load_state_dict(state | {"dense.weight": torch.zeros(1, WIDTH),
                                     "dense.bias": torch.zeros(1)})  # fmt: skip
    space = network.blocks[0].space
    kernel = (space.output.unsqueeze(-1) * space.responses).sum(1).detach().numpy()
    a, b = layer.discrete()
    past = np.stack([np.linalg.matrix_power(one, LENGTH) for one in a])
    c = (layer.c.numpy()[:, None, :] @ (np.eye(STATE) - past))[:, 0]
    roots = np.exp(-2j * np.pi * np.arange(LENGTH // 2 + 1) / LENGTH)
    resolved = np.linalg.solve(np.eye(STATE) - roots[:, None, None, None] * a, b[None, ..., None])
    wanted = np.fft.irfft(np.einsum("hn,lhn->hl", c, resolved[..., 0]), LENGTH)[:, :300]
    np.testing.assert_allclose(kernel, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())


def test_a_fresh_network_has_the_states_of_the_definition() -> None:
    """Of the smallest state, A = -1 and B = 1: B h / (1 + h/2) times (1 - h/2)^k / (1 + h/2)^k."""
    torch.manual_seed(0)
    space = create_model("ecg-cpc", classes=2, width=4, state=1, layers=1).blocks[0].space
    first, second = space.responses[:, 0, 0].double(), space.responses[:, 0, 1].double()
    step = first / (1 - first / 2)
    assert (step > 9.9e-4).all() and (step < 0.101).all()
    torch.testing.assert_close(second, first * (1 - step / 2) / (1 + step / 2), rtol=1e-5, atol=0)


def test_no_answer_from_what_is_to_come() -> None:
    """Position k depends on samples up to 2k + 1, and nothing passes from piece to piece."""
    network = create_model("ecg-cpc", classes=2, width=8, layers=2).eval()
    x = torch.randn(1, 12, 1200)
    later, other = x.clone(), x.clone()
    later[..., 402:] += 1.0
    other[..., :600] += 1.0
    with torch.no_grad():
        one, two, three = map(network.forward_sequence, (x, later, other))
    assert one.shape == (1, 600, 8)
    torch.testing.assert_close(two[:, :201], one[:, :201], rtol=0, atol=1e-5)
    assert (two[:, 201:300] - one[:, 201:300]).abs().max() > 1e-2
    torch.testing.assert_close(three[:, 300:], one[:, 300:], rtol=0, atol=1e-5)


def test_what_does_not_fit_is_refused_with_what_to_do(
    transcription: Transcription, tmp_path: Path
) -> None:
    good = transcription.published()
    kernel = "ts_encoder.predictor.predictor.s4_layers.1.kernel.kernel."
    with pytest.raises(CheckpointError, match=r"no checkpoint of ECG-CPC.*omega") as refused:
        imported({k: v for k, v in good.items() if k != f"{kernel}omega"}, tmp_path)
    assert "30192604" in str(refused.value)
    both = good | {f"{kernel}C": good[f"{kernel}C"].repeat(2, 1, 1, 1)}
    with pytest.raises(CheckpointError, match="one kernel of one direction in C"):
        imported(both, tmp_path)
    with pytest.raises(CheckpointError, match="nothing for s4_layers"):
        imported({k: v for k, v in good.items() if "s4_layers" not in k}, tmp_path)
    with pytest.raises(CheckpointError, match=r"2 missing: dense"):
        imported(good, tmp_path, vocabulary="code-6")
