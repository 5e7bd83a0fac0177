"""A run as pages in a browser, its provenance, and the part of it that may be published."""

import shutil
from pathlib import Path

import nbformat
import pandas as pd
from nbclient import NotebookClient

from deepcovid.data import manifest
from deepcovid.metrics import evaluation, published
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


def evaluate(profile: Profile) -> dict[tuple[str, int], pd.DataFrame]:
    """Write `metrics.json` of each model and seed, and `metrics.csv` of all; give the scores."""
    patients = manifest.read(profile.folder / "manifest.csv")[["image", "patient"]]
    tables, rows = {}, []
    for model in profile.models:
        for seed in profile.seeds:
            folder = profile.model_folder(model, seed)
            table = evaluation.read_scores(folder / "scores.csv")
            weights = read_json(folder / "training.json")["weights"]
            row = {"model": model, "seed": seed, "weights": weights["file"] or weights["kind"]}
            row |= published.details(table.merge(patients), profile.threshold)
            write_json(folder / "metrics.json", row)
            tables[model, seed] = table.merge(patients)
            rows.append(row)
    with replacing(profile.folder / "metrics.csv") as partial:
        pd.DataFrame(rows, columns=list(evaluation.COLUMNS)).to_csv(partial, index=False)
    return tables


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
