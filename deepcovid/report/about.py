"""A short page about one run: what was run, on what, what came out."""

import html
from pathlib import Path

import pandas as pd

from deepcovid.data import manifest
from deepcovid.io import read_table
from deepcovid.metrics.tables import metrics_table
from deepcovid.models.run import Run
from deepcovid.runs import NOTICE, escape_control_chars
from deepcovid.shortcuts import tables as shortcuts_tables

DRAWN = "The images of this run are drawn, not taken: its numbers say nothing of COVID-19."


FIGURES = {
    "roc": "ROC curves on the test images, a colour for each model",
    "operating_points": "Sensitivity and specificity by the images that the threshold was chosen on",
}
OTHER = ["average precision"]  # a wide table is not read


def about(run: Run, made: dict, place: Path) -> str:
    """The page in Markdown, its tables in HTML; `made` is the run's `run.json`.

    Its plots are in `figures/` of `place`.
    """
    profile = run.profile
    parts = [f"# Run <code>{html.escape(profile.name)}</code>", f"**{NOTICE}**"]
    if profile.drawn:
        parts.append(DRAWN)
    parts += [
        "## On the test images",
        table(metrics_table(run.folder / "metrics.csv").drop(columns=OTHER), index=False),
        'Intervals are 95%. All columns: <a href="../metrics.csv">metrics.csv</a>; all settings, '
        'versions and hashes: <a href="../run.json">run.json</a>.',
        "\n\n".join(f"![{FIGURES[path.stem]}](figures/{path.name})" for path in figures(place)),
    ]
    external = run.folder / "external.csv"
    if profile.external and external.is_file():
        parts += [
            "## External images",
            table(shortcuts_tables.external(read_table(external))),
            "At the thresholds frozen on this run's validation images; images that are also in its "
            "data are left out. Intervals count patients; over several seeds, the widest.",
        ]
    parts += [
        "## What was run",
        table(what(run, made), header=False),
        table(counts(run.manifest)),
    ]
    return "\n\n".join(parts) + "\n"


def figures(place: Path) -> list[Path]:
    """The plots that the page shows; they belong in `figures` beside it."""
    paths = (place / "figures" / f"{name}.svg" for name in FIGURES)
    return [path for path in paths if path.is_file()]


def what(run: Run, made: dict) -> pd.DataFrame:
    profile, environment = run.profile, made["environment"]
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
    safe = frame.rename_axis(index=[None] * frame.index.nlevels).map(
        lambda cell: escape_control_chars(cell) if isinstance(cell, str) else cell
    )
    text = safe.to_html(border=0, na_rep="", classes="table", **options)
    return f'<div class="pst-scrollable-table-container" tabindex="0">\n{text}\n</div>'
