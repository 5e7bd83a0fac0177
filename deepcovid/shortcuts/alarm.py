"""TODO: what shortcuts/alarm is."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import norm

from deepcovid.data import manifest, phantom
from deepcovid.profiles import Profile
from deepcovid.shortcuts.looks import GRID, looks
from deepcovid.shortcuts.measure import Eyes, collection, measured

# what cannot show the disease, so that anything found in it is a shortcut
BLIND = ("file properties", "outer 5% of each side")
LEVEL = 0.05  # how often an honest dataset may raise the alarm
COUNTS = dict.fromkeys(phantom.GROUPS, 40)  # images of each phantom dataset


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


def calibrate(
    profile: Profile, honest: int = 3, planted: int = 1, counts=COUNTS, size: int = 64
) -> pd.DataFrame:
    """The alarm on phantoms: `planted` datasets with each shortcut, `honest` ones without any.

    A row per dataset and BLIND measurement, with the columns of `alarms`; `planted` is `nothing`
    or the shortcut that all COVID-19 phantoms bear. The network is untrained. Phantoms of `size`
    pixels are drawn into the run's `planted/`, once.
    """
    eyes = Eyes(replace(profile, weights="random", image_size=size))
    seen = [look for look in looks(np.empty((0, GRID, GRID))) if look.seen in BLIND]
    cases = [(None, seed) for seed in range(honest)]
    cases += [(shortcut, seed) for shortcut in phantom.SHORTCUTS for seed in range(planted)]
    tables = {}
    for shortcut, seed in cases:
        name = shortcut or "nothing"
        images_of = (
            f"{name}-{seed}-{'-'.join(str(counts[group]) for group in phantom.GROUPS)}-{size}"
        )
        folder = profile.folder / "planted" / images_of
        if not folder.is_dir():
            phantom.write(folder, seed + 100, counts, size, shortcut)
        of = collection(manifest.make(folder, 0), folder)
        tables[name, seed] = alarms(measured(of, eyes, seen, profile.folder / "shortcuts"))
    return pd.concat(tables, names=["planted", "seed"]).reset_index()
