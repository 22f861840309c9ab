"""Settings: declared once, reached from Python, TOML and the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ecgfoundry.cli.finetune import finetune as finetune_command
from ecgfoundry.cli.labs import report, train
from ecgfoundry.cli.settings_page import settings_page
from ecgfoundry.errors import TrainingError
from ecgfoundry.labs.settings import LaboratoryReportSettings, LaboratorySettings
from ecgfoundry.training.settings import FinetuneSettings, PretrainSettings
from ecgfoundry.training.settings_base import Settings

ROOT = Path(__file__).resolve().parents[2]


def test_a_setting_is_found_by_its_name_alone() -> None:
    settings = FinetuneSettings.of(learning_rate=1e-4, epochs=3, device="cuda", patience=None)
    assert settings.optimizer.learning_rate == 1e-4
    assert (settings.schedule.epochs, settings.compute.device) == (3, "cuda")
    assert settings.early_stopping.patience is None
    assert settings.data.batch == 32
    assert settings.change(batch=4).data.batch == 4 and settings.data.batch == 32


def test_a_file_with_groups_or_without(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('epochs = 4\n[optimizer]\nlearning_rate = 1e-5\nema_decay = "none"\n')
    settings = FinetuneSettings.read(file, epochs=2)
    assert settings.schedule.epochs == 2  # what is named goes before the file
    assert settings.optimizer.learning_rate == 1e-5
    assert settings.optimizer.ema_decay is None
    assert settings.optimizer.weight_decay == 0.01  # and the file before the defaults


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("learning_rat = 1", r"no setting 'learning_rat'\. Did you mean optimizer\.learning_rate"),
        ("[data]\nepochs = 3", r"no setting 'data\.epochs'\. Did you mean schedule\.epochs"),
        ("[optimiser]\nlearning_rate = 1", r"no setting 'optimiser'"),
        ("epochs = 3\n[schedule]\nepochs = 4", "epochs is given twice"),
        ("epochs = 2.5", "epochs is a whole number, not 2.5"),
        ("epochs = true", "epochs is a whole number, not True"),
        ("batch = 0", "batch is at least 1, not 0"),
        ("warmup = 1.5", "warmup is at most 1, not 1.5"),
        ('mode = "half"', "no mode 'half'. Use full, last, lora, probe"),
        ("learning_rate = nan", "learning_rate is a number, not nan"),
        ("train_share = 0.9", "add up to 1.2, not 1"),
        ('augmentations = "shift,lead-replacement"', "--lead-replacement 0.5"),
        ("epochs = ", "cannot be read as TOML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_clear_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(TrainingError, match=words) as found:
        FinetuneSettings.read(file)
    assert str(file) in str(found.value) and "\n" not in str(found.value)


@pytest.mark.parametrize(
    "kind", [FinetuneSettings, PretrainSettings, LaboratorySettings, LaboratoryReportSettings]
)
def test_no_name_stands_in_two_groups(kind: type[Settings]) -> None:
    names = [leaf.name for leaf in kind.leaves()]
    assert len(names) == len(set(names))
    assert all(leaf.text.endswith((".", "…")) for leaf in kind.leaves())


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (finetune_command, FinetuneSettings),
        (train, LaboratorySettings),
        (report, LaboratoryReportSettings),
    ],
)
def test_every_setting_is_a_flag(command: Callable[..., object], kind: type[Settings]) -> None:
    flags = set(command.__annotations__)
    assert {leaf.name for leaf in kind.leaves()} <= flags
    assert "settings" not in flags and "config" in flags


def test_the_page_is_up_to_date() -> None:
    made = settings_page()
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == made, (
        "run: python -m ecgfoundry.cli.settings_page > docs/settings.md"
    )


def test_settings_need_no_pytorch() -> None:
    """And no NumPy: the command line imports them at every start."""
    code = (
        "import sys, ecgfoundry.training.settings, ecgfoundry.labs.settings; "
        "print(sorted({'torch', 'numpy', 'scipy'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert found.stdout.strip() == "[]"
