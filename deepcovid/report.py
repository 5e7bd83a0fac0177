"""A run as pages in a browser, its provenance, and the part of it that may be published."""

import html
import shutil
from pathlib import Path

import nbformat
import pandas as pd
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from deepcovid import manifest, metrics
from deepcovid.profiles import PATHS, Profile, load
from deepcovid.runs import (
    NOTICE,
    RESULTS,
    ROOT,
    UserError,
    digest,
    environment,
    read_json,
    replacing,
    write_json,
    write_text,
)

# scripts that nbconvert would link from the internet: a page must read offline
OFFLINE = dict.fromkeys(("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url"), "")
# a radiograph or a file of weights is never among these
PUBLISHED = (
    "metrics.csv",
    "shortcuts.csv",
    "mending.csv",
    "*.json",
    "figures/*.svg",
    "figures/*.png",
    "*/card.md",
    "*/seed*/metrics.json",
    "*/seed*/training.json",
    "*/seed*/history.csv",
)

CARD = """# Model card: {model}, profile `{profile}`

**{notice}** A classifier of frontal chest radiographs into COVID-19 and
Non-COVID, made to reproduce Minaee et al. (2020), not to be used on patients.

## Model and recipe

- Network: torchvision `{model}`; backbone weights: {weights}
- Trained: {trainable}; {optimizer}, learning rate {learning_rate:g} ({schedule}), batch size
  {batch_size}, {epochs} epochs; checkpoint: {selection} epoch; batch norm: {batch_norm}
- Input: {prepared}, resized to {image_size} x {image_size} pixels, RGB, ImageNet normalisation
- Crops in training: {train_crop}
- Seeds: {seeds}

## Data

Trained on {train:,} images{validated}; positives augmented: {augment_positives}. Data folder
`{data}`, fingerprint `{fingerprint}`. COVID-19 and Non-COVID images come from different
collections.

## Test results

95% intervals in brackets: DeLong for the AUC, Wilson for shares at the threshold, patients resampled
for the specificity at 98% sensitivity.

{table}
{outside}
## Limits

- A score is no probability of disease: see the calibration error above, and that COVID-19 is rarer or
  more frequent elsewhere.
- The classes differ in source, so the model may tell the source, not the disease.
- Not tested on children, on lateral views, or by any clinician.
"""

