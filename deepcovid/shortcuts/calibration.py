"""Can the alarm be trusted? It is held against phantoms whose truth is known."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import norm

from deepcovid.data import manifest, phantom
from deepcovid.metrics import intervals
from deepcovid.models.features import code
from deepcovid.models.opened import Run
from deepcovid.runs import done, mark_done
from deepcovid.shortcuts.alarm import BLIND, alarms
from deepcovid.shortcuts.eyes import Eyes
from deepcovid.shortcuts.looks import GRID, looks
from deepcovid.shortcuts.measure import collection, measured

COUNTS = dict.fromkeys(phantom.GROUPS, 40)  # images of each phantom dataset, as committed
FEWER = dict.fromkeys(phantom.GROUPS, 20)  # and as a run draws for itself


def calibrate(
    opened: Run, honest: int = 2, planted: int = 1, counts=FEWER, size: int = 64
) -> pd.DataFrame:
    """The alarm on phantoms: `planted` datasets with each shortcut, `honest` ones without any.

    A row per dataset and BLIND measurement, with the columns of `alarms`; `planted` is `nothing`
    or the shortcut that all COVID-19 phantoms bear. The network is untrained. Phantoms of `size`
    pixels are drawn into the run's `planted/`, once for the same code.
    """
    eyes = Eyes(Run(replace(opened.profile, weights="random", image_size=size)))
    seen = [look for look in looks(np.empty((0, GRID, GRID))) if look.seen in BLIND]
    cases = [("nothing", seed) for seed in range(honest)]
    cases += [(shortcut, seed) for shortcut in phantom.SHORTCUTS for seed in range(planted)]
    images, tables = "-".join(str(counts[group]) for group in phantom.GROUPS), {}
    drawn_by = code("data.phantom")
    for name, seed in cases:
        folder = opened.folder / "planted" / f"{name}-{seed}-{images}-{size}"
        if not done(folder / "train", drawn_by):
            if folder.is_dir():
                shutil.rmtree(folder)
            shortcut = None if name == "nothing" else name
            phantom.write(folder, seed + 100, counts, size, shortcut)
            mark_done(folder / "train", drawn_by)
        of = collection(manifest.make(folder, 0), folder)
        tables[name, seed] = alarms(measured(of, eyes, seen, opened.folder / "shortcuts"))
    return pd.concat(tables, names=["planted", "seed"]).reset_index()


def levels(
    datasets: int = 1000, images=(1, 2, 3), patients: int = 20, likeness: float = 0.8
) -> pd.DataFrame:
    """How often honest datasets raise the alarm, by simulated scores: a row per images per patient.

    Scores of both BLIND measurements know nothing of the class; those of one patient's images
    correlate by `likeness`. Each class has so many `patients`. `alarms` is the share of datasets
    that raise one, `counting images` the same by DeLong's interval, which takes each image for a
    patient. LEVEL is what it should be.
    """
    rng, rows = np.random.default_rng(0), []
    for each in images:
        patient = np.repeat(np.arange(2 * patients), each)
        raised = {"alarms": 0, "counting images": 0}
        for _ in range(datasets):
            table = pd.DataFrame([honest_row(seen, patient, likeness, rng) for seen in BLIND])
            raised["alarms"] += alarms(table).alarm.any()
            raised["counting images"] += alarms(table.assign(patient_low=table.auc_low)).alarm.any()
        shares = {name: count / datasets for name, count in raised.items()}
        rows.append({"images per patient": each, "datasets": datasets, **shares})
    return pd.DataFrame(rows).set_index("images per patient")


def honest_row(seen: str, patient: np.ndarray, likeness: float, rng) -> dict:
    """A row of a `shortcuts.csv` whose scores know nothing of the class: half of the patients'."""
    own, others = rng.standard_normal(patient.max() + 1)[patient], rng.standard_normal(len(patient))
    score = norm.cdf(np.sqrt(likeness) * own + np.sqrt(1 - likeness) * others)
    label = (patient > patient.max() // 2).astype(int)
    low, high = intervals.auc_interval(label, score)
    patient_low, _ = intervals.bootstrap(label, score, patient)["auc"]
    return {
        "kind": "border", "seen": seen, "model": "simulated", "auc": intervals.auc(label, score),
        "auc_low": low, "auc_high": high, "patient_low": patient_low, "patient_high": np.nan,
    }  # fmt: skip
