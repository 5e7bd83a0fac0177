"""Doubles: which images of a dataset are one radiograph, within and across its splits and classes."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from deepcovid.data import images
from deepcovid.runs import UserError
from imageaudit import matching

PLANTED = 40  # images that are degraded, to see whether their doubles would be found
COLUMNS = ("a", "b", "agreement", "exact")


def doubles(table: pd.DataFrame, pictures: np.ndarray) -> pd.DataFrame:
    """Pairs of rows of `table` (`sha1`, `empty`) that show one radiograph: COLUMNS.

    Equal files are pairs of the first of them with each other one. `agreement` is from
    `matching.SAME` to 1. Of images without content nothing is said.
    """
    first = table.groupby("sha1").sha1.transform(lambda part: part.index[0])
    equal = np.flatnonzero(first.to_numpy() != table.index.to_numpy())
    found = [(int(first.iloc[i]), int(i), 1.0, True) for i in equal]
    unlike = np.setdiff1d(np.flatnonzero(~table["empty"].to_numpy(bool)), equal)
    pairs = matching.same_radiograph([matching.signature(pictures[i]) for i in unlike])
    found += [(int(unlike[i]), int(unlike[j]), float(value), False)
              for i, j, value in pairs.itertuples(index=False)]  # fmt: skip
    return pd.DataFrame(found, columns=list(COLUMNS))


def tried(paths: list[Path], table: pd.DataFrame, pictures: np.ndarray) -> dict[str, int]:
    """How many degraded doubles of this dataset's own images are recognised, of how many."""
    usable = np.flatnonzero(~table["empty"].to_numpy(bool))
    if not len(usable):
        return {"tried": 0, "found": 0}
    chosen = usable[np.unique(np.linspace(0, len(usable) - 1, PLANTED).astype(int))]
    found = 0
    for i in chosen:
        try:
            picture = matching.degrade(images.open_radiograph(paths[i]))
        except UserError:  # gone since it was read
            continue
        agreement = matching.compare(matching.signature(picture), matching.signature(pictures[i]))
        found += bool(agreement >= matching.SAME)
    return {"tried": len(chosen), "found": found}


def joined(patient: pd.Series, pairs: pd.DataFrame) -> np.ndarray:
    """The patients, those who share a radiograph taken for one."""
    names, number = np.unique(patient.astype(str), return_inverse=True)
    a, b = number[pairs.a.to_numpy(int)], number[pairs.b.to_numpy(int)]
    links = coo_array((np.ones(len(a)), (a, b)), shape=(len(names),) * 2)
    group = connected_components(links, directed=False)[1]
    least = pd.Series(names).groupby(group).transform("first").to_numpy()
    return least[number]
