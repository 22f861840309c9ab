"""What the synthetic patients have, how it acts on their ECG, and the best that anybody can do.

A structural model that is Gaussian given sex: age, ECG parameters and indicators are linear in
independent standard normal causes. So the best possible score for "abnormal", from any set of
observations, is the posterior probability of a Gaussian - written down, not estimated - and its
AUROC over a large simulation is the oracle: no network that sees the (noisy) ECG can beat it.

Four groups of indicators:

- ``feature-visible``: act on rate, QT, QRS, T height or ST level, which hand-crafted features
  measure; in the direction of physiology (hyperkalaemia: tall T and wide QRS; hypocalcaemia: long
  QT; anaemia: fast rate and ST depression).
- ``morphology-only``: act on shape that those features hardly measure: which half of P is the
  higher one, how late in QRS the peak of R stands, and whether the way from J to T is concave or
  convex. A high second half of P with NT-proBNP (the left atrium) and a convex ST with troponin
  (ischaemia) follow physiology; the others are planted. The oracle of the features knows nothing
  of them; the real features, which are many, see a part (docs/planted-truth.md has how much).
- ``confounded``: depend on age, sex and rate, and on nothing else.
- ``null``: depend on nothing. One of them, :data:`PULSE_INDICATOR`, acts on the pulse wave (Pleth)
  and on nothing else: whoever reads the ECG alone cannot find it.

Effect sizes and prevalences are our choice, made so that each group can be told from the others.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "INDICATORS",
    "OBSERVATIONS",
    "PARAMETERS",
    "PULSE_INDICATOR",
    "PlantedIndicator",
    "male_shifts",
    "oracle",
    "reflection",
    "sample_visits",
    "value_of",
    "with_frequent_share",
]

Float64 = NDArray[np.float64]

VISIBLE = ("rate", "pr", "qrs", "qt", "t_height", "st")
HIDDEN = ("p_balance", "r_skew", "st_bend")
PARAMETERS = VISIBLE + HIDDEN
"""Latent ECG parameters; each is standard normal up to the effects of age, sex and indicators."""

ASSAY_NOISE = 0.1
"""Standard deviation of a measurement around the latent value (which has 1)."""


@dataclass(frozen=True, slots=True)
class PlantedIndicator:
    """One synthetic indicator.

    Parameters
    ----------
    name : str
        Of the reviewed catalogue.
    component, unit : str
        As the file has them.
    low, high : float or None
        Reference limits.
    share_low, share_high : float
        Of visits outside them.
    decimals : int
    logarithmic : bool
    group : str
    acts : mapping of str to float
        Parameter -> effect in standard deviations per standard deviation of the indicator.
    depends : mapping of str to float
        "age", "sex" (male 1, female 0), "rate" -> effect on the indicator.
    """

    name: str
    component: str
    unit: str
    low: float | None
    high: float | None
    share_low: float
    share_high: float
    decimals: int
    logarithmic: bool
    group: str
    acts: Mapping[str, float] = field(default_factory=dict)
    depends: Mapping[str, float] = field(default_factory=dict)

    @property
    def frequent(self) -> str:
        """The direction with the larger share, "high" where they are equal."""
        return "low" if self.share_low > self.share_high else "high"

    @property
    def directions(self) -> tuple[str, ...]:
        """In which values are abnormal."""
        return tuple(
            direction
            for direction, share in (("low", self.share_low), ("high", self.share_high))
            if share > 0
        )


class _Scale(NamedTuple):
    """Unit of an indicator, its decimals, and whether it is normal on a logarithmic scale."""

    unit: str
    decimals: int
    logarithmic: bool = False


def _planted(
    name: str, component: str, scale: _Scale, limits: tuple[float | None, float | None],
    shares: tuple[float, float], group: str, *,
    acts: Mapping[str, float] | None = None, depends: Mapping[str, float] | None = None,
) -> PlantedIndicator:  # fmt: skip
    return PlantedIndicator(
        name, component, scale.unit, *limits, *shares, scale.decimals, scale.logarithmic, group,
        acts or {}, depends or {},
    )  # fmt: skip


_SEEN, _SHAPE, _CONFOUNDED, _NULL = "feature-visible", "morphology-only", "confounded", "null"
_LOG = True

INDICATORS: tuple[PlantedIndicator, ...] = (
    _planted("potassium", "POTASSIUM", _Scale("mmol/L", 1),
             (3.5, 5.0), (0.12, 0.15), _SEEN, acts={"t_height": 0.8, "qrs": 0.5}),
    _planted("calcium", "CALCIUM", _Scale("mg/dL", 1),
             (8.4, 10.5), (0.15, 0.12), _SEEN, acts={"qt": -0.9}),
    _planted("hemoglobin", "HEMOGLOBIN (HGB)", _Scale("g/dL", 1),
             (12.0, 16.0), (0.25, 0.08), _SEEN,
             acts={"rate": -0.5, "st": 0.8}, depends={"sex": 0.4, "age": -0.1}),
    _planted("magnesium", "MAGNESIUM", _Scale("mg/dL", 1),
             (1.6, 2.4), (0.15, 0.1), _SEEN, acts={"pr": 0.8, "t_height": -0.3}),
    _planted("tsh", "TSH", _Scale("uIU/mL", 2, _LOG),
             (0.4, 4.5), (0.12, 0.12), _SEEN, acts={"rate": -0.4, "t_height": -0.5}),
    _planted("nt_probnp", "BNP, NT-PRO", _Scale("pg/mL", 0, _LOG),
             (None, 300.0), (0.0, 0.3), _SHAPE, acts={"p_balance": 1.5}, depends={"age": 0.3}),
    _planted("troponin_high_sensitivity", "HIGH SENSITIVITY TROPONIN", _Scale("ng/L", 0, _LOG),
             (None, 20.0), (0.0, 0.25), _SHAPE, acts={"st_bend": -1.3}, depends={"age": 0.2}),
    _planted("albumin", "ALBUMIN", _Scale("g/dL", 1),
             (3.5, 5.2), (0.2, 0.0), _SHAPE, acts={"r_skew": -1.4}),
    _planted("phosphate", "PHOSPHORUS", _Scale("mg/dL", 1),
             (2.5, 4.5), (0.15, 0.15), _SHAPE, acts={"st_bend": 1.0, "r_skew": 0.9}),
    _planted("creatinine", "CREATININE", _Scale("mg/dL", 2, _LOG),
             (0.5, 1.2), (0.05, 0.25), _CONFOUNDED, depends={"age": 0.5, "sex": 0.5}),
    _planted("urea_nitrogen", "BLOOD UREA NITROGEN (BUN)", _Scale("mg/dL", 0, _LOG),
             (7.0, 25.0), (0.06, 0.2), _CONFOUNDED, depends={"age": 0.6}),
    _planted("white_cells", "WHITE BLOOD CELLS (WBC)", _Scale("K/uL", 1, _LOG),
             (4.0, 11.0), (0.06, 0.25), _CONFOUNDED, depends={"rate": 0.5}),
    _planted("lactate", "LACTATE", _Scale("mmol/L", 1, _LOG),
             (0.5, 2.2), (0.0, 0.2), _CONFOUNDED, depends={"rate": 0.6, "age": 0.1}),
    _planted("platelets", "PLATELET COUNT (PLT)", _Scale("K/uL", 0, _LOG),
             (150.0, 400.0), (0.15, 0.08), _CONFOUNDED, depends={"sex": -0.6, "age": -0.2}),
    _planted("glucose", "GLUCOSE", _Scale("mg/dL", 0, _LOG),
             (70.0, 140.0), (0.04, 0.25), _CONFOUNDED, depends={"age": 0.3, "rate": 0.3}),
    _planted("sodium", "SODIUM", _Scale("mmol/L", 0),
             (135.0, 145.0), (0.15, 0.08), _NULL),
    _planted("chloride", "CHLORIDE", _Scale("mmol/L", 0),
             (98.0, 107.0), (0.15, 0.15), _NULL),
    _planted("bicarbonate", "CO2", _Scale("mmol/L", 0),
             (22.0, 30.0), (0.15, 0.1), _NULL),
    _planted("alt", "ALT (SGPT)", _Scale("U/L", 0, _LOG),
             (None, 50.0), (0.0, 0.2), _NULL),
    _planted("bilirubin_total", "BILIRUBIN, TOTAL", _Scale("mg/dL", 1, _LOG),
             (None, 1.2), (0.0, 0.15), _NULL),
    _planted("lipase", "LIPASE", _Scale("U/L", 0, _LOG),
             (None, 80.0), (0.0, 0.15), _NULL),
    _planted("mcv", "MCV", _Scale("fL", 1),
             (80.0, 100.0), (0.12, 0.12), _NULL),
    _planted("immature_granulocytes_percent", "IMMATURE GRANULOCYTE % (AUTODIFF) WAM",
             _Scale("%", 1, _LOG),
             (None, 0.6), (0.0, 0.2), _NULL),
    _planted("neutrophils", "NEUTROPHIL, ABSOLUTE (AUTO DIFF)", _Scale("K/uL", 2, _LOG),
             (1.7, 7.7), (0.1, 0.2), _NULL),
)  # fmt: skip


PULSE_INDICATOR = "bicarbonate"
"""The one indicator that shapes the pulse wave. Planted, not medicine."""
_REFLECTION = (0.5, 0.15)
"""Effect on the logarithm of the reflected wave's height per standard deviation, and what else
moves it, as a standard deviation."""


def reflection(latent: float, generator: np.random.Generator) -> float:
    """Return the factor on the reflected wave of a visit with this latent bicarbonate."""
    effect, other = _REFLECTION
    return float(np.exp(effect * latent + other * generator.standard_normal()))


def with_frequent_share(
    share: float, indicators: Sequence[PlantedIndicator] = INDICATORS
) -> tuple[PlantedIndicator, ...]:
    """Return the indicators with other limits: ``share`` of visits in the frequent direction.

    Causes and effects are the same; only more visits count as abnormal. Shares of the rare
    direction are kept.
    """
    return tuple(
        replace(planted, share_low=share)
        if planted.frequent == "low"
        else replace(planted, share_high=share)
        for planted in indicators
    )


OBSERVATIONS: Mapping[str, tuple[str, ...]] = {
    "age and sex": ("age", "sex"),
    "heart rate": ("rate",),
    "age, sex and heart rate": ("age", "sex", "rate"),
    "hand-crafted features": VISIBLE,
    "age, sex and hand-crafted features": ("age", "sex", *VISIBLE),
    "whole ECG": PARAMETERS,
    "whole ECG, age and sex": ("age", "sex", *PARAMETERS),
}
"""Sets of observations whose oracle is worked out."""

_PARAMETER_DEPENDS: Mapping[str, Mapping[str, float]] = {
    # Textbook directions: rate falls, PR and QT lengthen and T flattens a little with age; women
    # have a longer QT, a shorter QRS and a lower T.
    "rate": {"age": -0.15, "sex": -0.15},
    "pr": {"age": 0.25},
    "qrs": {"sex": 0.3},
    "qt": {"age": 0.1, "sex": -0.4},
    "t_height": {"age": -0.15, "sex": 0.3},
}


@dataclass(frozen=True)
class _Model:
    """Coefficients over the independent causes, and the effect of male sex, per variable."""

    names: tuple[str, ...]
    coefficients: Float64
    male: Float64

    def rows(self, names: Sequence[str]) -> list[int]:
        return [self.names.index(name) for name in names]


@functools.lru_cache(maxsize=1)
def _model() -> _Model:
    causes = ["age", *[f"own:{p}" for p in PARAMETERS], *[f"own:{i.name}" for i in INDICATORS]]
    vectors: dict[str, Float64] = {"age": _unit(causes, "age")}
    male: dict[str, float] = {"age": 0.0}

    def depend(name: str, effects: Mapping[str, float]) -> None:
        own = _unit(causes, f"own:{name}")
        linear = sum(
            (effects[k] * vectors[k] for k in effects if k != "sex"), np.zeros(len(causes))
        )
        shift = effects.get("sex", 0.0)
        shift += sum(effects[k] * male[k] for k in effects if k != "sex")
        # The rest of the variance is the variable's own; sex (half male) takes shift^2 / 4.
        rest = 1.0 - float(linear @ linear) - shift**2 / 4
        vectors[name] = linear + np.sqrt(max(rest, 0.05)) * own
        male[name] = shift

    for planted in INDICATORS:
        if planted.group != _CONFOUNDED:
            depend(planted.name, planted.depends)
    for parameter in PARAMETERS:
        vector = _unit(causes, f"own:{parameter}") + 0.0
        shift = 0.0
        effects = dict(_PARAMETER_DEPENDS.get(parameter, {}))
        shift += effects.pop("sex", 0.0)
        for name, effect in effects.items():
            vector += effect * vectors[name]
        for planted in INDICATORS:
            effect = planted.acts.get(parameter, 0.0)
            if effect:
                vector += effect * vectors[planted.name]
                shift += effect * male[planted.name]
        # Brought to standard deviation 1, so that the links give the ranges that they are made for.
        scale = np.sqrt(float(vector @ vector) + shift**2 / 4)
        vectors[parameter], male[parameter] = vector / scale, shift / scale
    for planted in INDICATORS:
        if planted.group == _CONFOUNDED:
            depend(planted.name, planted.depends)
    names = ("age", *PARAMETERS, *[planted.name for planted in INDICATORS])
    return _Model(names, np.stack([vectors[n] for n in names]), np.array([male[n] for n in names]))


def _unit(causes: Sequence[str], name: str) -> Float64:
    vector = np.zeros(len(causes))
    vector[causes.index(name)] = 1.0
    return vector


def sample_visits(
    count: int, generator: np.random.Generator
) -> tuple[NDArray[np.bool_], dict[str, Float64]]:
    """Draw visits: whether male, and every latent variable (age, parameters, indicators)."""
    model = _model()
    male = generator.random(count) < 0.5
    causes = generator.standard_normal((count, model.coefficients.shape[1]))
    latent = causes @ model.coefficients.T + male[:, np.newaxis] * model.male
    # Centred over both sexes, as the standard deviation is.
    latent -= model.male / 2
    return male, dict(zip(model.names, latent.T, strict=True))


def value_of(planted: PlantedIndicator, latent: Float64) -> Float64:
    """Return values in the indicator's unit; monotone in the latent variable.

    The limits lie where the standard normal has the stated shares beyond them.
    """
    from scipy.special import ndtri

    low, high = planted.low, planted.high
    z_low = ndtri(planted.share_low or 0.02)
    z_high = ndtri(1.0 - (planted.share_high or 0.02))
    if low is None:
        low = (high or 1.0) / 8.0
    if high is None:
        high = low * 8.0
    if planted.logarithmic:
        low, high = np.log(low), np.log(high)
    scaled = low + (latent - z_low) * (high - low) / (z_high - z_low)
    result: Float64 = np.exp(scaled) if planted.logarithmic else scaled
    return result


def oracle(
    *, draws: int = 100_000, seed: int = 0, indicators: Sequence[PlantedIndicator] = INDICATORS
) -> list[dict[str, Any]]:
    """Work out the best possible AUROC of every indicator, direction and set of observations.

    Parameters
    ----------
    draws : int
        Visits of the simulation; 100,000 give the AUROC to about 0.002.
    seed : int

    Returns
    -------
    list of dict
        ``indicator, direction, group, prevalence, auroc`` (observations -> value).
    """
    generator = np.random.default_rng([seed, 1])
    model = _model()
    male, latent = sample_visits(draws, generator)
    rows = []
    for planted in indicators:
        measured = latent[planted.name] + ASSAY_NOISE * generator.standard_normal(draws)
        values = np.round(value_of(planted, measured), planted.decimals)
        for direction in planted.directions:
            limit = planted.low if direction == "low" else planted.high
            assert limit is not None  # noqa: S101 - a direction has its limit
            positive = values < limit if direction == "low" else values > limit
            threshold = _latent_limit(planted, limit)
            scores = {
                words: _auroc(
                    _posterior(model, planted.name, observed, latent, male, threshold, direction),
                    positive,
                )
                for words, observed in OBSERVATIONS.items()
            }
            rows.append(
                {
                    "indicator": planted.name,
                    "direction": direction,
                    "group": planted.group,
                    "prevalence": float(positive.mean()),
                    "auroc": scores,
                }
            )
    return rows


def _latent_limit(planted: PlantedIndicator, limit: float) -> float:
    grid = np.linspace(-6, 6, 2401)
    return float(np.interp(limit, value_of(planted, grid), grid))


def _posterior(
    model: _Model,
    target: str,
    observed: Sequence[str],
    latent: Mapping[str, Float64],
    male: NDArray[np.bool_],
    threshold: float,
    direction: str,
) -> Float64:
    """Return P(abnormal | observations), a mixture over sex where sex is not observed."""
    from scipy.special import log_ndtr, ndtr

    names = [name for name in observed if name != "sex"]
    places = model.rows(names)
    row = model.rows([target])[0]
    a, b = model.coefficients[places], model.coefficients[row]
    inverse = np.linalg.inv(a @ a.T)
    weights = inverse @ a @ b
    spread = np.sqrt(float(b @ b) - float(weights @ (a @ b)) + ASSAY_NOISE**2)
    x = np.stack([latent[name] for name in names], axis=1)
    answers, densities = [], []
    for sex in (0.0, 1.0):
        centred = x - model.male[places] * (sex - 0.5)
        mean = centred @ weights + model.male[row] * (sex - 0.5)
        z = (threshold - mean) / spread
        answers.append(ndtr(z) if direction == "low" else np.exp(log_ndtr(-z)))
        if "sex" not in observed:
            densities.append(-0.5 * ((centred @ inverse) * centred).sum(axis=1))
    if "sex" in observed:
        return np.where(male, answers[1], answers[0])
    share = 1.0 / (1.0 + np.exp(densities[0] - densities[1]))
    mixed: Float64 = share * answers[1] + (1.0 - share) * answers[0]
    return mixed


def _auroc(score: Float64, positive: NDArray[np.bool_]) -> float:
    """Mann-Whitney with midranks."""
    from scipy.stats import rankdata

    ranks = rankdata(score)
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    total = float(ranks[positive].sum()) - n_positive * (n_positive + 1) / 2
    return total / (n_positive * n_negative)


def male_shifts() -> dict[str, float]:
    """Return what male sex adds to each latent variable, in standard deviations."""
    model = _model()
    return dict(zip(model.names, model.male.tolist(), strict=True))
