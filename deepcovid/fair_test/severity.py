"""Does a score rise with the disease? P(COVID-19) beside radiologists' Brixia scores.

The Brixia score (Borghesi and Maroldi 2020) grades six lung zones from 0 to 3; their sum is 0 to 18.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from deepcovid.fair_test import collection, swap, within
from deepcovid.models import networks
from deepcovid.models.opened import Run
from deepcovid.runs import UserError, read_table, shown
from deepcovid.shortcuts.eyes import Pooled
from deepcovid.shortcuts.looks import FRAME, looks, lung_masks
from deepcovid.shortcuts.measure import regression, write

SUMS = {"senior": "S-Global", "junior": "J-Global"}
LEAST = 10  # images that a correlation needs


def graded(opened: Run, table: pd.DataFrame) -> pd.DataFrame:
    """COVID-19 images of `table` (of `collection.of`) with the radiologists' sums, 0 to 18.

    The severity file names images by their place below its own folder. Where several files could
    be meant the path decides, so nothing is matched by a name alone.
    """
    drawn_one = opened.profile.severity == "phantom"
    path = opened.folder / "collection/test/severity.csv" if drawn_one else opened.profile.severity
    if path is None:
        raise UserError("This run names no table of severities: -p severity FILE.")
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no table of severities {path}: -p severity FILE.")
    given = read_table(path, dtype={"image": str}, keep_default_na=False)
    needed = ["image", *SUMS.values()]
    if missing := [name for name in needed if name not in given]:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}.")
    for reader in SUMS.values():
        given[reader] = pd.to_numeric(given[reader], errors="coerce")
        if not given[reader].between(0, 18).all():
            image = given.image[~given[reader].between(0, 18)].iloc[0]
            raise UserError(f"{path}: {reader} of {shown(image)} is no number from 0 to 18.")
    given["path"] = [str((path.parent / image).resolve()) for image in given.image]
    sums = given.set_index("path")[list(SUMS.values())].set_axis(list(SUMS), axis=1)
    table = table.assign(place=[str(Path(p).resolve()) for p in table.path])
    return table[table.label == 1].join(sums, on="place", how="inner").drop(columns="place")


def correlation(score, severity, group, resamples: int = 2000, seed: int = 0) -> dict[str, float]:
    """Spearman's correlation, -1 to 1, with a 95% interval by resampling groups of images.

    A constant score has no order: its correlation counts as 0. Fewer than LEAST images: NaN.
    """
    score, severity = np.asarray(score, float), np.asarray(severity, float)
    names, number = np.unique(np.asarray(group), return_inverse=True)
    found = {"images": len(score), "groups": len(names)}
    if len(score) < LEAST:
        return {"rho": np.nan, "low": np.nan, "high": np.nan, **found}
    rows = [np.flatnonzero(number == i) for i in range(len(names))]
    random, drawn = np.random.default_rng(seed), []
    for _ in range(resamples):
        some = np.concatenate([rows[i] for i in random.integers(len(names), size=len(names))])
        drawn.append(rho(score[some], severity[some]))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"rho": rho(score, severity), "low": float(low), "high": float(high), **found}


def rho(a: np.ndarray, b: np.ndarray) -> float:
    even = np.ptp(a) == 0 or np.ptp(b) == 0
    return 0.0 if even else float(stats.spearmanr(a, b).statistic)


def floors(opened: Run, fresh: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """Scores of `fresh` by what cannot know the disease: a border, and untrained networks.

    Regressions fitted on the run's own training images, as notebook 07 does.
    """
    train = opened.originals("train")
    train = train.assign(path=opened.paths(train.image))
    both = pd.concat([train, fresh])[["path", "sha1", "label"]]
    seen = {look.seen: look for look in looks(lung_masks(opened.data)) if look.network == "own"}
    plans = [(f"border only: {opened.profile.models[0]}", opened.profile.weights, FRAME)]
    plans += [(f"untrained: {name}", "random", "whole picture") for name in opened.profile.models]
    for title, weights, look in plans:
        network, _ = networks.build(title.split(": ")[1], weights, opened.profile.seeds[0])
        found = within.values(opened, both, Pooled(network.backbone), seen[look])
        fitted = regression("network").fit(found[: len(train)], train.label)
        yield title, fitted.predict_proba(found[len(train) :])[:, 1]


def run(opened: Run, table: pd.DataFrame) -> pd.DataFrame:
    """Each model's correlation with the senior radiologist's sum: `fair_test/severity.csv`.

    Only images of cases of which no model of the run saw one, nor a twin. The junior radiologist's sums stand beside, as
    what a second reader reaches; at the end what cannot know the disease.
    """
    table = collection.with_trained(opened, table)
    known = graded(opened, table)
    fresh = known[~known.trained]
    readers = [("junior radiologist", None, fresh.junior)]
    for name in opened.profile.models:
        for seed in opened.profile.seeds:
            scores = swap.scored(opened, table, name, seed).set_index("image").score
            readers.append((name, seed, scores[fresh.image]))
    readers += [(title, None, score) for title, score in floors(opened, fresh)]
    rows = [
        {"reader": name, "seed": seed} | correlation(score, fresh.senior, fresh.group)
        for name, seed, score in readers
    ]
    return write(pd.DataFrame(rows), opened.folder / "fair_test" / "severity.csv")
