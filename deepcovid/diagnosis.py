"""Why the earlier attempt called every test image Non-COVID: arithmetic, learning rates, ablation.

The ablation trains heads on features that are computed once. Each cell of the factorial is one
training and leaves one file, `cells/<digest of its settings>.json` in the run's folder: what is
there is not trained again, and several processes may share the cells between them.
"""

import argparse
import fcntl
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from deepcovid import augmentation, features, manifest, metrics, models, profiles, runs, training
from deepcovid.profiles import Profile

# the release, and what of it the earlier attempt had: images by split, then class
RELEASE = {
    "test": (3000, 100),
    "training, originals": (2000, 84),
    "training, augmented": (2000, 420),
}
REPORTED = {"accuracy": 0.9677, "auc": 0.715}  # of the earlier attempt, by its author
VIEWS = 3  # random crops per image, made once and cycled over the epochs

# what each factor of the ablation means in a profile's settings; the failure's level comes first
LEVELS = {
    "optimiser": {
        "SGD, steps": {"optimizer": "sgd", "momentum": 0.9, "schedule": "step_first"},
        "SGD, constant": {"optimizer": "sgd", "momentum": 0.9, "schedule": "constant"},
        "Adam": {"optimizer": "adam", "momentum": 0.0, "schedule": "constant"},
    },
    "positives": {"originals": {}, "augmented": {}},
    "classes": {
        "unweighted": {"class_weights": "none"},
        "balanced": {"class_weights": "balanced"},
    },
    "crop": {"random": {"train_crop": "random"}, "none": {"train_crop": "none"}},
    "batch_norm": {"train": {"batch_norm": "train"}, "eval": {"batch_norm": "eval"}},
    "weights": {"pretrained": {}, "random": {}},
}
FACTORS = ("optimiser", "positives", "classes", "crop")
EPOCHS = (1, 2, 4, 7, 14, 24, 50, 100, 150)  # after which a training is looked at
FAILED = {
    "weights": "pretrained",
    "optimiser": "SGD, steps",
    "positives": "originals",
    "classes": "unweighted",
    "crop": "random",
    "batch_norm": "eval",
    "epochs": 24,
}
CELL = ("backbone", *FAILED, "seed")
MEASURES = (
    "auc",
    "sensitivity",
    "specificity",
    "sensitivity_at_0.2",
    "specificity_at_0.2",
    "accuracy",
    "balanced_accuracy",
    "mean_score_covid",
    "mean_score_non",
    "tp",
    "fn",
    "fp",
    "tn",
)


# arithmetic


def null_accuracies(counts: dict[str, tuple[int, int]] = RELEASE) -> pd.DataFrame:
    """Accuracy of answering Non-COVID to every image, by set; `counts` are (Non-COVID, COVID-19)."""
    table = pd.DataFrame(counts, index=["Non-COVID", "COVID-19"]).T
    return table.assign(accuracy=table["Non-COVID"] / table.sum(axis=1))


