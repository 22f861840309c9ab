"""Checkpoints: what is read, and what is refused without being run."""

from __future__ import annotations

import collections
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.checkpoint_layouts import published_layout

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
torch.set_num_threads(1)

from ecgfoundry.errors import CheckpointError, FileAccessError, LimitError  # noqa: E402
from ecgfoundry.models import safe_checkpoint  # noqa: E402
from ecgfoundry.models.networks.net1d import Net1D  # noqa: E402
from ecgfoundry.models.safe_checkpoint import (  # noqa: E402
    load_published_checkpoint,
    match_state_dict,
)


def small(classes: int = 3) -> Net1D:
    return Net1D(classes, leads=1, widths=(16, 32), blocks=(1, 1))


def save(content: Any, path: Path, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def same(state: dict[str, Any], network: torch.nn.Module) -> bool:
    own = network.state_dict()
    return list(state) == list(own) and all(torch.equal(state[name], own[name]) for name in own)


def test_the_published_layout_is_read(tmp_path: Path) -> None:
    network = small()
    path = save(published_layout(network), tmp_path / "c.pth")
    before = torch.serialization.get_safe_globals()
    checkpoint = load_published_checkpoint(path)
    assert same(checkpoint["state_dict"], network)
    assert checkpoint["metadata"] == {"epoch": 7, "step": 1234, "val_auroc": 0.9375}
    assert type(checkpoint["metadata"]["val_auroc"]) is float
    assert set(torch.serialization.get_safe_globals()) == set(before)


def test_the_scalar_of_numpy_1_is_read(tmp_path: Path) -> None:
    path = save({"state_dict": small().state_dict(), "auroc": np.float64(-0.1)}, tmp_path / "a")
    # NumPy 1 wrote another module name into the pickle; the published files are of that time.
    old = tmp_path / "old.pth"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(old, "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename.endswith("data.pkl"):
                assert b"numpy._core.multiarray" in data
                data = data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            target.writestr(entry.filename, data)
    assert load_published_checkpoint(old)["metadata"] == {"auroc": -0.1}


@pytest.mark.parametrize("wrapper", [None, "state_dict", "model", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_wrappers_and_prefixes(tmp_path: Path, wrapper: str | None, prefix: str) -> None:
    network = small()
    state = {prefix + name: tensor for name, tensor in network.state_dict().items()}
    path = save({wrapper: state} if wrapper else state, tmp_path / "c.pth")
    assert same(load_published_checkpoint(path)["state_dict"], network)


def test_safetensors_are_read(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    network = small()
    save_file(network.state_dict(), tmp_path / "m.safetensors", metadata={"epoch": "3"})
    checkpoint = load_published_checkpoint(tmp_path / "m.safetensors")
    assert checkpoint["metadata"] == {"epoch": "3"}
    other = small()
    match_state_dict(other, checkpoint["state_dict"])
    assert same(other.state_dict(), network)


class Malicious:
    """Runs a command when it is unpickled by anything that obeys pickles."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("where", ["top", "beside", "inside"])
def test_a_pickle_that_runs_commands_is_refused_and_not_run(tmp_path: Path, where: str) -> None:
    marker = tmp_path / "marker"
    for function, argument in ((os.system, f"touch {marker}"), (os.mkdir, str(marker))):
        bad = Malicious(function, argument)
        state: dict[str, Any] = dict(small().state_dict())
        content: Any = {
            "top": bad,
            "beside": {"state_dict": state, "val_auroc": bad},
            "inside": {"state_dict": {**state, "first_conv.conv.bias": bad}},
        }[where]
        path = save(content, tmp_path / "c.pth")
        with pytest.raises(CheckpointError, match=r"c\.pth: contains posix.*was not opened"):
            load_published_checkpoint(path)
        assert not marker.exists()
        # The trap itself works: an unprotected load falls into it.
        if where == "top" and function is os.mkdir:
            torch.load(path, weights_only=False)
            assert marker.exists()


def test_calls_through_the_allowed_names_are_refused(tmp_path: Path) -> None:
    kinds = (np.float32(1), np.array(["a"], dtype=object), np.array([1.0]), np.int64(1))
    for value in (*kinds, eval, print, collections.UserDict(), Path("x"), np.dtype("f4")):
        path = save({"state_dict": small().state_dict(), "x": value}, tmp_path / "c.pth")
        with pytest.raises(CheckpointError) as caught:
            load_published_checkpoint(path)
        assert "weights_only" not in str(caught.value)  # no advice to switch the protection off


def test_the_list_of_names_holds_whatever_else_torch_was_told_to_trust(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    bad = Malicious(os.mkdir, str(marker))
    path = save({"state_dict": small().state_dict(), "x": bad}, tmp_path / "c.pth")
    with (
        torch.serialization.safe_globals([os.mkdir]),
        pytest.raises(CheckpointError, match="contains posix"),
    ):
        load_published_checkpoint(path)
    other_protocol = save(small().state_dict(), tmp_path / "p.pth", pickle_protocol=4)
    sparse = save({"a": torch.eye(3).to_sparse()}, tmp_path / "s.pth")
    for path in (other_protocol, sparse):
        with pytest.raises(CheckpointError, match="was not opened"):
            load_published_checkpoint(path)
    assert not marker.exists()


def test_old_and_foreign_files_are_refused(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    bad = Malicious(os.mkdir, str(marker))
    (tmp_path / "raw.pkl").write_bytes(pickle.dumps(bad))
    save(bad, tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.pth").write_text("<html>404 not found</html>")
    (tmp_path / "short.safetensors").write_bytes(struct.pack("<Q", 10**15) + b"{}")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(CheckpointError, match="neither a zip"):
            load_published_checkpoint(path)
    with pytest.raises(FileAccessError):
        load_published_checkpoint(tmp_path / "absent.pth")
    assert not marker.exists()


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = save(small().state_dict(), tmp_path / "c.pth")
    whole = path.read_bytes()
    for cut in (100, len(whole) // 2, len(whole) - 10):
        path.write_bytes(whole[:cut])
        with pytest.raises(CheckpointError, match="truncated zip"):
            load_published_checkpoint(path)
    save_file(small().state_dict(), tmp_path / "m.safetensors")
    data = (tmp_path / "m.safetensors").read_bytes()
    (tmp_path / "m.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match="damaged safetensors"):
        load_published_checkpoint(tmp_path / "m.safetensors")


def test_a_damaged_pickle_is_one_kind_of_error(tmp_path: Path) -> None:
    path = save(small().state_dict(), tmp_path / "c.pth")
    generator = np.random.default_rng(0)
    with zipfile.ZipFile(path) as source:
        entries = {entry.filename: source.read(entry) for entry in source.infolist()}
    pickled = next(name for name in entries if name.endswith("data.pkl"))
    original = entries[pickled]
    for _ in range(60):
        data = bytearray(original)
        for position in generator.integers(len(data), size=3):
            data[position] = generator.integers(256)
        with zipfile.ZipFile(path, "w") as target:
            for name, content in entries.items():
                target.writestr(name, bytes(data) if name == pickled else content)
        try:
            load_published_checkpoint(path)
        except CheckpointError as error:
            assert error.path == str(path)


def test_archives_of_another_layout_are_refused(tmp_path: Path) -> None:
    path = save(small().state_dict(), tmp_path / "c.pth")
    with zipfile.ZipFile(path) as source:
        entries = {entry.filename: source.read(entry) for entry in source.infolist()}
    squeezed, doubled = tmp_path / "squeezed.pth", tmp_path / "doubled.pth"
    with zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    with zipfile.ZipFile(doubled, "w") as archive:
        for name, content in {**entries, "c/constants.pkl": b""}.items():
            archive.writestr(name, content)
    with pytest.raises(CheckpointError, match="compressed"):
        load_published_checkpoint(squeezed)
    with pytest.raises(CheckpointError, match="2 pickles"):
        load_published_checkpoint(doubled)


def test_size_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(small().state_dict(), tmp_path / "c.pth")
    monkeypatch.setattr(safe_checkpoint, "MAXIMUM_BYTES", 1000)
    with pytest.raises(LimitError, match="at most 1000"):
        load_published_checkpoint(path)


def test_tensors_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    for value, message in (
        (torch.zeros(1).expand(10**9, 10**3), "more than the file has"),
        (torch.tensor([1.0, float("nan")]), "not finite"),
        (torch.zeros(3).to(torch.float64) / 0, "not finite"),
    ):
        path = save({"a": torch.zeros(2), "b": value}, tmp_path / "c.pth")
        with pytest.raises(CheckpointError, match=f"the tensor b .*{message}"):
            load_published_checkpoint(path)
    one = torch.zeros(1)
    for content in ({"epoch": 1}, {}, [1, 2], one, {"state_dict": {}}, {1: one}):
        path = save(content, tmp_path / "c.pth")
        with pytest.raises(CheckpointError, match="holds no state dict"):
            load_published_checkpoint(path)


def test_matching_names_every_disagreement() -> None:
    network = small(3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = dict(small(4).state_dict())
    del state["first_conv.conv.bias"]
    state["extra"] = torch.zeros(1)
    with pytest.raises(CheckpointError) as caught:
        match_state_dict(network, state)
    message = str(caught.value)
    assert "1 missing: first_conv.conv.bias" in message
    assert "1 unexpected: extra" in message
    assert "dense.weight is (4, 32) instead of (3, 32)" in message
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
    halves = {name: tensor.half() for name, tensor in small(3).state_dict().items()}
    match_state_dict(network, halves)
    assert network.dense.weight.dtype == torch.float32
