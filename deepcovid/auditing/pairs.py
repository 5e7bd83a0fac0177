"""Doubles: which images of a dataset are one radiograph, within and across its splits and classes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from tqdm.auto import tqdm

from deepcovid.data import likeness
from deepcovid.data.likeness import SAME, Look
from deepcovid.runs import UserError
from imageaudit import images

BUDGET = 10_000  # pairs that are laid over each other: those whose hashes are closest
NEAR = 100  # of 256 bits; beyond, two radiographs are hardly ever one
BLOCK = 64  # images whose hashes are compared with all others at once
PLANTED = 40  # images that are doctored, to see whether their doubles would be found
COLUMNS = ("a", "b", "agreement", "exact")


def doubles(table: pd.DataFrame, pictures: np.ndarray) -> pd.DataFrame:
    """Pairs of rows of `table` (`sha1`, `bits`, `empty`) that show one radiograph: COLUMNS.

    Equal files are pairs of the first of them with each other one. `agreement` is from `SAME` to 1.
    Of images without content nothing is said.
    """
    first = table.groupby("sha1").sha1.transform(lambda part: part.index[0])
    equal = np.flatnonzero(first.to_numpy() != table.index.to_numpy())
    found = [(int(first.iloc[i]), int(i), 1.0, True) for i in equal]
    unlike = np.setdiff1d(np.flatnonzero(~table["empty"].to_numpy(bool)), equal)
    bits = np.array([bytes.fromhex(word) for word in table.bits]).view(np.uint64).reshape(-1, 4)
    pairs = closest(bits, unlike)
    looks = {i: look(pictures[i]) for i in np.unique(pairs)}
    groups = [(i, pairs[pairs[:, 0] == i, 1]) for i in np.unique(pairs[:, 0])]

    def compared(group) -> np.ndarray:
        one, others = group
        return likeness.agreements(looks[one], [looks[other] for other in others])

    with ThreadPoolExecutor() as pool, tqdm(total=len(groups), desc="doubles", unit="image") as bar:
        for (one, others), values in zip(groups, pool.map(compared, groups), strict=True):
            bar.update()
            found += [(int(one), int(other), float(value), False)
                      for other, value in zip(others, values, strict=True) if value >= SAME]  # fmt: skip
    return pd.DataFrame(found, columns=list(COLUMNS))


def closest(bits: np.ndarray, among: np.ndarray) -> np.ndarray:
    """At most BUDGET pairs (i < j) of rows, those whose hashes differ in the fewest bits: (n, 2)."""
    best, distance, limit = np.empty((0, 2), int), np.empty(0, int), NEAR
    for first in range(0, len(among), BLOCK):
        block = among[first : first + BLOCK]
        apart = np.bitwise_count(bits[block][:, None] ^ bits[among][None]).sum(axis=2)
        here, other = np.nonzero(apart <= limit)
        later = first + here < other
        here, other = here[later], other[later]
        distance = np.concatenate([distance, apart[here, other]])
        best = np.concatenate([best, np.stack([block[here], among[other]], axis=1)])
        if len(best) > BUDGET:
            kept = np.argsort(distance, kind="stable")[:BUDGET]
            best, distance = best[kept], distance[kept]
            limit = int(distance[-1])
    return best[np.lexsort((best[:, 1], best[:, 0]))]


def look(small: np.ndarray) -> Look:
    """What a radiograph is recognised by, of its small picture; the hash is known already."""
    return likeness.look_of(small.astype(np.float32), np.empty(0))


def tried(paths: list[Path], table: pd.DataFrame, pictures: np.ndarray) -> dict[str, int]:
    """How many doctored doubles of this dataset's own images are recognised, of how many."""
    usable = np.flatnonzero(~table["empty"].to_numpy(bool))
    if not len(usable):
        return {"tried": 0, "found": 0}
    chosen = usable[np.unique(np.linspace(0, len(usable) - 1, PLANTED).astype(int))]
    found = 0
    for i in chosen:
        try:
            picture = images.open_radiograph(paths[i]).convert("L")
        except UserError:  # gone since it was read
            continue
        side = pictures.shape[1:]
        small = likeness.doctored(picture).resize(side, Image.Resampling.LANCZOS)
        agreement = likeness.agreements(look(pictures[i]), [look(np.asarray(small))])[0]
        found += bool(agreement >= SAME)
    return {"tried": len(chosen), "found": found}


def joined(patient: pd.Series, pairs: pd.DataFrame) -> np.ndarray:
    """The patients, those who share a radiograph taken for one."""
    names, number = np.unique(patient.astype(str), return_inverse=True)
    a, b = number[pairs.a.to_numpy(int)], number[pairs.b.to_numpy(int)]
    links = coo_array((np.ones(len(a)), (a, b)), shape=(len(names),) * 2)
    group = connected_components(links, directed=False)[1]
    least = pd.Series(names).groupby(group).transform("first").to_numpy()
    return least[number]
