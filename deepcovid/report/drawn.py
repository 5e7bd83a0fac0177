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
from deepcovid.heatmaps import figures as heatmaps_figures
from deepcovid.heatmaps import summary
from deepcovid.metrics import figures as metrics_figures
from deepcovid.metrics.evaluation import scores_of
from deepcovid.plots import save
from deepcovid.report import front
from deepcovid.runs import RESULTS, read_json
from deepcovid.shortcuts import figures as shortcuts_figures


def redraw(folder: Path) -> list[Path]:
    """Draw all plots that a folder's tables allow into its `figures`; the paths."""
    paths = []
    for name, figure in drawn(folder):
        paths.append(folder / "figures" / f"{name}.svg")
        save(figure, paths[-1])
    return paths


def redraw_all() -> list[Path]:
    """The same for all of `results/`."""
    return [path for folder in (RESULTS, *folders()) for path in redraw(folder)]


def folders() -> list[Path]:
    return sorted(path.parent for path in RESULTS.rglob("run.json"))


def drawn(folder: Path) -> Iterator[tuple[str, Figure]]:
    """Names and plots of what lies in a folder of results."""
    if folder == RESULTS:
        yield from front.drawn(folder)
    for file, draw in {
        "metrics.csv": of_scores,
        "audit.json": of_audit,
        "heatmaps.json": of_heatmaps,
        "shortcuts.csv": of_shortcuts,
        "external.json": of_external,
        "mending.csv": of_mending,
        "ablation.csv": of_ablation,
        "swap.csv": of_fair_test,
    }.items():
        if (folder / file).is_file():
            yield from draw(folder / file)


def of_scores(path: Path) -> Iterator[tuple[str, Figure]]:
    folder = path.parent
    test = {key: table[table.split == "test"] for key, table in scores_of(folder).items()}
    yield "roc", metrics_figures.roc(test)
    yield "calibration", metrics_figures.calibration(test)
    for name in ("operating_points", "subgroups"):
        if (folder / f"{name}.csv").is_file():
            yield name, getattr(metrics_figures, name)(pd.read_csv(folder / f"{name}.csv"))


def of_audit(path: Path) -> Iterator[tuple[str, Figure]]:
    found = read_json(path)
    yield "near_duplicates", data_figures.near_duplicates(found["near_duplicates"])
    yield "acquisition", data_figures.acquisition(data_tables.acquisition(found))
    if found["views"]["available"]:
        yield "views", data_figures.shares(found["views"]["by_split_and_class"])
    if found["released_augmentation"]["available"]:
        yield "released_copies", data_figures.released_copies(found["released_augmentation"])


def of_heatmaps(path: Path) -> Iterator[tuple[str, Figure]]:
    found = read_json(path)
    numbers = summary.numbers(found)
    if len(numbers):
        yield "map_scores", heatmaps_figures.map_scores(numbers)
    yield "perturbation", heatmaps_figures.perturbation(found["curves"])


def of_shortcuts(path: Path) -> Iterator[tuple[str, Figure]]:
    audit = path.with_name("audit.json")
    known = read_json(audit) if audit.is_file() else None
    yield "shortcuts", shortcuts_figures.how_little(pd.read_csv(path), known)


def of_external(path: Path) -> Iterator[tuple[str, Figure]]:
    yield "collections", shortcuts_figures.collections(read_json(path))


def of_mending(path: Path) -> Iterator[tuple[str, Figure]]:
    yield "mending", shortcuts_figures.mitigation(pd.read_csv(path))


def of_fair_test(path: Path) -> Iterator[tuple[str, Figure]]:
    draw = {"swap": fair_figures.swapped, "findings": fair_figures.by_finding,
            "within": fair_figures.within, "severity": fair_figures.severity,
            "right_data": fair_figures.right_data}  # fmt: skip
    for name, figure in draw.items():
        if (file := path.with_name(f"{name}.csv")).is_file():
            yield name, figure(pd.read_csv(file))


def of_ablation(path: Path) -> Iterator[tuple[str, Figure]]:
    """The factorial of each network, as in notebook 06."""
    for backbone, part in effects.factorials(pd.read_csv(path)).items():
        yield f"ablation_{backbone}", failure_figures.factorial(part)