OUTSIDE = """
## Elsewhere

On `{folder}`, images from other hospitals, at the same thresholds; without those that also occur in
the training or test data ({dropped}):

{table}
"""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>deepcovid: {name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; font-size: 14px; display: block; overflow-x: auto }}
th, td {{ padding: .25rem .6rem; text-align: right; border-bottom: 1px solid #ddd }}
.notice {{ color: #8a1c1c }}
</style></head><body>
<h1>deepcovid: run <code>{name}</code></h1>
<p class="notice">{notice}</p>
{warning}
<h2>Test results</h2>
{metrics}
<p>Intervals are 95%. All columns: <a href="metrics.csv">metrics.csv</a>; how the run was made:
<a href="run.json">run.json</a>.</p>
<h2>Notebooks, as executed</h2>
<ul>
{links}
</ul></body></html>
"""


def title(notebook) -> str:
    """The first heading of a notebook."""
    lines = (line for cell in notebook.cells for line in cell.source.splitlines())
    return next((line.lstrip("# ") for line in lines if line.startswith("# ")), "")


def pages(profile: Profile) -> Path:
    """Write each executed notebook of a run as a page, `run.json`, and an index of all."""
    folder = profile.folder
    made_from = provenance(profile)
    write_json(folder / "run.json", made_from)
    cards(profile, made_from)
    exporter = HTMLExporter(embed_images=True, **OFFLINE)
    links = []
    for path in executed(profile):
        notebook = nbformat.read(path, as_version=4)
        body, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": path.stem}})
        write_text(path.with_suffix(".html"), body)
        name = html.escape(f"{path.stem}: {title(notebook)}")
        links.append(f'<li><a href="notebooks/{path.stem}.html">{name}</a></li>')
    warning = ""
    if profile.data == "phantom":
        warning = "<p>The images of this run are drawn, not taken: its numbers say nothing of COVID-19.</p>"
    return write_text(
        folder / "index.html",
        PAGE.format(
            name=html.escape(profile.name),
            notice=NOTICE,
            warning=warning,
            links="\n".join(links),
            metrics=metrics_table(folder / "metrics.csv").to_html(index=False, border=0),
        ),
    )


def card_table(rows: list[dict]) -> str:
    """Rows of metrics, with their intervals where they have them, as a table in Markdown."""
    told = []
    for row in rows:
        told.append({
            name: f"{value:.3f} ({row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f})"
            if f"{name}_low" in row else value
            for name, value in row.items() if not name.endswith(("_low", "_high"))
        })  # fmt: skip
    table = pd.DataFrame(told).rename(columns=lambda name: name.replace("_", " ")).astype(str)
    lines = [table.columns, ["---"] * len(table.columns), *table.to_numpy()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def with_intervals(row: dict, *names: str) -> dict:
    return {key: row[key] for name in names for key in (name, f"{name}_low", f"{name}_high")}


def cards(profile: Profile, provenance: dict) -> None:
    """Write `card.md`, a model card made from the run's files, for each model."""
    found = {(row["model"], row["seed"]): row for row in summaries(profile.folder)}
    external = profile.folder / "external.json"
    elsewhere = read_json(external)["models"] if external.is_file() else []
    told = ("auc", "sensitivity", "specificity")
    for model in profile.models:
        training = next(t for t in provenance["trainings"] if t["model"] == model)
        weights, held_out = training["weights"], training["images"].get("validation", 0)
        rows = [
            {"seed": seed}
            | with_intervals(found[model, seed], *told, "specificity_at_98_sensitivity")
            | {
                "threshold": f"{found[model, seed]['threshold']:.3g}",
                "calibration error": f"{found[model, seed]['calibration']['calibration_error']:.3f}",
            }
            for seed in profile.seeds
        ]
        outside = [row for row in elsewhere if row["model"] == model]
        said = provenance["profile"] | {
            "model": model,
            "profile": profile.name,
            "notice": NOTICE,
            "weights": weights["kind"]
            + (
                f" `{weights['file']}`, SHA-256 `{weights['sha256'][:16]}...`"
                if weights["file"]
                else ""
            ),
            "prepared": f"prepared ({', '.join(profile.preparation).replace('_', ' ')})"
            if profile.preparation != ("none",)
            else "whole image",
            "seeds": ", ".join(map(str, profile.seeds)),
            "train": training["images"]["train"],
            "validated": f", thresholds chosen on {held_out:,}" if held_out else "",
            "data": Path(profile.data).name,
            "fingerprint": provenance["data"]["fingerprint"],
            "table": card_table(rows),
            "outside": OUTSIDE.format(
                folder=Path(provenance["profile"]["external"]).name,
                dropped=outside[0]["duplicates_dropped"],
                table=card_table(
                    [{"seed": row["seed"]} | with_intervals(row, *told) for row in outside]
                ),
            )
            if outside
            else "",
        }
        write_text(profile.folder / model / "card.md", CARD.format(**said))


def executed(profile: Profile) -> list[Path]:
    """The executed notebooks of a run's models and seeds, in reading order."""
    folder = profile.folder / "notebooks"
    wanted = {
        f"03_training-{model}-seed{seed}" for model in profile.models for seed in profile.seeds
    }
    return [p for p in sorted(folder.glob("*.ipynb")) if "-seed" not in p.stem or p.stem in wanted]


def evaluate(profile: Profile) -> dict[tuple[str, int], pd.DataFrame]:
    """Write `metrics.json` of each model and seed, and `metrics.csv` of all; give the scores."""
    patients = manifest.read(profile.folder / "manifest.csv")[["image", "patient"]]
    tables, rows = {}, []
    for model in profile.models:
        for seed in profile.seeds:
            folder = profile.model_folder(model, seed)
            table = metrics.read_scores(folder / "scores.csv")
            weights = read_json(folder / "training.json")["weights"]
            row = {"model": model, "seed": seed, "weights": weights["file"] or weights["kind"]}
            row |= metrics.details(table.merge(patients), profile.threshold)
            write_json(folder / "metrics.json", row)
            tables[model, seed] = table.merge(patients)
            rows.append(row)
    with replacing(profile.folder / "metrics.csv") as partial:
        pd.DataFrame(rows, columns=list(metrics.COLUMNS)).to_csv(partial, index=False)
    return tables


def metrics_table(path: Path) -> pd.DataFrame:
    """`metrics.csv` for a reader: one column a quantity, with its interval."""
    table = pd.read_csv(path, dtype={"seed": "Int64"})
    shown = table[["model", "seed", "weights"]].copy()

    def with_interval(name):
        columns = table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)
        return [
            f"{value:.3f} ({low:.3f} to {high:.3f})" if pd.notna(value) else ""
            for value, low, high in columns
        ]

    shown["ROC AUC"] = with_interval("auc")
    shown["threshold"] = table.threshold.map("{:.3g}".format, na_action="ignore")
    shown["sensitivity"] = with_interval("sensitivity")
    shown["specificity"] = with_interval("specificity")
    shown["average precision"] = table.average_precision.map("{:.3f}".format, na_action="ignore")
    at_98 = table.specificity_at_98_sensitivity
    shown["specificity at 98% sensitivity"] = at_98.map("{:.3f}".format, na_action="ignore")
    return shown.astype(object).where(shown.notna(), "")


def provenance(profile: Profile) -> dict:
    """All that a run's numbers depend on. Folders are given by name, not by place."""
    table = manifest.read(profile.folder / "manifest.csv")
    settings = profile.settings()
    settings |= {key: Path(settings[key]).name for key in PATHS if settings[key]}
    trainings = [
        read_json(profile.model_folder(model, seed) / "training.json")
        for model in profile.models
        for seed in profile.seeds
    ]
    timings = sorted((profile.folder / "benchmarks").glob("*.tsv"))
    return {
        "notice": NOTICE,
        "profile": settings,
        "data": {
            "images": len(table),
            "fingerprint": digest(sorted(table.sha1)),
            "by_split": manifest.counts(table).to_dict("index"),
        },
        "trainings": [{k: v for k, v in t.items() if k != "made_from"} for t in trainings],
        "environment": environment(),
        "wall_seconds": {p.stem: float(pd.read_csv(p, sep="\t").s[0]) for p in timings},
    }


def refresh(name: str = "*") -> None:
    """Execute notebooks in place, as they are committed: `demo` outputs, no progress bars."""
    for path in sorted((ROOT / "notebooks").glob(f"{name}.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        where = {"metadata": {"path": ROOT}}
        NotebookClient(notebook, timeout=None, record_timing=False, resources=where).execute()
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = [output for output in cell.outputs if not is_progress(output)]
        notebook.metadata.pop("widgets", None)
        notebook.metadata.language_info = {"name": "python"}
        write_text(path, nbformat.writes(notebook) + "\n")


def is_progress(output) -> bool:
    return output.get("name") == "stderr" or any(
        "widget" in kind for kind in output.get("data", {})
    )


def publish(profile: Profile) -> Path:
    """Copy a finished run's tables and plots to `results/<profile>/`; return that folder.

    Scores are published for the validation and test images, by file name. Radiographs, pictures
    that show one, and weights are never copied.
    """
    source, target = profile.folder, RESULTS / profile.name
    if not (source / "run.json").is_file():
        raise UserError(f"There is no finished run in {source}: ./run_all.sh {profile.name}")
    files = [path for pattern in PUBLISHED for path in sorted(source.glob(pattern))]
    for path in files:
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    for path in sorted(source.glob("*/seed*/scores.csv")):
        table = pd.read_csv(path)
        copy = target / path.relative_to(source)
        table[table.split != "train"].to_csv(copy, index=False, lineterminator="\n")
    write_rows(profile, pd.read_csv(source / "metrics.csv"), target / "metrics.csv")
    return target


def write_rows(profile: Profile, table: pd.DataFrame, path: Path) -> None:
    """Write `metrics.csv` with a row for each model that the profile means but this run lacks."""
    lacking = [model for model in load(profile.name).models if model not in set(table.model)]
    rows = pd.DataFrame({"model": lacking, "weights": "not run: weights not at hand"})
    whole = dict.fromkeys(("seed", "tp", "fn", "fp", "tn"), "Int64")  # else gaps make them 0.0
    table = pd.concat([table.astype(whole), rows]) if lacking else table
    with replacing(path) as partial:
        table.to_csv(partial, index=False)


def scores_of(folder: Path) -> dict[tuple[str, int], pd.DataFrame]:
    """All scores in a run's or a published folder, by (model, seed)."""
    return tables_of(folder, "scores.csv")


def tables_of(folder: Path, name: str) -> dict[tuple[str, int], pd.DataFrame]:
    """The tables called `name` of all models in a folder, by (model, seed)."""
    paths = sorted(folder.glob(f"*/seed*/{name}"))
    return {(p.parts[-3], int(p.parts[-2].removeprefix("seed"))): pd.read_csv(p) for p in paths}


def summaries(folder: Path) -> list[dict]:
    """The contents of all `metrics.json` of a run's or a published folder."""
    return [read_json(path) for path in sorted(folder.glob("*/seed*/metrics.json"))]


def intervals(folder: Path) -> pd.DataFrame:
    """95% intervals of each model that count images, beside those that resample patients."""
    rows = {}
    for row in summaries(folder):
        for name in ("auc", "sensitivity", "specificity"):
            rows[row["model"], row["seed"], name] = {
                "value": row[name],
                "by image": f"{row[f'{name}_low']:.3f} to {row[f'{name}_high']:.3f}",
                "by patient": "{:.3f} to {:.3f}".format(*row["by_patient"][name]),
            }
    return pd.DataFrame(rows).T.rename_axis(["model", "seed", "quantity"])


def across_seeds(folder: Path) -> pd.DataFrame:
    """Mean and range over the seeds of each model's main numbers, from `metrics.csv`."""
    names = [
        "auc",
        "average_precision",
        "sensitivity",
        "specificity",
        "specificity_at_98_sensitivity",
    ]
    table = pd.read_csv(folder / "metrics.csv").dropna(subset="auc")
    return table.groupby("model", sort=False)[names].agg(["mean", "min", "max"])