def class_counts(table: pd.DataFrame, training_table: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """(Non-COVID, COVID-19) images of each set of a run, as `null_accuracies` takes them."""
    base = manifest.originals(table)
    sets = {split: base[base.split == split] for split in ("test", "validation")}
    sets["training, originals"] = manifest.originals(training_table)
    sets["training, augmented"] = training_table
    return {
        name: (int((part.label == 0).sum()), int((part.label == 1).sum()))
        for name, part in sets.items()
        if len(part)
    }


def verdict(label, score) -> dict[str, float]:
    """What each measure says of the same scores; cut at 0.5, and where it says so at 0.2."""
    label, score = metrics.checked(label, score)
    half, fifth = (metrics.confusion(label, score, cut) for cut in (0.5, 0.2))
    positives, negatives = half["tp"] + half["fn"], half["fp"] + half["tn"]
    sensitivity, specificity = half["tp"] / positives, half["tn"] / negatives
    return {
        "auc": metrics.auc(label, score),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "sensitivity_at_0.2": fifth["tp"] / positives,
        "specificity_at_0.2": fifth["tn"] / negatives,
        "accuracy": (half["tp"] + half["tn"]) / len(label),
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "mean_score_covid": float(score[label == 1].mean()),
        "mean_score_non": float(score[label == 0].mean()),
        **half,
    }


def rate_budget(profile: Profile) -> pd.DataFrame:
    """Learning rate of each epoch, and the sum so far, in units of the profile's rate."""
    rate = training.learning_rates(profile) / profile.learning_rate
    epoch = np.arange(1, profile.epochs + 1)
    return pd.DataFrame({"epoch": epoch, "rate": rate, "sum": rate.cumsum()})


def rate_budgets(profile: Profile) -> pd.DataFrame:
    """The sums of all rates under each schedule, and what epochs 22 onwards add to them."""
    rows = {}
    for schedule in ("step", "step_first", "constant"):
        budget = rate_budget(replace(profile, schedule=schedule))
        total = budget["sum"].iloc[-1]
        late = budget.rate[budget.epoch >= 22].sum()
        rows[schedule] = {
            "epochs": profile.epochs,
            "sum of rates": total,
            "of it from epoch 22": late,
            "share": late / total,
        }
    return pd.DataFrame(rows).T.astype({"epochs": int})


# ablation: the cells


def factorial(levels: dict[str, tuple], seeds, **fixed) -> list[dict]:
    """All combinations of `levels` and seeds as cells; the rest as in the failed attempt.

    Seeds vary slowest, so that a stopped ablation holds whole replicates.
    """
    found = []
    for seed, *values in product(seeds, *levels.values()):
        cell = FAILED | fixed | dict(zip(levels, values, strict=True)) | {"seed": seed}
        found.append({key: cell[key] for key in CELL})
    return found


def plan(backbones=("squeezenet", "resnet50"), seeds=(0, 1, 2)) -> list[dict]:
    """The cells of the committed ablation, the important ones first.

    ResNet-50, whose head is cheap to train: optimiser x positives x class weights x crop, the same
    on a random backbone without crops, the schedule alone, 150 epochs, and batch norm in train
    mode. SqueezeNet: one change of the failed recipe at a time, then the factorial. Both: the failed
    recipe's first epoch for ten seeds.
    """
    both = ("SGD, steps", "Adam")
    two = {name: tuple(LEVELS[name]) for name in ("positives", "classes")}
    three = {"optimiser": tuple(LEVELS["optimiser"])}
    crops = {"crop": ("none", "random")}
    found = []
    if "resnet50" in backbones:
        whole = {"backbone": "resnet50", "crop": "none"}
        found += factorial(three | two | {"weights": tuple(LEVELS["weights"])}, seeds, **whole)
        found += factorial(three, seeds, **whole, epochs=150)
        found += factorial({"optimiser": both}, seeds, **whole, batch_norm="train")
        found += factorial({"optimiser": both, **two}, seeds, backbone="resnet50")
        found += factorial({"optimiser": ("SGD, constant",)}, seeds, backbone="resnet50")
        found += factorial({}, range(10), backbone="resnet50", epochs=1)
    if "squeezenet" in backbones:
        found += factorial({}, range(10), backbone="squeezenet", epochs=1)
        full = factorial({**three, **two, **crops}, seeds, backbone="squeezenet")
        found += sorted(full, key=lambda cell: sum(cell[k] != FAILED[k] for k in FACTORS) > 1)
    return found


def recipe(run: Profile, cell: dict) -> Profile:
    """The profile that trains a cell: the run's, with the settings that the cell's levels mean."""
    settings = {}
    for factor, levels in LEVELS.items():
        settings |= levels[cell[factor]]
    return replace(run, **settings, epochs=cell["epochs"], trainable="head", selection="last")


# ablation: the inputs


@dataclass
class Pool(training.Inputs):
    """Cached features of some of the images, in one or more views that epochs go through in turn."""

    rows: torch.Tensor | None = None
    views: list[torch.Tensor] = field(default_factory=list)

    def batches(self, groups, epoch=0):
        view, device = self.views[epoch % len(self.views)], self.label.device
        return (view[self.rows[group]].to(device) for group in groups)


class Bench:
    """The images of a run as one backbone sees them, computed once for all cells.

    `run.folder` holds `manifest.csv`, and `training.csv` with the augmented positives. A random
    backbone is that of seed 0 in all cells; only heads, order and dropout differ by seed.
    """

    def __init__(self, run: Profile, backbone: str, weights: str, views: int = VIEWS):
        self.run, self.name, self.count = run, backbone, views
        self.weights = run.weights if weights == "pretrained" else "random"
        model, origin = models.build(backbone, self.weights, 0)
        self.device = models.device_of(run.device)
        self.backbone = features.to_device(model.backbone, self.device)
        self.origin = origin.label()
        self.inventory = training.inventory_of(run)
        self.paths = [augmentation.locate(run, image) for image in self.inventory.image]
        self.position = {image: i for i, image in enumerate(self.inventory.image)}
        self.train = training.training_table(run)
        table = manifest.originals(manifest.read(run.folder / "manifest.csv"))
        self.test = table[table.split == "test"]
        self.identity = {
            "backbone": models.state_digest(model.backbone),
            "train": runs.digest([list(self.train.sha1), list(self.train.label)]),
            "test": runs.digest([list(self.test.sha1), list(self.test.label)]),
            "size": run.image_size,
            "batch_size": run.batch_size,
            "learning_rate": run.learning_rate,
        }
        self.cache = {}

    def digest(self, cell: dict) -> str:
        """Stands for all that a cell's outcome depends on: settings, images, first weights."""
        meant = {factor: levels[cell[factor]] for factor, levels in LEVELS.items()}
        views = self.count if cell["crop"] == "random" else 1
        return runs.digest([cell, meant, self.identity, views])

    def inputs(self, cell: dict) -> dict[str, training.Inputs]:
        """The training and test inputs of a cell."""
        positives, crop, norm = cell["positives"], cell["crop"], cell["batch_norm"]
        if not models.has_batch_norm(self.backbone):
            norm = "eval"  # SqueezeNet has none: the setting changes nothing
        kept = (crop, norm) if norm == "eval" else (crop, norm, positives)
        if kept not in self.cache:
            self.cache[kept] = self.views(crop, norm, positives)
        views, backbone = self.cache[kept]
        if ("test", kept[1:]) not in self.cache:
            self.cache["test", kept[1:]] = self.extract(self.test, backbone)
        test = self.cache["test", kept[1:]]
        rows = np.arange(len(self.train))
        if positives == "originals":
            rows = rows[(self.train.augmented_from == "").to_numpy()]
        label = torch.tensor(self.train.label.to_numpy()[rows], device=self.device)
        return {
            "train": Pool(label, cached=views[0], rows=torch.tensor(rows), views=views),
            "test": training.Inputs(
                torch.tensor(self.test.label.to_numpy(), device=self.device), cached=test
            ),
        }

    def extract(self, table: pd.DataFrame, backbone) -> torch.Tensor:
        rows = [self.position[image] for image in table.image]
        found = features.extract(
            backbone,
            self.paths,
            list(self.inventory.sha1),
            rows,
            self.run.image_size,
            self.device,
            self.run.workers,
        )
        return torch.from_numpy(found)

    def views(self, crop: str, norm: str, positives: str):
        """Views of the training images, and the backbone as the making of them leaves it."""
        if crop == "none" and norm == "eval":
            return [self.extract(self.train, self.backbone)], self.backbone
        paths = [augmentation.locate(self.run, image) for image in self.train.image]
        files = features.ImageSet(paths, self.run.image_size, crop, seed=0)
        backbone = models.build(self.name, self.weights, 0)[0].backbone
        backbone = features.to_device(backbone, self.device)
        rows = np.arange(len(paths))
        if norm == "train" and positives == "originals":
            rows = rows[(self.train.augmented_from == "").to_numpy()]
        made = []
        for view in range(self.count if crop == "random" else 1):
            key = [self.identity, crop, norm, positives if norm == "train" else "", view]
            path = runs.RUNS / "features" / "views" / f"{runs.digest(key)}.npy"
            with alone(path):
                if not path.exists():
                    see(backbone, files, rows, view, self.run.batch_size, norm, path, self.device)
                elif norm == "train":
                    backbone.load_state_dict(models.load_state(path.with_suffix(".pt")))
            made.append(torch.from_numpy(np.load(path, mmap_mode="c")))
        return made, backbone.eval()


@torch.inference_mode()
def see(backbone, files, rows, view: int, batch_size: int, norm: str, path: Path, device) -> None:
    """Write what `backbone` gives for one view of the images, in batches as training draws them.

    With batch norm in train mode each image is normalised with its batch, and the running
    statistics drift; the drifted backbone is kept beside the features.
    """
    backbone.train(norm == "train")
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(view))
    groups = [rows[group] for group in order.split(batch_size if norm == "train" else 64)]
    with runs.replacing(path) as partial:
        target = None
        for group, batch in zip(groups, files.batches(groups, device, epoch=view), strict=True):
            values = backbone(batch).float().cpu().numpy()
            if target is None:
                shape = (len(files), *values.shape[1:])
                target = np.lib.format.open_memmap(partial, "w+", np.float32, shape)
            target[group] = values
        target.flush()
        if norm == "train":
            training.save_tensors(path.with_suffix(".pt"), backbone.state_dict())


