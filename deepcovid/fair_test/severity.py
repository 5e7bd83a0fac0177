"""Does a score rise with the disease? P(COVID-19) beside radiologists' Brixia scores.

The Brixia score (Borghesi and Maroldi 2020) grades six lung zones from 0 to 3; their sum is 0 to 18.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from deepcovid.fair_test import swap
from deepcovid.fair_test.within import as_prepared
from deepcovid.io import read_table
from deepcovid.models.run import Run
from deepcovid.runs import UserError, escape_control_chars
from deepcovid.shortcuts import encoders
from deepcovid.shortcuts.ablations import FRAME, lung_masks, of_own_network
from deepcovid.shortcuts.measure import regression, write

SUMS = {"senior": "S-Global", "junior": "J-Global"}
LEAST = 10  # images that a correlation needs
RESAMPLES = 2000


def graded(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """COVID-19 images of `table` (of `collection.of`) with the radiologists' sums, 0 to 18.

    The severity file names images by their place below its own folder. Where several files could
    be meant the path decides, so nothing is matched by a name alone.
    """
    path = Path(run.profile.severity)
    if not path.is_file():
        raise UserError(f"There is no table of severities {path}: -p severity FILE.")
    given = read_table(path, ("image", *SUMS.values()), dtype={"image": str}, keep_default_na=False)
    for reader in SUMS.values():
        given[reader] = pd.to_numeric(given[reader], errors="coerce")
        if not given[reader].between(0, 18).all():
            image = given.image[~given[reader].between(0, 18)].iloc[0]
            raise UserError(
                f"{path}: {reader} of {escape_control_chars(image)} is no number from 0 to 18."
            )
    given["path"] = [str((path.parent / image).resolve()) for image in given.image]
    sums = given.set_index("path")[list(SUMS.values())].set_axis(list(SUMS), axis=1)
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
    counts = {"images": len(severity), "groups": len(names)}
    if len(severity) < LEAST:
        return {"rho": np.nan, "low": np.nan, "high": np.nan, **counts}
    rows = [np.flatnonzero(number == i) for i in range(len(names))]
    random, drawn = np.random.default_rng(seed), []
    for _ in range(RESAMPLES):
        some = np.concatenate([rows[i] for i in random.integers(len(names), size=len(names))])
        drawn.append([rho(each[some], severity[some]) for each in scores])
    value, drawn = [rho(each, severity) for each in scores], np.array(drawn)
    low, high = np.quantile(drawn[:, 0], (0.025, 0.975))
    found = {"rho": value[0], "low": float(low), "high": float(high), **counts}
    if rival is not None:
        low, high = np.quantile(drawn[:, 0] - drawn[:, 1], (0.025, 0.975))
        found |= {"gain": value[0] - value[1], "gain_low": float(low), "gain_high": float(high)}
    return found


def rho(a: np.ndarray, b: np.ndarray) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(stats.rankdata(a), stats.rankdata(b))[1, 0])


def floors(run: Run, fresh: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """Scores of `fresh` by what cannot know the disease: a border, and untrained networks.

    Regressions fitted on the run's own training images, as notebook 07 does.
    """
    train = run.originals("train")
    train = train.assign(path=run.paths(train.image))
    both = pd.concat([train, fresh])[["path", "sha1", "label"]]
    seen, models = of_own_network(lung_masks(run.data)), run.profile.models
    plans = [("border only", "own", models[0], FRAME)]
    plans += [("untrained", "untrained", name, "whole picture") for name in models]
    for title, kind, name, look in plans:
        network, _ = encoders.encoder(run, kind, name)
        found = encoders.encode(run, network, both, as_prepared(run, seen[look]))
        fitted = regression("network").fit(found[: len(train)], train.label)
        yield f"{title}: {name}", fitted.predict_proba(found[len(train) :])[:, 1]


def run(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Each model's correlation with the senior radiologist's sum: `fair_test/severity.csv`.

    `table` is that of `collection.with_trained`. Only images of cases of which no model of the run
    saw one, nor a twin. Two kinds of rivals stand beside. The junior radiologist's sums are what a
    *grader* reaches, which a detector need not: it may be right on all images and still score all
    of them alike. Border and untrained networks are what a score reaches that cannot know the
    disease. A score is evidence that the disease is seen where it follows the grades better than
    the same network untrained does: `gain`, with its interval above 0.
    """
    known = graded(run, table)
    fresh = known[~known.trained]
    blind = dict(floors(run, fresh))
    readers = [("junior radiologist", None, fresh.junior, None)]
    for name in run.profile.models:
        for seed in run.profile.seeds:
            scores = swap.scored(run, table, name, seed).set_index("image").score
            readers.append((name, seed, scores[fresh.image], blind[f"untrained: {name}"]))
    readers += [(title, None, score, None) for title, score in blind.items()]
    rows = [
        {"reader": name, "seed": seed} | correlation(score, fresh.senior, fresh.group, rival)
        for name, seed, score, rival in readers
    ]
    return write(pd.DataFrame(rows), run.folder / "fair_test" / "severity.csv")
