"""Checkpoints in the layout of the published ones, with random weights."""

from __future__ import annotations

from typing import Any

import numpy as np


def published_layout(network: Any) -> dict[str, Any]:
    """What the authors' training loop saves: keys and types of the published files.

    The optimizer's state is written out (two moments of every parameter, as Adam has them), since
    an optimizer itself takes many seconds to import.
    """
    import torch

    parameters = list(network.parameters())
    return {
        "epoch": 7,
        "step": 1234,
        "state_dict": network.state_dict(),
        "optimizer": {
            "state": {
                number: {
                    "step": torch.tensor(1234.0),
                    "exp_avg": torch.randn_like(parameter),
                    "exp_avg_sq": torch.rand_like(parameter),
                }
                for number, parameter in enumerate(parameters)
            },
            "param_groups": [
                {
                    "lr": 0.001,
                    "betas": (0.9, 0.999),
                    "eps": 1e-08,
                    "weight_decay": 1e-5,
                    "amsgrad": False,
                    "maximize": False,
                    "foreach": None,
                    "capturable": False,
                    "params": list(range(len(parameters))),
                }
            ],
        },
        "scheduler": {
            "mode": "max",
            "factor": 0.1,
            "patience": 10,
            "best": np.float64(0.9375),
            "num_bad_epochs": 0,
            "mode_worse": -float("inf"),
            "last_epoch": 7,
            "_last_lr": [0.001],
        },
        "val_auroc": np.float64(0.9375),
    }
