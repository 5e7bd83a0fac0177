"""Duplicates: which images of a dataset are one radiograph, and would the search recognise them?"""

from pathlib import Path

import numpy as np
import pandas as pd

from imageaudit import images, matching
from imageaudit.errors import UserError

DEGRADED = 40  # images that are degraded, to see whether their duplicates would be found
COLUMNS = ("a", "b", "agreement", "exact")


def find_duplicates(table: pd.DataFrame, signatures: list[matching.Signature]) -> pd.DataFrame:
    """Pairs of rows of `table` (`sha1`, `empty`) that show one radiograph: COLUMNS.

    Equal files are pairs of the first of them with each other one. `agreement` is at most 1.
    Of images without content nothing is said.
    """
    first = table.groupby("sha1").sha1.transform(lambda part: part.index[0])
    equal = np.flatnonzero(first.to_numpy() != table.index.to_numpy())
    same = first.to_numpy()[equal]
    exact = pd.DataFrame({"a": same, "b": equal, "agreement": 1.0, "exact": True})
    unlike = np.setdiff1d(np.flatnonzero(~table["empty"].to_numpy(bool)), equal)
    pairs = matching.same_radiograph([signatures[i] for i in unlike])
    one, other = (unlike[pairs[name].to_numpy(int)] for name in ("query", "reference"))
    found = pd.DataFrame({"a": one, "b": other, "agreement": pairs.agreement, "exact": False})
    parts = [part for part in (exact, found) if len(part)] or [exact]
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def check_search(paths: list[Path], table: pd.DataFrame, signatures: list) -> dict[str, int]:
    """How many degraded duplicates of this dataset's own images are recognised, of how many."""
    usable = np.flatnonzero(~table["empty"].to_numpy(bool))
    chosen = usable[np.unique(np.linspace(0, len(usable) - 1, DEGRADED).astype(int))] if len(usable) else []  # fmt: skip
    found = 0
    for i in chosen:
        try:
            picture = matching.degrade(images.open_radiograph(paths[i]))
        except UserError:  # gone since it was read
            continue
        agreement = matching.compare(matching.signature(picture), signatures[i])
        found += bool(agreement >= matching.SAME)
    return {"tried": len(chosen), "found": found}
