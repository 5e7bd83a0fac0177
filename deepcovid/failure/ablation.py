"""Why the earlier attempt called every test image Non-COVID: arithmetic, learning rates, ablation.

The ablation trains heads on features that are computed once. Each cell of the factorial is one
training and leaves one file, `cells/<digest of its settings>.json` in the run's folder: what is
there is not trained again, and several processes may share the cells between them.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from deepcovid import runs
from deepcovid.data import augmentation, manifest
from deepcovid.failure.arithmetic import verdict
from deepcovid.models import features, networks, training
from deepcovid.profiles import Profile

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
        model, origin = networks.build(backbone, self.weights, 0)
        self.device = networks.device_of(run.device)
        self.backbone = features.to_device(model.backbone, self.device)
        self.origin = origin.label()
        self.inventory = training.inventory_of(run)
        self.paths = [augmentation.locate(run, image) for image in self.inventory.image]
        self.position = {image: i for i, image in enumerate(self.inventory.image)}
        self.train = training.training_table(run)
        table = manifest.originals(manifest.read(run.folder / "manifest.csv"))
        self.test = table[table.split == "test"]
        self.identity = {
            "backbone": networks.state_digest(model.backbone),
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
        if not networks.has_batch_norm(self.backbone):
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
        backbone = networks.build(self.name, self.weights, 0)[0].backbone
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
                    backbone.load_state_dict(networks.load_state(path.with_suffix(".pt")))
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
    model, _ = networks.build(bench.name, bench.weights, cell["seed"])
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
