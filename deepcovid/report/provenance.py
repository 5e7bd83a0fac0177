"""What a run's numbers depend on: `run.json`."""

from pathlib import Path

import pandas as pd

from deepcovid.data import manifest
from deepcovid.models.opened import Run
from deepcovid.profiles import PATHS, Profile
from deepcovid.report import cards
from deepcovid.runs import NOTICE, digest, environment, read_json, write_json


def provenance(opened: Run) -> dict:
    """Settings, data, trainings, versions and times of a run. Folders are given by name, not place."""
    settings = opened.profile.settings()
    settings |= {key: Path(settings[key]).name for key in PATHS if settings[key]}
    trainings = [
        read_json(opened.model_folder(model, seed) / "training.json")
        for model in opened.profile.models
        for seed in opened.profile.seeds
    ]
    timings = sorted((opened.folder / "benchmarks").glob("*.tsv"))
    return {
        "notice": NOTICE,
        "profile": settings,
        "data": {
            "images": len(opened.manifest),
            "fingerprint": digest(sorted(opened.manifest.sha1)),
            "by_split": manifest.counts(opened.manifest).to_dict("index"),
        },
        "trainings": [{k: v for k, v in t.items() if k != "made_from"} for t in trainings],
        "environment": environment(),
        "wall_seconds": {p.stem: float(pd.read_csv(p, sep="\t").s[0]) for p in timings},
    }


def record(profile: Profile) -> None:
    """Write a run's `run.json` and its model cards."""
    opened = Run(profile)
    found = provenance(opened)
    write_json(opened.folder / "run.json", found)
    cards.cards(opened, found)
