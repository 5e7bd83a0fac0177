"""A short page about one run: what was run, on what, what came out."""

import html

import pandas as pd

from deepcovid.data import manifest
from deepcovid.metrics.tables import metrics_table
from deepcovid.models.opened import Run
from deepcovid.runs import NOTICE, read_json
from deepcovid.shortcuts import tables as shortcuts_tables

DRAWN = "The images of this run are drawn, not taken: its numbers say nothing of COVID-19."


def about(opened: Run, made: dict) -> str:
    """The page in HTML, without head; `made` is the run's `run.json`."""
    profile, name = opened.profile, html.escape(opened.profile.name)
    parts = [f"<h1>deepcovid: run <code>{name}</code></h1>", f'<p class="notice">{NOTICE}</p>']
    if profile.data == "phantom":
        parts.append(f"<p>{DRAWN}</p>")
    parts += [
        "<h2>What was run</h2>",
        table(what(opened, made), header=False),
        table(counts(opened.manifest)),
        "<h2>On the test images</h2>",
        table(metrics_table(opened.folder / "metrics.csv"), index=False),
        '<p>Intervals are 95%. All columns: <a href="metrics.csv">metrics.csv</a>; all settings, '
        'versions and hashes: <a href="run.json">run.json</a>.</p>',
    ]
    external = opened.folder / "external.json"
    if profile.external and external.is_file():
        parts += [
            "<h2>In another collection</h2>",
            table(shortcuts_tables.elsewhere(read_json(external))),
            "<p>At the thresholds frozen on this run's validation images; images that are also in "
            "its data are left out. AUC and shares with 95% intervals.</p>",
        ]
    return "\n".join(parts)


def what(opened: Run, made: dict) -> pd.DataFrame:
    profile, environment = opened.profile, made["environment"]
    weights = {t["weights"]["file"] or t["weights"]["kind"] for t in made["trainings"]}
    rows = {
        "data folder": made["profile"]["data"],
        "external folder": made["profile"]["external"] or "none",
        "models": ", ".join(profile.models),
        "first weights": ", ".join(sorted(weights)),
        "seeds": ", ".join(map(str, profile.seeds)),
        "trained": f"{profile.trainable}, {profile.epochs} epochs, {profile.optimizer}",
        "threshold": str(profile.threshold),
        "code": f"{environment['deepcovid']}, commit {environment['git'][:12]}",
        "seconds of work": f"{sum(made['wall_seconds'].values()):,.0f}",
    }
    return pd.DataFrame(rows.items()).set_index(0)


def counts(images: pd.DataFrame) -> pd.DataFrame:
    """Images of each split by class, and the patients whom they show."""
    found = manifest.counts(images)
    return found.assign(patients=images.groupby("split").patient.nunique())


def table(frame: pd.DataFrame, **options) -> str:
    return frame.rename_axis(index=None).to_html(border=0, na_rep="", **options)
