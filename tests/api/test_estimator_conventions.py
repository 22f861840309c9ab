"""The estimators keep the conventions that scikit-learn checks without data of its own.

Its checks with data are for tables (two axes); these estimators take recordings, and say so in
their tags, so that ``check_estimator`` leaves them out by itself.
"""

from __future__ import annotations

import warnings

import pytest

pytest.importorskip("sklearn", reason="the estimators need scikit-learn")
checks = pytest.importorskip("sklearn.utils.estimator_checks")

from ecgfoundry.api.estimators import EcgClassifier, EcgEmbedding, EcgRegressor  # noqa: E402

ESTIMATORS = (EcgClassifier, EcgEmbedding, EcgRegressor)
CHECKS = (
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
)


@pytest.mark.parametrize("kind", ESTIMATORS)
@pytest.mark.parametrize("name", CHECKS)
def test_conventions(kind: type, name: str) -> None:
    check = getattr(checks, name, None)
    if check is None:
        pytest.skip("an older scikit-learn has no such check")
    check(kind.__name__, kind())


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_check_estimator(kind: type) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of what it leaves out
        checks.check_estimator(kind())
