"""The published plots, drawn anew from the published tables beside them."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from deepcovid.data import figures as data_figures
from deepcovid.data import tables as data_tables
from deepcovid.failure import effects
from deepcovid.failure import figures as failure_figures
from deepcovid.fair_test import figures as fair_figures
from deepcovid.heatmaps import claim
from deepcovid.heatmaps import figures as heatmaps_figures
from deepcovid.metrics import figures as metrics_figures
from deepcovid.metrics.evaluation import scores_of
from deepcovid.metrics.published import compare
from deepcovid.plots import save
from deepcovid.runs import RESULTS, read_json
from deepcovid.shortcuts import figures as shortcuts_figures

OF_TABLE = {  # plots of the CSV file of the same name
    "subgroups": metrics_figures.subgroups,
    "mitigation": shortcuts_figures.mitigation,
    "swap": fair_figures.swapped,
    "findings": fair_figures.by_finding,
    "within": fair_figures.within,
    "severity": fair_figures.severity,
    "training_data": fair_figures.training_data,
}


def redraw(*folders: Path) -> list[Path]:
    """Draw all plots that the tables of folders allow into the `figures` of each; the paths."""
    paths = []
    for folder in folders:
        for name, figure in drawn(folder):
            paths.append(folder / "figures" / f"{name}.svg")
            save(figure, paths[-1])
    return paths


def folders() -> list[Path]:
    """Those of `results/` that hold plots: the study's, and each run's."""
    return [RESULTS, *sorted(path.parent for path in RESULTS.rglob("run.json"))]


def drawn(folder: Path) -> Iterator[tuple[str, Figure]]:
    """Names and plots of what lies in a folder of results."""
    files = {path.name: path for path in folder.glob("*.*")}
    for name, draw in OF_TABLE.items():
        if f"{name}.csv" in files:
            yield name, draw(pd.read_csv(files[f"{name}.csv"]))
    if "operating_points.csv" in files:
        of_paper = folder == RESULTS / "paper"  # whose claims the others do not test
        compared = compare(folder) if of_paper else None
        control = pd.read_csv(RESULTS / "control" / "metrics.csv") if of_paper else ()
        points = pd.read_csv(files["operating_points.csv"])
        yield "operating_points", metrics_figures.operating_points(points, compared, control)
    if "metrics.csv" in files:
        test = {key: table[table.split == "test"] for key, table in scores_of(folder).items()}
        yield "roc", metrics_figures.roc(test)
        yield "calibration", metrics_figures.calibration(test)
    audit = read_json(files["audit.json"]) if "audit.json" in files else None
    if audit:
        yield "near_duplicates", data_figures.near_duplicates(audit["near_duplicates"])
        yield "acquisition", data_figures.acquisition(data_tables.acquisition(audit))
        if audit["views"]["available"]:
            yield "views", data_figures.shares(audit["views"]["by_split_and_class"])
        if made := data_tables.released(audit):
            yield "released_copies", data_figures.released_copies(made)
    if "heatmaps.json" in files:
        found = read_json(files["heatmaps.json"])
        if len(numbers := claim.numbers(found)):
            yield "map_scores", heatmaps_figures.map_scores(numbers)
        yield "perturbation", heatmaps_figures.perturbation(found["curves"])
    if "shortcuts.csv" in files:
        external = pd.read_csv(files["external.csv"]) if "external.csv" in files else ()
        yield (
            "shortcuts",
            shortcuts_figures.how_little(pd.read_csv(files["shortcuts.csv"]), external),
        )
    if "external.json" in files:
        yield "collections", shortcuts_figures.collections(read_json(files["external.json"]))
    if "ablation.csv" in files:
        ablation = pd.read_csv(files["ablation.csv"])
        yield (
            "single_changes",
            failure_figures.single_changes(effects.single_changes(ablation, "resnet18")),
        )
        for backbone, part in effects.factorials(ablation).items():
            yield f"ablation_{backbone}", failure_figures.factorial(part)
