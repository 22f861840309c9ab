"""Baselines: what a claim about a network has to be compared with.

The constant prevalence, age and sex, the heart rate alone, hand-crafted features with a linear
model or boosted trees, and the features of an encoder that was never trained. One small interface,
:class:`Baseline`, serves training and evaluation. Nothing here is ever written to disk: a baseline
is fitted anew, in seconds and with a seed.
"""

from ecgfoundry.models.baselines.base import Baseline
from ecgfoundry.models.baselines.estimators import (
    BASELINES,
    Boosting,
    Linear,
    Prevalence,
    create_baseline,
)
from ecgfoundry.models.baselines.folds import cross_validated_predictions, grouped_folds
from ecgfoundry.models.baselines.inputs import (
    AGE_SEX_COLUMNS,
    HEART_RATE_COLUMNS,
    age_sex_matrix,
    heart_rate_matrix,
)
from ecgfoundry.models.baselines.random_encoder import random_embeddings, random_encoder

__all__ = [
    "AGE_SEX_COLUMNS",
    "BASELINES",
    "HEART_RATE_COLUMNS",
    "Baseline",
    "Boosting",
    "Linear",
    "Prevalence",
    "age_sex_matrix",
    "create_baseline",
    "cross_validated_predictions",
    "grouped_folds",
    "heart_rate_matrix",
    "random_embeddings",
    "random_encoder",
]
