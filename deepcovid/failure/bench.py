"""A run's images as a frozen backbone sees them, computed once for all trainings of the ablation."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from filelock import FileLock

from deepcovid import runs
from deepcovid.failure.design import LEVELS
from deepcovid.models import features, networks, training
from deepcovid.models.opened import Run

VIEWS = 3  # random crops per image, made once and cycled over the epochs


@dataclass
class Pool(training.Inputs):
    """Cached features of some of the images, in one or more views that epochs go through in turn."""

    rows: torch.Tensor | None = None
    views: list[torch.Tensor] = field(default_factory=list)

    def batches(self, groups, epoch=0):
        view, device = self.views[epoch % len(self.views)], self.label.device
        return (view[self.rows[group]].to(device) for group in groups)


class Bench:
    """The images of an opened run as one backbone sees them.

    A random backbone is that of seed 0 in all cells; only heads, order and dropout differ by seed.
    """

    def __init__(self, run: Run, backbone: str, weights: str, views: int = VIEWS):
        self.run, self.name, self.count, self.device = run, backbone, views, run.device
        self.weights = run.profile.weights if weights == "pretrained" else "random"
        self.backbone, origin = self.fresh()
        self.origin = origin.label()
        self.position = {image: i for i, image in enumerate(run.inventory.image)}
        self.train, self.test = run.training, run.originals("test")
        self.identity = {
            "backbone": networks.state_digest(self.backbone),
            "train": runs.digest([list(self.train.sha1), list(self.train.label)]),
            "test": runs.digest([list(self.test.sha1), list(self.test.label)]),
            "size": run.profile.image_size,
            "batch_size": run.profile.batch_size,
            "learning_rate": run.profile.learning_rate,
        }
        self.cache = {}

    def fresh(self) -> tuple[torch.nn.Module, networks.Weights]:
        """The backbone before it has seen an image."""
        model, origin = networks.build(self.name, self.weights, 0)
        return features.to_device(model.backbone, self.device), origin

    def model(self, seed: int) -> networks.Classifier:
        """The backbone with a new head."""
        model, _ = networks.build(self.name, self.weights, seed)
        model.backbone = self.backbone
        return features.to_device(model, self.device)

    def digest(self, cell: dict) -> str:
        """Stands for all that a cell's outcome depends on: settings, images, first weights."""
        meant = {factor: levels[cell[factor]] for factor, levels in LEVELS.items()}
        views = self.count if cell["crop"] == "random" else 1
        return runs.digest([cell, meant, self.identity, views])

    def labels(self, table: pd.DataFrame) -> torch.Tensor:
        return torch.tensor(table.label.to_numpy(), device=self.device)

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
        label = self.labels(self.train.iloc[rows])
        return {
            "train": Pool(label, cached=views[0], rows=torch.tensor(rows), views=views),
            "test": training.Inputs(self.labels(self.test), cached=test),
        }

    def extract(self, table: pd.DataFrame, backbone) -> torch.Tensor:
        """Features of whole images, float32 (len(table), ...), batch norm in evaluation mode."""
        inventory, profile = self.run.inventory, self.run.profile
        found = features.extract(
            backbone,
            self.run.paths(inventory.image),
            list(inventory.sha1),
            [self.position[image] for image in table.image],
            profile.image_size,
            self.device,
            profile.workers,
        )
        return torch.from_numpy(found)

    def views(self, crop: str, norm: str, positives: str):
        """Views of the training images, and the backbone as the making of them leaves it."""
        if crop == "none" and norm == "eval":
            return [self.extract(self.train, self.backbone)], self.backbone
        profile = self.run.profile
        files = features.ImageSet(self.run.paths(self.train.image), profile.image_size, crop)
        backbone, _ = self.fresh()
        rows = np.arange(len(files))
        if norm == "train" and positives == "originals":
            rows = rows[(self.train.augmented_from == "").to_numpy()]
        made = []
        for view in range(self.count if crop == "random" else 1):
            key = [self.identity, crop, norm, positives if norm == "train" else "", view]
            path = runs.RUNS / "features" / "views" / f"{runs.digest(key)}.npy"
            with lock(path):
                if not path.exists():
                    see(backbone, files, rows, view, profile.batch_size, norm, path, self.device)
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


def lock(path: Path) -> FileLock:
    """Holds what `path` stands for against other processes; a killed one lets go of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name(f".{path.name}.lock"))
