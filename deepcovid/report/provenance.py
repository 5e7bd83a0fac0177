"""What a run's numbers depend on, `run.json`, and what its models are and are not for, their cards."""

from functools import cache
from pathlib import Path

import jinja2
import pandas as pd

from deepcovid.data import manifest
from deepcovid.io import read_table
from deepcovid.metrics.intervals import format_ci_from_row
from deepcovid.models.run import Run
from deepcovid.profiles import PATHS, Profile
from deepcovid.runs import NOTICE, digest, environment, read_json, write_json, write_text


def provenance(run: Run) -> dict:
    """Settings, data, trainings, versions and times of a run. Folders are given by name, not place."""
    trainings = [
        read_json(run.model_folder(model, seed) / "training.json")
        for model, seed in run.profile.trainings
    ]
    timings = sorted((run.folder / "benchmarks").glob("*.tsv"))
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
        "wall_seconds": {p.stem: float(pd.read_csv(p, sep="\t").s[0]) for p in timings},
    }


def settings(profile: Profile) -> dict:
    """A profile's settings as `run.json` has them: lists, and folders by their names."""
    found = profile.settings()
    found |= {key: Path(found[key]).name for key in PATHS if found[key]}
    return {key: list(v) if isinstance(v, tuple) else v for key, v in found.items()}


def record(profile: Profile) -> None:
    """Write a run's `run.json` and, for each of its models, `card.md`."""
    run = Run(profile)
    write_json(run.folder / "run.json", provenance(run))
    made, external = read_json(run.folder / "run.json"), []
    metrics = read_table(run.folder / "metrics.csv")
    if profile.external and (run.folder / "external.json").is_file():
        external = read_json(run.folder / "external.json")["models"]
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


@cache
def template(name: str) -> jinja2.Template:
    """A template beside this module."""
    beside = jinja2.FileSystemLoader(Path(__file__).parent)
    return jinja2.Environment(
        loader=beside, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    ).get_template(name)
