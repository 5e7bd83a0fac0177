"""The alarm: a dataset gives its classes away where no disease can be seen."""

import numpy as np
import pandas as pd
from scipy.stats import norm

# what cannot show the disease, so that anything found in it is a shortcut
BLIND = ("file properties", "outer 5% of each side")
LEVEL = 0.05  # how often an honest dataset may raise the alarm


def alarms(table: pd.DataFrame) -> pd.DataFrame:
    """Does a dataset give its classes away where the disease cannot be seen?

    The rows of a `shortcuts.csv` that are BLIND, with `p` (one-sided, of DeLong's normal
    approximation on the logit scale, that the AUC is above 0.5) and `alarm`: p below LEVEL shared
    out among the rows (Bonferroni), so that an honest dataset raises one at most so often.
    """
    found = table[table.seen.isin(BLIND) & table.kind.isin(["metadata", "border"])]
    found = found[found.model != "trees"].set_index("seen")
    found = found[["auc", "auc_low", "auc_high"]].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        auc, low, high = (np.log(found[name] / (1 - found[name])) for name in found)
        p = norm.sf(auc / (high - low) * 2 * norm.ppf(0.975))
    point = found.auc_low == found.auc_high  # scores that are all alike, or separate perfectly
    found["p"] = np.where(point, (found.auc <= 0.5).astype(float), p)
    return found.assign(alarm=found.p < LEVEL / max(len(found), 1))
