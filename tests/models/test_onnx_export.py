"""Exported graphs: names, sizes, parity with the network, and a check that notices differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
torch.set_num_threads(1)

import onnxruntime  # noqa: E402

from ecgfoundry.errors import VerificationError  # noqa: E402
from ecgfoundry.models.networks.net1d import Net1D  # noqa: E402
from ecgfoundry.models.onnx_export import (  # noqa: E402
    export_onnx,
    round_to_float16,
    verify_onnx,
)

LEADS, SAMPLES = 2, 627  # 314, 157, 79, 40: two of the three pools have an odd length


def small(**configuration: object) -> Net1D:
    torch.manual_seed(3)
    return Net1D(
        4,
        leads=LEADS,
        widths=(16, 32, 48),
        blocks=(2, 1, 2),
        **configuration,  # type: ignore[arg-type]
    ).eval()


def signal(batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, LEADS, SAMPLES, generator=torch.Generator().manual_seed(9))


def export(network: torch.nn.Module, path: Path, **options: object) -> Path:
    options = {"leads": LEADS, "samples": SAMPLES, "takes_presence": False, **options}
    return export_onnx(network, path=path, **options)  # type: ignore[arg-type]


class WithPresence(torch.nn.Module):
    """The smallest network that takes the mask."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = torch.nn.Linear(LEADS, 3)

    def forward_features(self, x: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
        return (x.square() * presence.unsqueeze(-1)).mean(-1)

    def forward(self, x: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
        return self.dense(self.forward_features(x, presence))


def test_inputs_outputs_and_weights_have_their_names(tmp_path: Path) -> None:
    network = small()
    model = onnx.load(export(network, tmp_path / "model.onnx"))

    def shapes(values: object) -> dict[str, list[object]]:
        return {
            value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
            for value in values  # type: ignore[attr-defined]
        }

    assert shapes(model.graph.input) == {"signal": ["batch", LEADS, SAMPLES]}
    assert shapes(model.graph.output) == {"logits": ["batch", 4], "embedding": ["batch", 48]}
    state = network.state_dict()
    weights = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
    }
    assert set(weights) == {name for name in state if "bn" not in name}
    for name, array in weights.items():
        assert np.array_equal(array, state[name].numpy())
    assert [entry.version for entry in model.opset_import] == [18]
    # The graph is all arithmetic: paddings and shapes were computed when it was written.
    kinds = {node.op_type for node in model.graph.node}
    assert not kinds & {"Constant", "Identity", "Shape", "If", "Reshape", "Cast"}


def test_files_are_reproducible_and_say_nothing_about_the_machine(tmp_path: Path) -> None:
    first = export(small(), tmp_path / "first.onnx").read_bytes()
    second = export(small(), tmp_path / "second.onnx").read_bytes()
    assert first == second
    for trace in (b".py", str(Path(__file__).parent).encode(), b"site-packages", b"pkg.torch"):
        assert trace not in first
    assert list(tmp_path.iterdir()) == [tmp_path / "first.onnx", tmp_path / "second.onnx"]


@pytest.mark.parametrize("use_batch_norm", [False, True])
@pytest.mark.parametrize("level", ["ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"])
def test_logits_are_the_same_at_every_optimisation_level(
    tmp_path: Path, level: str, use_batch_norm: bool
) -> None:
    network = small(use_batch_norm=use_batch_norm)
    # A negative bias in front of the pools: the case in which padding with zeros and padding with
    # minus infinity differ.
    with torch.no_grad():
        network.first_conv.conv.bias.fill_(-3.0)
    path = export(network, tmp_path / "model.onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(path.read_bytes(), options)
    for batch in (1, 5):
        x = signal(batch)
        with torch.no_grad():
            wanted = network(x).numpy()
        logits, embedding = session.run(None, {"signal": x.numpy()})
        assert np.abs(logits - wanted).max() <= 1e-5 * np.sqrt(np.mean(wanted**2))
        assert embedding.shape == (batch, 48)


def test_float16_weights_halve_the_file_and_change_nothing_else(tmp_path: Path) -> None:
    network = small(use_batch_norm=True)
    whole = export(network, tmp_path / "float32.onnx")
    half = export(network, tmp_path / "float16.onnx", float16_weights=True)
    model = onnx.load(half)
    stored = {tensor.name: tensor.data_type for tensor in model.graph.initializer if tensor.dims}
    assert stored["dense.weight.float16"] == onnx.TensorProto.FLOAT16
    assert stored["dense.bias"] == onnx.TensorProto.FLOAT
    weights = sum(tensor.numel() for tensor in network.parameters() if tensor.ndim > 1)
    saved = whole.stat().st_size - half.stat().st_size
    assert saved == pytest.approx(2 * weights, rel=0.05)
    rounded = round_to_float16(network)
    assert verify_onnx(rounded, half, signal()) <= 1e-5
    # Rounding itself is visible, so that the comparison above is not a coincidence.
    assert verify_onnx(network, half, signal(), tolerance=1.0) > 5e-5
    kernel = rounded.state_dict()["first_conv.conv.weight"]
    assert torch.equal(kernel, network.first_conv.conv.weight.half().float())
    assert torch.equal(rounded.first_conv.conv.bias, network.first_conv.conv.bias)


def test_weights_outside_the_range_of_float16_stay_float32(tmp_path: Path) -> None:
    network = small()
    with torch.no_grad():
        network.dense.weight[0, 0] = 1e6
    path = export(network, tmp_path / "model.onnx", float16_weights=True)
    types = {tensor.name: tensor.data_type for tensor in onnx.load(path).graph.initializer}
    assert types["dense.weight"] == onnx.TensorProto.FLOAT
    assert verify_onnx(round_to_float16(network), path, signal()) <= 1e-4


def test_the_presence_mask_is_an_input(tmp_path: Path) -> None:
    network = WithPresence()
    path = export(network, tmp_path / "model.onnx", takes_presence=True)
    session = onnxruntime.InferenceSession(path.read_bytes())
    assert [node.name for node in session.get_inputs()] == ["signal", "presence"]
    presence = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert verify_onnx(network, path, signal(), presence) <= 1e-5


def test_training_mode_and_network_are_left_as_they_were(tmp_path: Path) -> None:
    network = small(use_batch_norm=True).train()
    network.stage_list[0].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    export(network, tmp_path / "model.onnx")
    verify_onnx(network, tmp_path / "model.onnx", signal())
    assert [module.training for module in network.modules()] == modes
    assert "forward_features" not in vars(network)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_verification_notices_other_weights_and_damage(tmp_path: Path) -> None:
    network = small()
    path = export(network, tmp_path / "model.onnx")
    other = small()
    with torch.no_grad():
        other.stage_list[2].block_list[1].conv3.conv.weight.mul_(1.01)
    with pytest.raises(VerificationError, match=r"model\.onnx: the graph is .* away"):
        verify_onnx(other, path, signal())
    with torch.no_grad():
        other.dense.bias[1] = float("nan")
    with pytest.raises(VerificationError, match="away"):
        verify_onnx(other, path, signal())
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(VerificationError, match="cannot open"):
        verify_onnx(network, damaged, signal())


def test_a_graph_with_the_reference_pool_would_be_noticed(tmp_path: Path) -> None:
    """What the pool is written for: F.pad + max_pool1d is changed by ONNX Runtime 1.31.1."""

    class PaddedPool(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dense = torch.nn.Linear(LEADS, 3)

        def forward_features(self, x: torch.Tensor) -> torch.Tensor:
            padded = torch.nn.functional.pad(-torch.relu(x), (0, 1))
            return torch.nn.functional.max_pool1d(padded, 2)[..., -1]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.dense(self.forward_features(x))

    network = PaddedPool()
    path = export(network, tmp_path / "model.onnx")
    try:
        verify_onnx(network, path, signal().abs())
    except VerificationError:
        return  # The runtime has the fault, and it was noticed.
    pytest.skip(f"ONNX Runtime {onnxruntime.__version__} keeps a zero padding before a pool")


def test_networks_without_a_defined_embedding_are_refused(tmp_path: Path) -> None:
    class Twice(WithPresence):
        def forward(self, x: torch.Tensor, presence: torch.Tensor) -> torch.Tensor:
            features = self.forward_features(x, presence) + self.forward_features(-x, presence)
            return self.dense(features)

    with pytest.raises(VerificationError, match="no forward_features"):
        export(torch.nn.Linear(2, 2), tmp_path / "model.onnx")
    with pytest.raises(VerificationError, match="2 times instead of once"):
        export(Twice(), tmp_path / "model.onnx", takes_presence=True)
    with pytest.raises(ValueError, match="exporter"):
        export(small(), tmp_path / "model.onnx", exporter="typewriter")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_other_exporter_agrees(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    for network in (small(), small(use_batch_norm=True)):
        path = export(network, tmp_path / "model.onnx", exporter="dynamo")
        assert verify_onnx(network, path, signal()) <= 1e-5
        assert b".py" not in path.read_bytes()
    path = export(WithPresence(), tmp_path / "m.onnx", exporter="dynamo", takes_presence=True)
    assert [value.name for value in onnx.load(path).graph.input] == ["signal", "presence"]


@pytest.mark.slow
@pytest.mark.parametrize("leads", [12, 1])
def test_the_released_size_agrees(tmp_path: Path, leads: int) -> None:
    torch.manual_seed(0)
    network = Net1D(leads=leads).eval()
    path = export_onnx(
        network, leads=leads, samples=5000, takes_presence=False, path=tmp_path / "model.onnx"
    )
    assert path.stat().st_size < 125_000_000
    assert verify_onnx(network, path, torch.randn(2, leads, 5000)) <= 1e-4
