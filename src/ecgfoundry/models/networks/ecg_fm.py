"""ECG-FM: strided convolutions, positions by convolution, a transformer encoder, mean over time.

The layout is that of the published weights (K. McKeen et al., "ECG-FM: an open electrocardiogram
foundation model", arXiv 2408.05178), which are of the wav2vec 2.0 family and are described by the
public code of fairseq-signals (MIT). The code here is our own: sums and products that export to
ONNX as they are. The sizes of the published weights give 90,373,248 parameters without the heads of
their pretraining, and with those the 90,883,072 that the authors state.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from ecgfoundry.documents import JsonObject
from ecgfoundry.errors import CheckpointError
from ecgfoundry.models.networks.sequence import SequenceNetwork, check_windows

__all__ = ["EcgFm"]

HEAD_WIDTH = 64
"""Channels of an attention head: 12 heads of 768, as BERT has them."""
CONVOLUTIONS = 4
STRIDE = 2
"""Kernel and step of each convolution: 16 samples become one position."""


class EcgFm(SequenceNetwork):
    """ECG windows to logits.

    Parameters
    ----------
    classes : int
        Number of logits.
    leads : int
        Input channels.
    width : int
        Channels of the transformer, a multiple of 64; the size of the embedding.
    layers : int
    hidden : int
        Channels within the feed-forward part of a layer.
    channels : int
        Of the convolutions.
    reach, groups : int
        Kernel and groups of the convolution that tells positions.

    Raises
    ------
    ValueError
        A size is not positive, or the width is no multiple of 64.
    """

    def __init__(
        self,
        classes: int = 17,
        *,
        leads: int = 12,
        width: int = 768,
        layers: int = 12,
        hidden: int = 3072,
        channels: int = 256,
        reach: int = 128,
        groups: int = 16,
    ) -> None:
        super().__init__()
        if (
            min(leads, layers, hidden, channels, reach, groups) < 1
            or width % HEAD_WIDTH
            or not width
        ):
            raise ValueError(f"width {width} must be a multiple of {HEAD_WIDTH}, sizes positive")
        self.config: JsonObject = {
            "classes": classes,
            "leads": leads,
            "width": width,
            "layers": layers,
            "hidden": hidden,
            "channels": channels,
            "reach": reach,
            "groups": groups,
        }
        self.leads = leads
        self.features = width
        self.convolutions = nn.ModuleList(
            nn.Conv1d(leads if k == 0 else channels, channels, STRIDE, STRIDE, bias=False)
            for k in range(CONVOLUTIONS)
        )
        # One group for each channel: a norm over time, which is what "group norm" is in wav2vec.
        self.first_norm = nn.GroupNorm(channels, channels)
        self.channel_norm = nn.LayerNorm(channels)
        self.project = nn.Linear(channels, width)
        self.positions = nn.Conv1d(width, width, reach, padding=reach // 2, groups=groups)
        self.start_norm = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(_Block(width, hidden) for _ in range(layers))
        self.dense = nn.Linear(width, classes)

    def forward_sequence(self, x: Tensor) -> Tensor:
        """Return the features of each position (16 samples), (batch, positions, width)."""
        check_windows(x, self.leads)
        for number, convolution in enumerate(self.convolutions):
            x = convolution(x)
            x = functional.gelu(self.first_norm(x) if number == 0 else x)
        x = self.project(self.channel_norm(x.transpose(1, 2)))
        # An even kernel gives one position too many, of which the last is left out.
        placed = self.positions(x.transpose(1, 2))[..., : x.shape[1]]
        x = self.start_norm(x + functional.gelu(placed).transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        return x

    @classmethod
    def published_layout(cls, state: Mapping[str, Tensor]) -> tuple[JsonObject, dict[str, Tensor]]:
        """Bring the tensors of a published checkpoint to the names and the sizes of this class.

        Both kinds of checkpoint are known: fine-tuned ones with their classifier, and pretrained
        ones, whose heads of the pretraining are left out. A weight norm is multiplied out.

        Returns
        -------
        dict, dict of Tensor
            Settings of the network but for ``classes``, and its state dict; without a classifier
            where the checkpoint has none. A tensor that is not known keeps its name.

        Raises
        ------
        CheckpointError
            It is none of the two.
        """
        tuned = any(name.startswith("encoder.feature_extractor.") for name in state)
        within = "encoder." if tuned else ""
        given = {name.removeprefix(within): tensor for name, tensor in state.items()}
        _multiply_out(given)
        renamed = {
            _own_name(name): tensor
            for name, tensor in given.items()
            if not name.startswith(_PRETRAINING)
        }
        try:
            first, kernel = renamed["convolutions.0.weight"], renamed["positions.weight"]
            width, hidden = renamed["project.weight"].shape[0], renamed["blocks.0.widen.weight"]
        except KeyError as error:
            raise CheckpointError(
                f"this is no checkpoint of ECG-FM: it has nothing for {error.args[0]}",
                remedy="Give mimic_iv_ecg_finetuned.pt or mimic_iv_ecg_physionet_pretrained.pt of "
                "huggingface.co/wanglab/ecg-fm, its tensors saved as .safetensors",
            ) from None
        layers = {match[1] for name in renamed if (match := re.match(r"blocks\.(\d+)\.", name))}
        settings: JsonObject = {
            "leads": first.shape[1],
            "width": width,
            "layers": len(layers),
            "hidden": hidden.shape[0],
            "channels": first.shape[0],
            "reach": kernel.shape[2],
            "groups": width // kernel.shape[1],
        }
        return settings, renamed


class _Block(nn.Module):
    """Self-attention and a feed-forward part, a layer norm behind each."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.heads = width // HEAD_WIDTH
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, hidden)
        self.narrow = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, positions, width) to the same shape."""
        batch, positions, width = x.shape
        shape = (batch, positions, self.heads, HEAD_WIDTH)
        query, key, value = (
            part(x).reshape(shape).transpose(1, 2) for part in (self.query, self.key, self.value)
        )
        weights = torch.matmul(query * HEAD_WIDTH**-0.5, key.transpose(-1, -2)).softmax(dim=-1)
        heard = torch.matmul(weights, value).transpose(1, 2).reshape(batch, positions, width)
        x = self.attention_norm(x + self.out(heard))
        result: Tensor = self.norm(x + self.narrow(functional.gelu(self.widen(x))))
        return result


_PRETRAINING = ("mask_emb", "quantizer.", "project_q.", "target_glu.", "final_proj.")
"""Parts of the pretraining that no answer depends on."""
_POSITIONS = "conv_pos.pos_conv.0"
_NORMED = (
    (f"{_POSITIONS}.weight_g", f"{_POSITIONS}.weight_v"),
    (f"{_POSITIONS}.parametrizations.weight.original0",
     f"{_POSITIONS}.parametrizations.weight.original1"),
)  # fmt: skip
"""Length and direction of the position kernel, as older and newer versions of PyTorch name them."""
_NAMES = {
    r"feature_extractor\.conv_layers\.(\d+)\.0\.weight": r"convolutions.\1.weight",
    r"feature_extractor\.conv_layers\.0\.2\.(weight|bias)": r"first_norm.\1",
    r"layer_norm\.(weight|bias)": r"channel_norm.\1",
    r"post_extract_proj\.(weight|bias)": r"project.\1",
    r"conv_pos\.pos_conv\.0\.(weight|bias)": r"positions.\1",
    r"encoder\.layer_norm\.(weight|bias)": r"start_norm.\1",
    r"encoder\.layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)": r"blocks.\1.query.\2",
    r"encoder\.layers\.(\d+)\.self_attn\.k_proj\.(weight|bias)": r"blocks.\1.key.\2",
    r"encoder\.layers\.(\d+)\.self_attn\.v_proj\.(weight|bias)": r"blocks.\1.value.\2",
    r"encoder\.layers\.(\d+)\.self_attn\.out_proj\.(weight|bias)": r"blocks.\1.out.\2",
    r"encoder\.layers\.(\d+)\.self_attn_layer_norm\.(weight|bias)": r"blocks.\1.attention_norm.\2",
    r"encoder\.layers\.(\d+)\.fc1\.(weight|bias)": r"blocks.\1.widen.\2",
    r"encoder\.layers\.(\d+)\.fc2\.(weight|bias)": r"blocks.\1.narrow.\2",
    r"encoder\.layers\.(\d+)\.final_layer_norm\.(weight|bias)": r"blocks.\1.norm.\2",
    r"proj\.(weight|bias)": r"dense.\1",
}


def _own_name(name: str) -> str:
    for pattern, own in _NAMES.items():
        if re.fullmatch(pattern, name):
            return re.sub(pattern, own, name)
    return name


def _multiply_out(given: dict[str, Tensor]) -> None:
    """Replace length and direction of the position kernel by the kernel."""
    for length, direction in _NORMED:
        if length in given and direction in given:
            v, g = given.pop(direction).double(), given.pop(length).double()
            kernel = g * v / v.norm(dim=(0, 1), keepdim=True)
            given[f"{_POSITIONS}.weight"] = kernel.float()
