"""A run's images as a frozen backbone sees them, computed once for all trainings of the ablation.

What a frozen backbone says does not depend on the head that is trained on it, so heads share it. With
batch norm in evaluation mode it says the same of a picture for ever. In train mode it normalises
each picture with its batch, and its running statistics drift: what it says then depends on the order
of the batches, which is the seed's. So one goes through the first epochs of a training as the
training would, batch by batch, and keeps what was seen: a training of so many epochs is exact, a
longer one goes through the kept epochs again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from deepcovid import io
from deepcovid.data import augmentation
from deepcovid.data.augmentation import to_input
from deepcovid.failure.design import LEVELS
from deepcovid.models import features, fitting, networks
from deepcovid.models.run import Run

VIEWS = 4  # epochs of random crops, or of a drifting backbone, that are kept
PART = 512  # whole images whose features are in memory at once


@dataclass
class CachedInputs(fitting.Inputs):
    """Cached features in one or more views, which epochs go through in turn.

    `rows` picks the images of each view (default: all); `leader` is the pool whose epoch counts for
    this one too.
    """

    rows: torch.Tensor | None = None
    views: list[Callable] = field(default_factory=list)  # each gives the features of rows
    leader: "CachedInputs | None" = None
    epoch: int = 0

    def batches(self, groups, epoch=0):
        self.epoch = self.leader.epoch if self.leader else epoch
        view, device = self.views[self.epoch % len(self.views)], self.label.device
        # slices of all images are no copies
        rows = groups if self.rows is None else (self.rows[group] for group in groups)
        return (view(group).to(device) for group in rows)


class FeatureCache:
    """The images of an opened run as one backbone sees them, without the run's preprocessing.

    A random backbone is that of seed 0 in all cells. Random crops are shared by all seeds where
    batch norm is in evaluation mode.
    """

    def __init__(self, run: Run, backbone: str, weights: str, views: int = VIEWS):
        profile = run.profile
        self.run, self.name, self.count, self.device = run, backbone, views, run.device
        self.half = profile.precision == "bfloat16"
        self.weights = profile.weights if weights == "pretrained" else "random"
        self.backbone, origin = self.fresh()
        self.origin = origin["file"] or origin["kind"]
        self.train, self.test = run.training, run.originals("test")
        self.images = io.digest([[list(t.sha1), list(t.label)] for t in (self.train, self.test)])
        self.identity = {
            "backbone": networks.state_digest(self.backbone), "images": self.images,
            "size": profile.image_size,
            "code": io.code_digest(augmentation, networks, features, fitting, __file__),
            "reading": [features.reading(profile.image_size), repr(to_input(1, "random"))],
            **{name: getattr(profile, name) for name in ("batch_size", "learning_rate", "precision")},
        }  # fmt: skip

    def fresh(self) -> tuple[torch.nn.Module, networks.Origin]:
        """The backbone before it has seen an image."""
        model, origin = networks.build(self.name, self.weights, 0)
        return features.to_device(model.backbone, self.device), origin

    def model(self, seed: int) -> networks.Classifier:
        """The backbone with a new head."""
        model, _ = networks.build(self.name, self.weights, seed)
        model.backbone = self.backbone
        return features.to_device(model, self.device)

    def drifts(self, cell: dict) -> bool:
        return cell["batch_norm"] == "train" and networks.has_batch_norm(self.backbone)

    def n_views(self, cell: dict) -> int:
        """The number of views that a cell's epochs go through."""
        same = cell["crop"] == "none" and not self.drifts(cell)
        return 1 if same else min(self.count, cell["epochs"])

    def digest(self, cell: dict) -> str:
        """Stands for all that a cell's outcome depends on: settings, images, first weights, code."""
        meant = {factor: levels[cell[factor]] for factor, levels in LEVELS.items()}
        names = "ablation.py", "design.py", "effects.py"  # of the last the verdict on an epoch
        files = (Path(__file__).with_name(name) for name in names)
        return io.digest([cell, meant, self.identity, self.n_views(cell), io.code_digest(*files)])

    def labels(self, table: pd.DataFrame) -> torch.Tensor:
        return torch.tensor(table.label.to_numpy(), device=self.device)

    def inputs(self, cell: dict) -> dict[str, CachedInputs]:
        """The training and test inputs of a cell."""
        chosen = np.ones(len(self.train), bool)
        if cell["positives"] == "originals":
            chosen = (self.train.augmented_from == "").to_numpy()
        table, rows = self.train[chosen], np.flatnonzero(chosen)
        if self.drifts(cell):
            epochs = self.epochs(cell, table)
            train, test = ([of[phase].__getitem__ for of in epochs] for phase in ("train", "test"))
            rows = np.arange(len(table))
        else:
            test = [self.tested.__getitem__]
            if cell["crop"] == "random":
                train = [self.crops(i) for i in range(self.n_views(cell))]
            else:
                train = [self.whole()]
        pool = CachedInputs(self.labels(table), train[0], rows=torch.from_numpy(rows), views=train)
        tested = CachedInputs(self.labels(self.test), test[0], views=test, leader=pool)
        return {"train": pool, "test": tested}

    @cached_property
    def tested(self) -> torch.Tensor:
        """Features of the test images."""
        return self.extract(self.test, self.backbone)

    def extract(self, table: pd.DataFrame, backbone, **options) -> torch.Tensor:
        """Features of whole images, float32 (len(table), ...), batch norm in evaluation mode."""
        return features.of_table(self.run, backbone, table, half=self.half, **options)

    def path(self, *key) -> Path:
        """Where what is seen of the images is kept; several runs may share it."""
        return self.run.profile.features / "views" / io.digest([self.identity, *key])

    def whole(self) -> Callable:
        """Features of the whole training images, read from a file by rows."""
        parts = (self.train[i : i + PART] for i in range(0, len(self.train), PART))
        return self.filed("whole", lambda: (self.extract(part, self.backbone) for part in parts))

    def crops(self, view: int) -> Callable:
        """Features of a random crop of each training image, read from a file by rows; other crops
        for each view."""

        def made() -> Iterator[torch.Tensor]:
            files = features.files_of(self.run, self.train, "random", 0)
            backbone = networks.fuse_batch_norm(self.backbone)
            groups = torch.arange(len(files)).split(features.BATCH)
            return self.forward(backbone, files.batches(groups, self.device, view))

        return self.filed("crops", made, view)

    def filed(self, name: str, make: Callable[[], Iterator[torch.Tensor]], *key) -> Callable:
        """Features of the training images by rows, from a file that is written as `make` gives them."""
        path = self.path(name, *key).with_suffix(".npy")
        with io.lock(path):
            if not path.exists():
                write_batches(path, make(), len(self.train))
        # mapped anew for each batch, so that no more than a batch of it is in memory
        return lambda rows: torch.from_numpy(np.load(path, mmap_mode="r")[rows.numpy()])

    @torch.inference_mode()
    def forward(self, backbone, stream) -> Iterator[torch.Tensor]:
        """Features of batches of images, float32, on the CPU."""
        for batch in stream:
            yield networks.forward_backbone(backbone, batch, self.half).float().cpu()

    def epochs(self, cell: dict, table: pd.DataFrame) -> list[dict]:
        """What a backbone with batch norm in train mode sees, in the first epochs of a training.

        `train`: features of the images of `table` as normalised with their batches; `test`: of the
        test images, by the running statistics at the end of the epoch; `statistics`: these.
        """
        seed, crop, size = cell["seed"], cell["crop"], self.run.profile.batch_size
        shuffle, found = torch.Generator().manual_seed(seed), []
        for epoch in range(self.n_views(cell)):
            groups = fitting.epoch_batches(len(table), size, shuffle, drifts=True)
            path = self.path("drifting", crop, cell["positives"], seed, epoch).with_suffix(".pt")
            with io.lock(path):
                if not path.exists():
                    before = found[-1]["statistics"] if found else {}
                    files = features.files_of(self.run, table, crop, seed)
                    fitting.save_tensors(path, self.epoch(files, groups, epoch, before))
            found.append(torch.load(path, weights_only=True))
        return found

    def epoch(self, files: features.ImageSet, groups: list, epoch: int, before: dict) -> dict:
        """One of `epochs`: the batches `groups`, by a backbone with the statistics of `before`."""
        backbone = self.fresh()[0]
        backbone.load_state_dict(before, strict=False)
        backbone.train()
        seen = torch.cat([*self.forward(backbone, files.batches(groups, self.device, epoch))])
        return {
            "train": seen[torch.cat(groups).argsort()].clone(),
            "test": self.extract(self.test, backbone, keep=None, label=f"epoch {epoch + 1}"),
            "statistics": {name: value.cpu() for name, value in backbone.named_buffers()},
        }


def write_batches(path: Path, batches: Iterator[torch.Tensor], n: int) -> None:
    """Write batches of `n` features in all as one array, `.npy`, holding one of them in memory."""
    with io.atomic_write(path) as partial, partial.open("wb") as file:
        for i, batch in enumerate(batches):
            values = np.ascontiguousarray(batch.numpy())
            if i == 0:
                about = {"descr": values.dtype.str, "fortran_order": False}
                about["shape"] = (n, *values.shape[1:])
                np.lib.format.write_array_header_1_0(file, about)
            values.tofile(file)
