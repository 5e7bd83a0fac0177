"""The alarm: a dataset gives its classes away where no disease can be seen."""

import numpy as np
import pandas as pd
from scipy.special import logit
from scipy.stats import norm

# what cannot show the disease, so that anything found in it is a shortcut
BLIND = ("file properties", "outer 5% of each side")
LEVEL = 0.05  # how often an honest dataset may raise the alarm


def alarms(table: pd.DataFrame) -> pd.DataFrame:
    """Does a dataset give its classes away where the disease cannot be seen?

    The rows of a `shortcuts.csv` that are BLIND, with `p` and `alarm`. p is one-sided, that the AUC
    is above 0.5, from the lower half of the interval that resamples patients, on the logit scale:
    images of one patient resemble each other, and count as one. `alarm`: p below LEVEL shared out
    among the rows (Bonferroni). Of two rows, it is raised by each whose interval lies above 0.5.
    """
    found = table[table.seen.isin(BLIND) & table.kind.isin(["metadata", "border"])]
    found = found[found.model != "trees"].set_index("seen")
    found = found[["auc", "patient_low", "patient_high"]].astype(float)
    auc, low = (logit(found[name].clip(1e-9, 1 - 1e-9)) for name in ("auc", "patient_low"))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = norm.sf(auc / (auc - low) * norm.ppf(0.975))
    point = auc == low  # scores that are all alike, or separate perfectly
    found["p"] = np.where(point, (found.auc <= 0.5).astype(float), p)
    return found.assign(alarm=found.p < LEVEL / max(len(found), 1))
