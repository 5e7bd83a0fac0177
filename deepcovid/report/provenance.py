"""What a run's numbers depend on: `run.json`."""

from pathlib import Path

import pandas as pd

from deepcovid.data import manifest
from deepcovid.models.run import Run
from deepcovid.profiles import PATHS, Profile
from deepcovid.report import cards
from deepcovid.runs import NOTICE, digest, environment, read_json, write_json


def provenance(run: Run) -> dict:
    """Settings, data, trainings, versions and times of a run. Folders are given by name, not place."""
    settings = run.profile.settings()
    settings |= {key: Path(settings[key]).name for key in PATHS if settings[key]}
    trainings = [
        read_json(run.model_folder(model, seed) / "training.json")
        for model in run.profile.models
        for seed in run.profile.seeds
    ]
    timings = sorted((run.folder / "benchmarks").glob("*.tsv"))
    return {
        "notice": NOTICE,
        "profile": settings,
        "data": {
            "images": len(run.manifest),
            "fingerprint": digest(sorted(run.manifest.sha1)),
            "by_split": manifest.counts(run.manifest).to_dict("index"),
        },
        "trainings": [{k: v for k, v in t.items() if k != "made_from"} for t in trainings],
        "environment": environment(),
        "wall_seconds": {p.stem: float(pd.read_csv(p, sep="\t").s[0]) for p in timings},
    }


def record(profile: Profile) -> None:
    """Write a run's `run.json` and its model cards."""
    run = Run(profile)
    found = provenance(run)
    write_json(run.folder / "run.json", found)
    cards.cards(run, found)
