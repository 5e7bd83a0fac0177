"""Does a score rise with the disease? P(COVID-19) beside radiologists' Brixia scores.

The Brixia score (Borghesi and Maroldi 2020) grades six lung zones from 0 to 3; their sum is 0 to 18.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid.heatmaps.masks import read_grades
from deepcovid.models.run import Run
from deepcovid.runs import UserError
from deepcovid.shortcuts.ablations import FRAME, WHOLE, by_input
from deepcovid.shortcuts.encoders import FeatureBank
from deepcovid.shortcuts.probing import fit_score

SUMS = {"senior": "S-Global", "junior": "J-Global"}
LEAST = 10  # images that a correlation needs
RESAMPLES = 2000


def graded(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """COVID-19 images of `table` (of `collection.of`) with the radiologists' sums, 0 to 18.

    See `masks.read_grades`.
    """
    path = Path(run.profile.severity)
    if not path.is_file():
        raise UserError(f"There is no table of severities {path}: -p severity FILE.")
    sums = read_grades(path, list(SUMS.values()), 18).set_axis(list(SUMS), axis=1)
    table = table.assign(place=[str(Path(p).resolve()) for p in table.path])
    return table[table.label == 1].join(sums, on="place", how="inner").drop(columns="place")


def correlation(score, severity, group, rival=None, seed: int = 0) -> dict[str, float]:
    """Spearman's correlation, -1 to 1, with a 95% interval by resampling groups of images.

    A constant score has no order: its correlation counts as 0. Fewer than LEAST images: NaN.
    `gain`: how much higher it is than that of a `rival`'s score, in the same resamples.
    """
    scores = np.array([score] if rival is None else [score, rival], dtype=float)
    severity = np.asarray(severity, float)
    names, number = np.unique(np.asarray(group), return_inverse=True)
    n, counts = len(names), {"images": len(severity), "groups": len(names)}
    if len(severity) < LEAST:
        unknown = ["rho", "low", "high"] + ["gain", "gain_low", "gain_high"] * (rival is not None)
        return dict.fromkeys(unknown, np.nan) | counts
    drawn = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))
    times = np.array([np.bincount(row, minlength=n) for row in drawn])[:, number]
    times = np.vstack([np.ones(len(severity), int), times])  # first: as they are
    (value, *draws), *rivals = (rho(one, severity, times) for one in scores)
    low, high = np.quantile(draws, (0.025, 0.975))
    found = {"rho": float(value), "low": float(low), "high": float(high), **counts}
    for other, *others in rivals:
        low, high = np.quantile(np.subtract(draws, others), (0.025, 0.975))
        found |= {"gain": float(value - other), "gain_low": float(low), "gain_high": float(high)}
    return found


def rho(a: np.ndarray, b: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Spearman's correlation of resamples in which each value occurs so many `times`, (resamples, n)."""
    a, b = (ranks(values, times) for values in (a, b))
    total = times.sum(1, keepdims=True)
    a, b = (x - (times * x).sum(1, keepdims=True) / total for x in (a, b))
    product, squares = (times * a * b).sum(1), (times * a**2).sum(1) * (times * b**2).sum(1)
    return np.divide(product, np.sqrt(squares), out=np.zeros(len(times)), where=squares > 0)


def ranks(values: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Midranks of `values` in each resample, (resamples, n)."""
    _, place = np.unique(values, return_inverse=True)
    of = np.zeros((len(times), place.max() + 1))
    np.add.at(of.T, place, times.T)
    return (np.cumsum(of, axis=1) - (of - 1) / 2)[:, place]


def floors(run: Run, fresh: pd.DataFrame, bank: FeatureBank) -> Iterator[tuple[str, np.ndarray]]:
    """Scores of `fresh` by what cannot know the disease: a border, and untrained networks.

    Probes fitted on the run's own training images, as notebook 07 does.
    """
    both = pd.concat([run.originals("train"), fresh])
    train, models = np.arange(len(both)) < len(both) - len(fresh), run.profile.models
    plans = [("border only", "own", models[0], by_input([])[FRAME])]
    plans += [("untrained", "untrained", name, WHOLE) for name in models]
    for title, kind, name, ablation in plans:
        values = bank.encode(both, bank.prepared(ablation), name, kind)
        yield f"{title}: {name}", fit_score(values, both.label, train, ~train)


def compare(run: Run, table: pd.DataFrame, scores: dict, bank: FeatureBank) -> pd.DataFrame:
    """Each model's correlation with the senior radiologist's sum: `fair_test/severity.csv`.

    `table` is that of `collection.with_trained`, `scores` that of `study.scored`. Only images of cases
    of which no model of the run saw one, nor a twin. Two kinds of rivals stand beside. The junior
    radiologist's sums are what a *grader* reaches, which a detector need not: it may be right on all
    images and still score all of them alike. Border and untrained networks are what a score reaches
    that cannot know the disease. A score is evidence that the disease is seen where it follows the
    grades better than the same network untrained does: `gain`, with its interval above 0.
    """
    known = graded(run, table)
    fresh = known[~known.trained]
    if fresh.empty:
        raise UserError(f"{run.profile.severity} grades {len(known)} COVID-19 images of the collection, "
                        "none of a case that no model saw.")  # fmt: skip
    blind = dict(floors(run, fresh, bank))
    raters = [("junior radiologist", None, fresh.junior, None)]
    raters += [(name, seed, of.set_index("image").score[fresh.image], blind[f"untrained: {name}"])
               for (name, seed), of in scores.items()]  # fmt: skip
    raters += [(title, None, score, None) for title, score in blind.items()]
    return pd.DataFrame([
        {"rater": name, "seed": seed} | correlation(score, fresh.senior, fresh.group, rival)
        for name, seed, score, rival in raters
    ])  # fmt: skip
