"""ECG-FM: weights in the layout of its authors, against the same layers written with torch's own.

The layout (names, order of the layers, where a norm stands) is read from the public code of
fairseq-signals (MIT). Transformer layers, group norm, weight norm and padding of the transcription
are those of PyTorch, not of the network under test.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("safetensors")

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations

from ecgfoundry.errors import BundleError, CheckpointError
from ecgfoundry.inference.predictor import load_model
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.models.importing import import_checkpoint
from ecgfoundry.models.registry import ARCHITECTURES, create_model
from ecgfoundry.recording import Recording
from ecgfoundry.vocabularies import load_vocabulary

torch.set_num_threads(1)

WIDTH, LAYERS, HIDDEN, CHANNELS, REACH, GROUPS = 128, 2, 96, 32, 16, 4


class Transcription(nn.Module):
    """The fine-tuned classifier of fairseq-signals, from layers of PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            *(nn.Conv1d(12 if k == 0 else CHANNELS, CHANNELS, 2, 2, bias=False) for k in range(4))
        )
        self.group = nn.GroupNorm(CHANNELS, CHANNELS)
        self.norm = nn.LayerNorm(CHANNELS)
        self.project = nn.Linear(CHANNELS, WIDTH)
        convolution = nn.Conv1d(WIDTH, WIDTH, REACH, padding=REACH // 2, groups=GROUPS)
        self.positions = parametrizations.weight_norm(convolution, name="weight", dim=2)
        self.start = nn.LayerNorm(WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, WIDTH // 64, HIDDEN, dropout=0.0, activation="gelu", batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
        self.classifier = nn.Linear(WIDTH, 17)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for number, convolution in enumerate(self.convolutions):
            x = convolution(x)
            x = nn.functional.gelu(self.group(x) if number == 0 else x)
        x = self.project(self.norm(x.transpose(1, 2)))
        placed = self.positions(x.transpose(1, 2))[:, :, :-1]  # SamePad
        x = self.layers(self.start(x + nn.functional.gelu(placed).transpose(1, 2)))
        return self.classifier(x.sum(dim=1) / (x != 0).sum(dim=1))

    def published(self, *, old: bool = False) -> dict[str, torch.Tensor]:
        """Its tensors under the names of fairseq-signals."""
        own = {name: tensor.clone() for name, tensor in self.state_dict().items()}
        extractor = "encoder.feature_extractor.conv_layers"
        found = {f"{extractor}.{k}.0.weight": own[f"convolutions.{k}.weight"] for k in range(4)}
        pairs = {
            f"{extractor}.0.2": "group", "encoder.layer_norm": "norm",
            "encoder.post_extract_proj": "project", "encoder.encoder.layer_norm": "start",
            "proj": "classifier",
        }  # fmt: skip
        for k in range(LAYERS):
            theirs, mine = f"encoder.encoder.layers.{k}", f"layers.layers.{k}"
            pairs |= {
                f"{theirs}.self_attn.out_proj": f"{mine}.self_attn.out_proj",
                f"{theirs}.self_attn_layer_norm": f"{mine}.norm1",
                f"{theirs}.fc1": f"{mine}.linear1", f"{theirs}.fc2": f"{mine}.linear2",
                f"{theirs}.final_layer_norm": f"{mine}.norm2",
            }  # fmt: skip
            for what in ("weight", "bias"):
                parts = own[f"{mine}.self_attn.in_proj_{what}"].chunk(3)
                for letter, part in zip("qkv", parts, strict=True):
                    found[f"{theirs}.self_attn.{letter}_proj.{what}"] = part.clone()
        for theirs, mine in pairs.items():
            for what in ("weight", "bias"):
                found[f"{theirs}.{what}"] = own[f"{mine}.{what}"]
        kernel = "encoder.conv_pos.pos_conv.0"
        names = (f"{kernel}.weight_g", f"{kernel}.weight_v") if old else (
            f"{kernel}.parametrizations.weight.original0",
            f"{kernel}.parametrizations.weight.original1",
        )  # fmt: skip
        found[names[0]] = own["positions.parametrizations.weight.original0"]
        found[names[1]] = own["positions.parametrizations.weight.original1"]
        found[f"{kernel}.bias"] = own["positions.bias"]
        return found


@pytest.fixture(scope="module")
def transcription() -> Transcription:
    torch.manual_seed(3)
    made = Transcription().eval()
    with torch.no_grad():  # norms that do something
        for name, parameter in made.named_parameters():
            if "norm" in name or "group" in name or "start" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
    return made


def imported(state: dict[str, torch.Tensor], folder: Path, **changes: object) -> Path:
    save_file(
        {name: tensor.contiguous() for name, tensor in state.items()}, folder / "w.safetensors"
    )
    given = {"architecture": "ecg-fm", "leads": 12, "vocabulary": "ecg-fm-17", **changes}
    return import_checkpoint(folder / "w.safetensors", output=folder / "bundle", **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("old", [False, True], ids=["weight norm of today", "of older versions"])
def test_a_bundle_computes_what_the_authors_layers_do(
    transcription: Transcription, tmp_path: Path, old: bool
) -> None:
    folder = imported(transcription.published(old=old), tmp_path)
    predictor = load_model(folder, threads=1)
    windows = np.random.default_rng(0).normal(size=(3, 12, 2500)).astype(np.float32)
    with torch.no_grad():
        wanted = transcription(torch.from_numpy(windows)).numpy()
    np.testing.assert_allclose(predictor.logits(windows), wanted, atol=1e-5)
    assert predictor.embed(windows).shape == (3, WIDTH)
    about = predictor.bundle
    assert (about.input.preprocessing, about.input.samples) == ("ecg-fm@1", 2500)
    assert "MIT" in about.about.licence and "wanglab/ecg-fm" in about.about.licence
    assert "not known here" in " ".join(about.about.known_failures)
    card = (folder / "README.md").read_text()
    assert about.about.licence in card and "2408.05178" in card
    assert about.thresholds == [None] * 17


def test_a_pretrained_checkpoint_is_an_encoder(
    transcription: Transcription, tmp_path: Path
) -> None:
    """Without prefix and classifier, with the heads of the pretraining, which are left out."""
    state = {
        name.removeprefix("encoder."): tensor
        for name, tensor in transcription.published().items()
        if not name.startswith("proj.")
    } | {
        "mask_emb": torch.zeros(WIDTH),
        "quantizer.vars": torch.zeros(1, 640, 8),
        "project_q.weight": torch.zeros(8, 8),
        "final_proj.bias": torch.zeros(8),
    }
    predictor = load_model(imported(state, tmp_path, vocabulary="representation"), threads=1)
    windows = np.random.default_rng(1).normal(size=(2, 12, 2500)).astype(np.float32)
    embedding = torch.from_numpy(predictor.embed(windows))
    with torch.no_grad():
        wanted = transcription(torch.from_numpy(windows))
        head = transcription.classifier
        torch.testing.assert_close(head(embedding), wanted, rtol=0, atol=1e-5)
    noise = 0.2 * np.random.default_rng(2).normal(size=(12, 5000))
    recording = Recording(noise, 500.0, STANDARD_12_LEADS)
    with pytest.raises(BundleError, match="without labels"):
        predictor.interpret(recording)
    with pytest.raises(CheckpointError, match=r"2 missing: dense"):
        imported(state, tmp_path)


def test_what_does_not_fit_is_refused_with_what_to_do(
    transcription: Transcription, tmp_path: Path
) -> None:
    good = transcription.published()
    with pytest.raises(CheckpointError, match=r"no checkpoint of ECG-FM.*positions") as refused:
        imported({k: v for k, v in good.items() if "pos_conv" not in k}, tmp_path)
    assert "wanglab/ecg-fm" in str(refused.value)
    # A norm in every convolution is another kind of extractor ("layer_norm").
    other = good | {"encoder.feature_extractor.conv_layers.1.2.1.weight": torch.ones(CHANNELS)}
    with pytest.raises(CheckpointError, match="1 unexpected: feature_extractor"):
        imported(other, tmp_path)
    with pytest.raises(CheckpointError, match="of another shape: dense"):
        imported(good, tmp_path, vocabulary="code-6")
    with pytest.raises(CheckpointError, match="read 12 leads, not 1"):
        imported(good, tmp_path, leads=1)


def test_the_size_is_that_which_the_authors_state() -> None:
    """90,883,072 (their README) with the pretraining's heads, at the sizes of their configuration:
    mask 768, codes 640 x 128 and their choice from 256 channels, two projections to 256 (from 256
    and from 768), and a length for each of the 128 places of the position kernel.
    """
    with torch.device("meta"):
        network = create_model("ecg-fm", classes=17)
    encoder = sum(p.numel() for p in network.parameters()) - (768 * 17 + 17)
    heads = 768 + 640 * 128 + (256 * 640 + 640) + (256 * 256 + 256) + (768 * 256 + 256)
    assert encoder + heads + 128 == 90_883_072
    assert ARCHITECTURES["ecg-fm"].preprocessing == "ecg-fm@1"


def test_the_labels_are_in_the_authors_order() -> None:
    names = load_vocabulary("ecg-fm-17").names
    assert (names[0], names[6], names[-1]) == (
        "Poor data quality", "Atrial fibrillation", "Electronic pacemaker",
    )  # fmt: skip
