"""Can the alarm be trusted? It is held against phantoms whose truth is known."""

from dataclasses import replace

import numpy as np
import pandas as pd

from deepcovid.data import manifest, phantom
from deepcovid.models.opened import Run
from deepcovid.shortcuts.alarm import BLIND, alarms
from deepcovid.shortcuts.eyes import Eyes
from deepcovid.shortcuts.looks import GRID, looks
from deepcovid.shortcuts.measure import collection, measured

COUNTS = dict.fromkeys(phantom.GROUPS, 40)  # images of each phantom dataset


def calibrate(
    opened: Run, honest: int = 3, planted: int = 1, counts=COUNTS, size: int = 64
) -> pd.DataFrame:
    """The alarm on phantoms: `planted` datasets with each shortcut, `honest` ones without any.

    A row per dataset and BLIND measurement, with the columns of `alarms`; `planted` is `nothing`
    or the shortcut that all COVID-19 phantoms bear. The network is untrained. Phantoms of `size`
    pixels are drawn into the run's `planted/`, once.
    """
    eyes = Eyes(Run(replace(opened.profile, weights="random", image_size=size)))
    seen = [look for look in looks(np.empty((0, GRID, GRID))) if look.seen in BLIND]
    cases = [("nothing", seed) for seed in range(honest)]
    cases += [(shortcut, seed) for shortcut in phantom.SHORTCUTS for seed in range(planted)]
    images, tables = "-".join(str(counts[group]) for group in phantom.GROUPS), {}
    for name, seed in cases:
        folder = opened.folder / "planted" / f"{name}-{seed}-{images}-{size}"
        if not folder.is_dir():
            shortcut = None if name == "nothing" else name
            phantom.write(folder, seed + 100, counts, size, shortcut)
        of = collection(manifest.make(folder, 0), folder)
        tables[name, seed] = alarms(measured(of, eyes, seen, opened.folder / "shortcuts"))
    return pd.concat(tables, names=["planted", "seed"]).reset_index()