@contextmanager
def alone(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold what `path` stands for against other processes; ends with the process, even a killed one.

    Gives False, without waiting, where another holds it and `wait` is off.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


# ablation: training and bookkeeping


def followed(profile: Profile, model, inputs: dict, seed: int) -> np.ndarray:
    """Train a head; give the test scores after each epoch, (epochs, images)."""
    kept = []

    def keep(head, _, logits):
        if not head.training:
            kept.append(logits.detach().float().softmax(1)[:, 1].cpu())

    hook = model.head.register_forward_hook(keep)
    try:
        training.fit(profile, model, inputs, seed)
    finally:
        hook.remove()
    return torch.cat(kept).reshape(profile.epochs, -1).numpy()


def outcomes(label, scores: np.ndarray) -> list[dict]:
    """What a training came to after the epochs of `EPOCHS`, by its last and its best epoch.

    Best is the first epoch of highest accuracy at 0.5 on test, as the released script selects.
    """
    label = np.asarray(label)
    accuracy = ((scores >= 0.5) == label).mean(axis=1)
    rows = []
    for epochs in sorted({e for e in EPOCHS if e <= len(scores)} | {len(scores)}):
        chosen = {"last": epochs - 1, "test_accuracy": int(accuracy[:epochs].argmax())}
        for selection, epoch in chosen.items():
            row = {"after": epochs, "selection": selection, "epoch": epoch + 1}
            rows.append(row | verdict(label, scores[epoch]))
    return rows


def train_cell(bench: Bench, cell: dict) -> dict:
    """Train one cell and give what its file holds."""
    model, _ = models.build(bench.name, bench.weights, cell["seed"])
    model.backbone = bench.backbone
    features.to_device(model, bench.device)
    inputs = bench.inputs(cell)
    scores = followed(recipe(bench.run, cell), model, inputs, cell["seed"])
    label = inputs["test"].label.cpu().numpy()
    return {
        "cell": cell,
        "weights": bench.origin,
        "views": bench.count if cell["crop"] == "random" else 1,
        "rows": outcomes(label, scores),
        "label": label.tolist(),
        "score": [round(float(value), 5) for value in scores[-1]],
    }


def run_cells(folder: Path, cells: list[dict], digest, train) -> list[Path]:
    """Train the cells that have no file in `folder` yet; give the files of those there are now.

    `digest(cell)` names a cell's file, `train(cell)` gives what is written to it. A cell that
    another process is training is left to it.
    """
    found = []
    for cell in cells:
        path = folder / f"{digest(cell)}.json"
        with alone(path, wait=False) as mine:
            if mine and not path.exists():
                runs.write_json(path, train(cell))
        if path.exists():
            found.append(path)
    return found


def ablate(run: Profile, cells: list[dict], views: int = VIEWS) -> list[Path]:
    """Train cells on the images of a run, `cells/<digest>.json` each; give those files."""
    groups = {}
    for cell in cells:
        groups.setdefault((cell["backbone"], cell["weights"]), []).append(cell)
    found = []
    for (backbone, weights), group in groups.items():
        bench = Bench(run, backbone, weights, views)
        found += run_cells(
            run.folder / "cells", group, bench.digest, lambda cell, b=bench: train_cell(b, cell)
        )
    return found


def story(run: Profile) -> dict[str, dict]:
    """Cells that tell the failure and its mending on a run's own images, by what they are called.

    They use the run's first model whose head is cheap. Without augmented positives in the run, the
    cells that need them are left out.
    """
    backbone = next((m for m in run.models if m != "squeezenet"), run.models[0])
    base = FAILED | {"backbone": backbone, "seed": run.seeds[0]}
    changes = {
        "failed recipe": {},
        "augmented positives": {"positives": "augmented"},
        "class weights": {"classes": "balanced"},
        "whole images": {"crop": "none"},
        "constant rate": {"optimiser": "SGD, constant"},
        "Adam": {"optimiser": "Adam"},
        "paper's recipe": {"optimiser": "Adam", "positives": "augmented", "crop": "none"},
    }
    if (training.training_table(run).augmented_from == "").all():
        changes = {k: v for k, v in changes.items() if v.get("positives") != "augmented"}
        changes["Adam, whole images"] = {"optimiser": "Adam", "crop": "none"}
    return {name: {key: (base | change)[key] for key in CELL} for name, change in changes.items()}


def told(run: Profile, cells: dict[str, dict], views: int = 2) -> dict[str, pd.DataFrame]:
    """Test labels and last-epoch scores of named cells, trained first where they are not yet."""
    made = [runs.read_json(path) for path in ablate(run, list(cells.values()), views)]
    tables = {
        runs.digest(data["cell"]): pd.DataFrame({k: data[k] for k in ("label", "score")})
        for data in made
    }
    return {name: tables[runs.digest(cell)] for name, cell in cells.items()}


def verdicts(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """What each measure says of each table of labels and scores."""
    rows = {name: verdict(table.label, table.score) for name, table in tables.items()}
    found = pd.DataFrame(rows).T
    return found.astype(dict.fromkeys(("tp", "fn", "fp", "tn"), int))


def collect(folder: Path) -> pd.DataFrame:
    """The files of all cells in a folder as one table, in an order that does not depend on them."""
    rows = []
    for path in sorted(folder.glob("*.json")):
        found = runs.read_json(path)
        cell = found["cell"] | {"digest": path.stem, "file": found["weights"]}
        rows += [cell | {"views": found["views"]} | row for row in found["rows"]]
    if not rows:
        raise runs.UserError(f"There is no finished cell of an ablation in {folder}.")
    order = [*CELL, "after", "selection"]
    table = pd.DataFrame(rows).sort_values(order, ignore_index=True)
    if table.duplicated(order).any():
        twice = ", ".join(table.digest[table.duplicated(order, keep=False)].unique())
        raise runs.UserError(
            f"{folder} holds the same cell with other images, weights or rates: remove all but "
            f"one of {twice}."
        )
    return table[[*CELL, "after", "selection", "epoch", *MEASURES, "views", "file", "digest"]]


def write(table: pd.DataFrame, path: Path) -> Path:
    with runs.replacing(path) as partial:
        table.to_csv(partial, index=False, float_format="%.6g", lineterminator="\n")
    return path


# ablation: what it says


def at(table: pd.DataFrame, **fixed) -> pd.DataFrame:
    """The rows of an ablation with the given entries."""
    for name, value in fixed.items():
        table = table[table[name] == value]
    return table


def effects(table: pd.DataFrame, factors=FACTORS, outcome: str = "sensitivity") -> pd.DataFrame:
    """Main effects and two-way interactions of two-level factors on an outcome, largest first.

    `effect`: for a factor, the mean outcome at its second level less that at its first (levels as
    in `LEVELS`), whatever the others; for a pair, half of how much the one's effect changes with
    the other. 95% intervals by least squares, the residual being the spread over seeds and what
    higher interactions leave. `share` of the outcome's variance, which adds up over a balanced
    table (what is missing to 1 is the residual).
    """
    factors = [f for f in factors if table[f].nunique() > 1]
    coded = pd.DataFrame({"outcome": table[outcome].to_numpy(dtype=float)})
    change = {}
    for factor in factors:
        known = LEVELS.get(factor, {})
        levels = [v for v in known if v in set(table[factor])] or sorted(table[factor].unique())
        if len(levels) != 2 or set(table[factor]) - set(levels):
            raise runs.UserError(f"Effects need two levels; {factor} has {', '.join(levels)}.")
        coded[factor] = np.where(table[factor] == levels[1], 1.0, -1.0)
        change[factor] = f"{levels[0]} -> {levels[1]}"
    fit = ols(f"outcome ~ ({' + '.join(factors)}) ** 2", coded).fit()
    squares = anova_lm(fit).sum_sq
    total = squares.sum()
    interval = fit.conf_int()
    rows = []
    for term in fit.params.index.drop("Intercept"):
        names = term.split(":")
        rows.append(
            {
                "term": " x ".join(names),
                "change": change[term] if len(names) == 1 else "",
                "effect": 2 * fit.params[term],
                "low": 2 * interval.loc[term, 0],
                "high": 2 * interval.loc[term, 1],
                "p": fit.pvalues[term],
                "share": squares[term] / total if total else 0.0,
            }
        )
    found = pd.DataFrame(rows).set_index("term")
    return found.loc[found.effect.abs().sort_values(ascending=False, kind="stable").index]


def replicates(table: pd.DataFrame, by, outcomes=("sensitivity", "auc")) -> pd.DataFrame:
    """Mean, lowest and highest of outcomes over the seeds of each cell, in the order of `LEVELS`."""
    groups = table.groupby(list(by))
    found = groups[list(outcomes)].agg(["mean", "min", "max"])
    found["trainings", ""] = groups.size()
    levels = {name: {v: i for i, v in enumerate(LEVELS.get(name, {}))} for name in by}
    return found.sort_index(
        key=lambda index: index.map(levels[index.name]) if levels[index.name] else index
    )


def mendings(table: pd.DataFrame, fixed: dict) -> pd.DataFrame:
    """The failed recipe and each change of one setting in it, by what they come to.

    `fixed` says which rows to compare (backbone, `after`, selection) and the settings of the
    failed recipe that differ from `FAILED`. Means over trainings; `least` and `most` sensitivity.
    """
    part = at(table, **{k: v for k, v in fixed.items() if k in table and k not in LEVELS})
    base = {k: v for k, v in (FAILED | fixed).items() if k in LEVELS}
    rows = []
    for factor, levels in LEVELS.items():
        for level in levels:
            cells = at(part, **(base | {factor: level}))
            changed = level != base[factor]
            if cells.empty or (not changed and rows):
                continue
            name = f"{factor}: {level}" if changed else "the failed recipe"
            span = {"least": cells.sensitivity.min(), "most": cells.sensitivity.max()}
            means = cells[list(MEASURES)].mean()
            rows.append({"change": name, "trainings": len(cells), **means, **span})
    return pd.DataFrame(rows).set_index("change")


def whole_replicates(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of those seeds for which as many cells are there as for any: a balanced table."""
    cells = table.groupby("seed").seed.transform("size")
    return table[cells == cells.max()]


def searched(search: pd.DataFrame, first: pd.DataFrame, real: pd.DataFrame) -> pd.DataFrame:
    """Candidates for the reported AUC, a row each: mean over seeds, lowest and highest.

    `search` is of `auc_search` (empty where it was not run), `first` the ablation's one-epoch rows,
    `real` the `metrics.csv` of real runs whose epoch was selected by accuracy on test.
    """
    real = real.dropna(subset="auc")
    tables = [
        (f"epoch selected by accuracy, seed {int(seed)} ({name})", part)
        for (name, seed), part in real.groupby(["model", "seed"], sort=False)
    ]
    tables += [(f"first epoch, crops ({name})", part) for name, part in first.groupby("backbone")]
    if len(search):
        groups = search.groupby(["candidate", "backbone"], sort=False)
        tables += [(f"{candidate} ({name})", part) for (candidate, name), part in groups]
    rows = {}
    for name, part in tables:
        spread = (part.auc.mean(), part.auc.min(), part.auc.max())
        rows[name] = (*spread, part.sensitivity.max(), part.specificity.min())
    columns = ["auc", "low", "high", "sensitivity", "specificity"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def answer(verdicts, effects, both, first, histories, null: float) -> str:
    """The study's first finding in Markdown, its numbers from the tables of notebook 06.

    `histories` are the epochs on test of real runs by name; accuracy selects the first highest.
    """
    chosen = {name: table.loc[table.accuracy.idxmax()] for name, table in histories.items()}
    kept = "; ".join(f"{k} epoch {row.epoch:.0f}, AUC {row.auc:.3f}" for k, row in chosen.items())
    told = ""
    for model, table in effects.items():
        told += f"\n\n*{model}*: " + "; ".join(
            f"{factor} ({row.change}) {100 * row.effect:+.0f} points "
            f"({100 * row.low:.0f} to {100 * row.high:.0f}), {row['share']:.0%} of the variance"
            for factor, row in table[table.change != ""].iterrows()
        )
    mended = []
    for model, part in both.groupby(level=0, sort=False):
        part = part.droplevel(0)
        best = part.drop("the failed recipe").sensitivity.idxmax()
        mended.append(
            f"{model}: {part.sensitivity['the failed recipe']:.0%} -> {part.sensitivity[best]:.0%} "
            f"of COVID-19 images found by *{best}*"
        )
    ten = first.groupby("backbone").auc.agg(["mean", "min", "max"])
    spread = "; ".join(
        f"{k} {r['mean']:.3f} ({r['min']:.3f} to {r['max']:.3f})" for k, r in ten.iterrows()
    )
    near = int(((first.auc - REPORTED["auc"]).abs() <= 0.02).sum())
    demo = verdicts.iloc[[0, -1]]
    return (
        f"**{null:.2%}** is the accuracy of answering Non-COVID to every test image. "
        f"What makes the failure, by how many more COVID-19 images are found:{told}.\n\n"
        f"The AUC of about 0.7 is that of an early epoch. Accuracy on test selects, of the real runs: "
        f"{kept} (reported: {REPORTED['auc']}). Where every epoch answers Non-COVID, all tie and the "
        f"first is kept; one COVID-19 image found moves the choice to a later, better one. "
        f"The failed recipe's first epoch has {spread} over seeds, {near} of "
        f"{len(first)} within 0.02 of the reported AUC.\n\n"
        f"One change mends it: {'; '.join(mended)}. On this run's images: {demo.tp.iloc[0]} "
        f"COVID-19 images found by the failed recipe, {demo.tp.iloc[1]} by the mended one. "
        f"{runs.NOTICE}"
    )


def fresh_or_pooled(table: pd.DataFrame, folders: dict[str, Path]) -> pd.DataFrame:
    """Real runs, whose crops are fresh in every epoch, beside the cells with pooled crops.

    `folders` are the published runs of `failed` and `released`; those that are not there are left
    out. Both after 24 epochs by their own selection, test accuracy.
    """
    rows = {}
    for name, folder in folders.items():
        cell = FAILED | {"positives": "originals" if name == "failed" else "augmented"}
        for path in sorted(folder.glob("*/seed*/scores.csv")):
            scores = metrics.read_scores(path)
            test, backbone = scores[scores.split == "test"], path.parts[-3]
            pooled = at(table, **cell, backbone=backbone, after=24, selection="test_accuracy")
            shown = ["auc", "sensitivity", "specificity", "mean_score_covid", "mean_score_non"]
            fresh = verdict(test.label, test.score)
            rows[name, backbone, f"fresh, {path.parts[-2]}"] = {k: fresh[k] for k in shown}
            for row in pooled.to_dict("records"):
                key = name, backbone, f"{row['views']} views, seed{row['seed']}"
                rows[key] = {k: row[k] for k in shown}
    names = ["recipe", "model", "crops"]
    return pd.DataFrame(rows).T.rename_axis(names) if rows else pd.DataFrame(columns=names)


# the reported AUC

# how test images might have been read otherwise than training images: RGB pixels 0 to 1 to input
READINGS = {
    "colours in the order BGR": lambda x: normalise(x.flip(-3)),
    "not normalised": lambda x: x,
    "pixels 0 to 255, not normalised": lambda x: 255 * x,
    "pixels 0 to 255, then normalised": lambda x: normalise(255 * x),
    "negative (white lungs)": lambda x: normalise(1 - x),
    "central half of the image only": lambda x: normalise(zoom(middle(x), x.shape)),
    "a quarter of the resolution": lambda x: normalise(zoom(zoom(x, quarter(x)), x.shape)),
}
WRONG_THROUGHOUT = (
    "colours in the order BGR",
    "not normalised",
    "pixels 0 to 255, not normalised",
)


def normalise(x: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(v)[:, None, None] for v in (augmentation.MEAN, augmentation.STD))
    return (x - mean) / std


def quarter(x: torch.Tensor) -> tuple[int, int]:
    return x.shape[-2] // 4, x.shape[-1] // 4


def middle(x: torch.Tensor) -> torch.Tensor:
    height, width = quarter(x)
    return x[..., height:-height, width:-width]


def zoom(x: torch.Tensor, shape) -> torch.Tensor:
    size = tuple(shape[-2:])
    return torch.nn.functional.interpolate(x[None], size, mode="bilinear", antialias=True)[0]


def auc_search(
    run: Profile,
    backbone: str = "resnet50",
    untrained=("resnet18", "resnet50", "densenet121"),
    seeds=(0, 1, 2),
    negatives: int = 200,
) -> pd.DataFrame:
    """What the failed recipe's AUC becomes under each candidate cause of the reported one.

    Heads are trained by the failed recipe on whole images. Candidates that need new features use
    all COVID-19 test images and the first `negatives` Non-COVID ones in an order drawn once.
    """
    rows = []

    def note(candidate, name, seed, label, score):
        low, high = metrics.auc_interval(label, score)
        found = verdict(label, score)
        rows.append(
            {"candidate": candidate, "backbone": name, "seed": seed, "images": len(label)}
            | {"auc": found["auc"], "low": low, "high": high}
            | {k: found[k] for k in ("sensitivity", "specificity", "mean_score_covid")}
        )

    cell = FAILED | {"crop": "none"}
    for name in untrained:
        bench = Bench(run, name, "random")
        for seed in seeds:
            chosen = cell | {"weights": "random"}
            scores, label, _ = trained_head(bench, chosen, seed)
            note("random, untrained backbone", name, seed, label, scores[-1])
    bench = Bench(run, backbone, "pretrained")
    heads = {}
    for seed in seeds:
        scores, label, heads[seed] = trained_head(bench, cell, seed)
        note("the failed recipe", backbone, seed, label, scores[-1])
        note("class order exchanged on test", backbone, seed, label, 1 - scores[-1])
        for epoch in (1, 2):
            note(f"stopped after epoch {epoch}", backbone, seed, label, scores[epoch - 1])
        start = models.build(backbone, run.weights, seed)[0]
        start.backbone = bench.backbone
        score = training.predict(start, bench.inputs(cell)["test"]).softmax(1)[:, 1]
        note("head not trained at all", backbone, seed, label, score.cpu().numpy())
    random = np.random.default_rng(0)
    some = bench.test[bench.test.label == 1]
    others = bench.test[bench.test.label == 0]
    others = others.iloc[random.permutation(len(others))[:negatives]]
    subset = pd.concat([some, others])
    paths = [augmentation.locate(run, image) for image in subset.image]
    for candidate, change in READINGS.items():
        logits = read_otherwise(bench, heads, paths, change)
        for seed, score in logits.items():
            note(f"test images: {candidate}", backbone, seed, subset.label, score)
    for candidate in WRONG_THROUGHOUT:
        inputs = inputs_otherwise(bench, subset, READINGS[candidate])
        for seed in seeds:
            scores, label, _ = trained_head(bench, cell, seed, inputs)
            note(f"all images: {candidate}", backbone, seed, label, scores[-1])
    if run.external:
        folder = Path(run.external)
        far = {label: sorted((folder / c).iterdir()) for c, label in manifest.CLASSES.items()}
        far[0] = [far[0][i] for i in random.permutation(len(far[0]))[:negatives]]
        found = read_otherwise(bench, heads, far[1] + far[0], normalise)
        here = read_otherwise(bench, heads, paths[len(some) :], normalise)
        label = np.r_[np.ones(len(far[1])), np.zeros(len(far[0]))].astype(int)
        for seed, score in found.items():
            note("test set from elsewhere", backbone, seed, label, score)
            mixed = np.r_[score[label == 1], here[seed]]
            both = np.r_[np.ones(len(far[1])), np.zeros(len(here[seed]))].astype(int)
            note("COVID-19 from elsewhere, Non-COVID from here", backbone, seed, both, mixed)
    return pd.DataFrame(rows)


def trained_head(bench: Bench, cell: dict, seed: int, inputs: dict | None = None):
    """Test scores after each epoch, test labels, and the head, of one training."""
    model, _ = models.build(bench.name, bench.weights, seed)
    model.backbone = bench.backbone
    inputs = inputs or bench.inputs(cell)
    scores = followed(recipe(bench.run, cell), model, inputs, seed)
    return scores, inputs["test"].label.cpu().numpy(), model.head.eval()


@torch.no_grad()  # not inference_mode: heads are trained on what this gives
def seen_otherwise(bench: Bench, paths: list[Path], change) -> torch.Tensor:
    """Features of images read by `change`, which gets RGB pixels from 0 to 1."""
    files = features.ImageSet(paths, bench.run.image_size)
    *steps, _ = files.transform.transforms
    files.transform = augmentation.v2.Compose([*steps, change])
    groups = torch.arange(len(paths)).split(64)
    bench.backbone.eval()
    return torch.cat([bench.backbone(b).cpu() for b in files.batches(groups, bench.device)])


@torch.inference_mode()
def read_otherwise(bench: Bench, heads: dict, paths: list[Path], change) -> dict[int, np.ndarray]:
    """Scores of each head for images read by `change`."""
    seen = seen_otherwise(bench, paths, change).to(bench.device)
    return {seed: head(seen).softmax(1)[:, 1].cpu().numpy() for seed, head in heads.items()}


def inputs_otherwise(bench: Bench, test: pd.DataFrame, change) -> dict[str, training.Inputs]:
    """The training originals and the images of `test`, all of them read by `change`."""
    train = bench.train[bench.train.augmented_from == ""]
    made = []
    for table in (train, test):
        paths = [augmentation.locate(bench.run, image) for image in table.image]
        label = torch.tensor(table.label.to_numpy(), device=bench.device)
        made.append((label, seen_otherwise(bench, paths, change)))
    (label, seen), (test_label, test_seen) = made
    return {
        "train": Pool(label, cached=seen, rows=torch.arange(len(label)), views=[seen]),
        "test": training.Inputs(test_label, cached=test_seen),
    }


def main(arguments: list[str] | None = None) -> int:
    """Prepare the images, train a part of the cells, collect all, or search for the reported AUC."""
    parser = argparse.ArgumentParser(prog="python -m deepcovid.diagnosis", description=__doc__)
    parser.add_argument("step", choices=["prepare", "train", "collect", "search"])
    parser.add_argument("--profile", default="released")
    parser.add_argument("--overrides", default="{}", help="JSON")
    parser.add_argument("--part", default="1/1", help="k/n: the k-th of n parts of the cells")
    parser.add_argument("--out", type=Path, default=runs.RESULTS / "ablation.csv")
    args = parser.parse_args(arguments)
    try:
        run = profiles.load(args.profile, json.loads(args.overrides), Path.cwd())
        run = replace(run, name="ablation")  # a folder of its own
        if args.step == "collect":
            print(write(collect(run.folder / "cells"), args.out))
            return 0
        if not (run.folder / "manifest.csv").is_file():
            manifest.run(run)
        if not (run.folder / "training.csv").is_file():
            augmentation.run(run)
        if args.step == "prepare":
            return 0
        if args.step == "search":
            print(write(auc_search(run), args.out.with_name("auc_search.csv")))
            return 0
        part, parts = map(int, args.part.split("/"))
        cells = plan(tuple(m for m in ("squeezenet", "resnet50") if m in run.models), run.seeds)
        print(len(ablate(run, cells[part - 1 :: parts])), "cells are there")
    except runs.UserError as error:
        print(f"deepcovid: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
