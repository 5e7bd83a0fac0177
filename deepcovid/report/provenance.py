"""What a run's numbers depend on, `run.json`, and what its models are and are not for, their cards."""

import os
import platform
import subprocess
from importlib.metadata import version
from itertools import product
from pathlib import Path

import jinja2
import pandas as pd

from deepcovid import __version__
from deepcovid.data import manifest
from deepcovid.io import digest, read_json, read_table, write_json, write_text
from deepcovid.metrics.intervals import format_ci_from_row
from deepcovid.models.run import Run
from deepcovid.profiles import PATHS, Profile
from deepcovid.runs import NOTICE, ROOT

PACKAGES = ("torch", "torchvision", "numpy", "pandas", "pillow", "scikit-learn", "scipy")
# the template of a name beside this module
template = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent),
    trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
).get_template  # fmt: skip


def provenance(run: Run) -> dict:
    """Settings, data, trainings and versions of a run. Folders are given by name, not place."""
    trainings = [
        read_json(run.model_folder(*each) / "training.json")
        for each in product(run.profile.models, run.profile.seeds)
    ]
    return {
        "notice": NOTICE,
        "profile": settings(run.profile),
        "data": {
            "images": len(run.manifest),
            "fingerprint": digest(sorted(run.manifest.sha1)),
            "by_split": manifest.counts(run.manifest).to_dict("index"),
        },
        "trainings": [{k: v for k, v in t.items() if k != "made_from"} for t in trainings],
        "environment": environment(),
    }


def environment() -> dict:
    """What a run's numbers may depend on besides its profile: versions, machine, code."""
    return {
        "deepcovid": __version__,
        "git": git_revision(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def git_revision() -> str:
    """The commit of the code, with `+changes` where files differ from it; `unknown` without git."""
    words = ["describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes"]
    try:
        found = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.decode().strip()


def settings(profile: Profile) -> dict:
    """A profile's settings as `run.json` has them: lists, and folders by their names."""
    found = profile.settings()
    found |= {key: Path(found[key]).name for key in PATHS if found[key]}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in found.items()}


def record(profile: Profile) -> None:
    """Write a run's `run.json` and, for each of its models, `card.md`."""
    run = Run(profile)
    write_json(run.folder / "run.json", provenance(run))
    made, metrics = read_json(run.folder / "run.json"), read_table(run.folder / "metrics.csv")
    path = run.folder / "external.json"
    external = read_json(path)["models"] if profile.external and path.is_file() else []
    mixed = sources_are_mixed(run.originals())
    for model in profile.models:
        write_text(run.folder / model / "card.md", card(model, made, metrics, external, mixed))


def card(model: str, made: dict, metrics: pd.DataFrame, external: list[dict], mixed: bool) -> str:
    """A model's card, from its run's `run.json`, `metrics.csv`, and rows of `external.json`.

    `mixed`: has each source images of both classes?
    """
    steps, profile = ", ".join(made["profile"]["preprocessing"]).replace("_", " "), made["profile"]
    return template("card.md").render(
        profile, model=model, run=profile["name"], notice=NOTICE, ci=format_ci_from_row, mixed=mixed,
        prepared="whole image" if steps == "none" else f"prepared ({steps})",
        training=next(t for t in made["trainings"] if t["model"] == model),
        fingerprint=made["data"]["fingerprint"],
        rows=metrics[metrics.model == model].to_dict("records"),
        judged=[row for row in external if row["model"] == model],
    )  # fmt: skip


def sources_are_mixed(table: pd.DataFrame) -> bool:
    """Has each source of a manifest's images both classes?"""
    return table.groupby("source").label.nunique().eq(2).all()
