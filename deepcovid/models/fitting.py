"""Fit a classifier: how one recipe goes through its epochs, can be stopped, and goes on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from deepcovid import io
from deepcovid.metrics.intervals import auc, predict_positive
from deepcovid.models.features import BATCH, ImageSet
from deepcovid.models.networks import Classifier, fuse_batch_norm, has_batch_norm, trained_part
from deepcovid.profiles import Profile
from deepcovid.runs import UserError

KEPT = ("epoch", "best", "selected", "history")  # of a stopped training, beside its tensors
SLICE = 256  # cached images that a head judges at once
SAVE_EVERY = 30  # seconds between the states that a stopped training resumes from


def learning_rates(profile: Profile) -> np.ndarray:
    """The learning rate of each epoch.

    `step` multiplies by 0.1 after every 7 epochs. `step_first` does so one epoch earlier: the
    released script steps its scheduler before the first epoch.
    """
    epoch = np.arange(profile.epochs)
    steps = {"constant": 0 * epoch, "step": epoch // 7, "step_first": (epoch + 1) // 7}
    return profile.learning_rate * 0.1 ** steps[profile.schedule]


@dataclass
class Inputs:
    """The images of one phase: cached features, or files to be read; with labels, from 0 to 1.

    `source` and `view` number where each image is from and how it was taken, for recipes that
    weigh these.
    """

    label: torch.Tensor
    cached: torch.Tensor | None = None
    files: ImageSet | None = None
    source: torch.Tensor | None = None
    view: torch.Tensor | None = None

    def batches(self, groups, epoch=0):
        """Model inputs of each of `groups`, positions of images, or slices where they are cached."""
        device = self.label.device
        if self.cached is None:
            return self.files.batches(groups, device, epoch)
        # rows are copied whole, where an index copies value by value
        found = (self.cached[group] if isinstance(group, slice) else self.cached.index_select(0, group)
                 for group in groups)  # fmt: skip
        return (batch.to(device, non_blocking=True) for batch in found)


def set_mode(profile: Profile, model: Classifier) -> None:
    """Training mode of what is trained; batch norm only where the recipe leaves it so."""
    model.train()
    model.backbone.train(profile.trainable == "all")  # else its own dropout is off
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.train(profile.batch_norm == "train")


def measure(loss: torch.Tensor, label: torch.Tensor, score: torch.Tensor) -> dict[str, float]:
    """Mean loss, accuracy at 0.5 and ROC AUC of scores P(COVID-19)."""
    label, score = label.cpu().numpy(), score.cpu().numpy()
    defined = np.isfinite(score).all() and 0 < label.mean() < 1
    return {
        "loss": float(loss.mean()),
        "accuracy": float((predict_positive(score, 0.5) == label).mean()),
        "auc": auc(label, score) if defined else float("nan"),
    }


def evaluate(model: Classifier, inputs: Inputs) -> dict[str, float]:
    """Loss, accuracy and AUC of the model as it is."""
    logits = predict(model, inputs)
    loss = F.cross_entropy(logits, inputs.label, reduction="none")
    return measure(loss, inputs.label, logits.softmax(1)[:, 1])


@torch.no_grad()
def predict(model: Classifier, inputs: Inputs) -> torch.Tensor:
    """Logits, float32 (n, 2), of all inputs in their order."""
    model.eval()
    count = len(inputs.label)
    if inputs.cached is None:
        module, groups = fuse_batch_norm(model), torch.arange(count).split(BATCH)
    else:  # slices of what is kept, which are no copies
        module, groups = model.head, [slice(i, i + SLICE) for i in range(0, count, SLICE)]
    return torch.cat([module(batch).float() for batch in inputs.batches(groups)])


def epoch_batches(
    count: int, size: int, shuffle: torch.Generator, drifts: bool,
    chances: torch.Tensor | None = None,
) -> list[torch.Tensor]:  # fmt: skip
    """Which of `count` images are in each batch of an epoch: each once, or, where `chances` (count,)
    are given, as many drawn with replacement by these.

    Where batch norm drifts, a last batch of one, whose norm would be nothing but 0 or an error,
    joins the batch before. Raises UserError where there would be no others.
    """
    if drifts and size == 1:
        raise UserError("Batch norm in train mode needs a batch_size of 2 at least.")
    if chances is None:
        order = torch.randperm(count, generator=shuffle)
    else:
        order = torch.multinomial(chances, count, replacement=True, generator=shuffle)
    groups = list(order.split(size))
    if drifts and len(groups) > 1 and len(groups[-1]) == 1:
        groups[-2:] = [torch.cat(groups[-2:])]
    return groups


def weights(kind: str, train: Inputs) -> torch.Tensor | None:
    """What each training image weighs in the loss, 1 on average; None where all weigh the same.

    `balanced`: each class the same in sum; `sources`: each class of each source; `views`: each class,
    and within it each view as much as in the other; views that only one class has weigh nothing.
    `sampled` has the weights of `balanced`, by which `Trainer` draws images instead.
    Raises UserError where the classes share no view.
    """
    if kind == "none":
        return None
    if kind == "views":
        return matched(train.label, train.view)
    part = 2 * train.source + train.label if kind == "sources" else train.label
    _, part, counts = part.unique(return_inverse=True, return_counts=True)
    return (len(part) / (len(counts) * counts).float())[part]


def matched(label: torch.Tensor, view: torch.Tensor) -> torch.Tensor:
    """See `weights`: a view's share is that among all images of views that both classes have."""
    views, view = view.unique(return_inverse=True)
    each = [view[label == kind].bincount(minlength=len(views)) for kind in (0, 1)]
    counts = torch.stack(each).float()
    shared = (counts > 0).all(0)
    if not shared.any():
        raise UserError(
            "No view occurs in both classes of the training images; class_weights balanced needs none."
        )
    share = counts.sum(0) * shared
    weight = share / share.sum() / counts.clamp(min=1) * len(label) / 2
    return weight[label, view]


class Trainer:
    """A training on its way: what changes from epoch to epoch, and can be kept and taken up again."""

    def __init__(self, profile: Profile, model: Classifier, train: Inputs, seed: int):
        self.profile, self.model, self.train = profile, model, train
        self.part = trained_part(profile, model)
        self.module = model if train.cached is None else model.head
        self.drifts = profile.batch_norm == "train" and has_batch_norm(model)
        self.shuffle = torch.Generator().manual_seed(seed)
        self.rates = learning_rates(profile)
        self.history, self.epoch, self.best, self.selected = [], 0, -1.0, None
        model.requires_grad_(profile.trainable == "all")
        model.head.requires_grad_(True)
        trainable = (model if profile.trainable == "all" else model.head).parameters()
        if profile.optimizer == "adam":
            self.optimizer = torch.optim.Adam(trainable, profile.learning_rate)
        else:
            self.optimizer = torch.optim.SGD(trainable, profile.learning_rate, profile.momentum)
        weight, sampled = weights(profile.class_weights, train), profile.class_weights == "sampled"
        self.weight, self.chances = (None, weight.cpu()) if sampled else (weight, None)

    def one_epoch(self) -> dict[str, float]:
        """Train for an epoch; loss, accuracy and AUC as they were on the way."""
        label, device = self.train.label, self.train.label.device
        self.optimizer.param_groups[0]["lr"] = float(self.rates[self.epoch])
        size = self.profile.batch_size
        groups = epoch_batches(len(label), size, self.shuffle, self.drifts, self.chances)
        set_mode(self.profile, self.model)
        losses, scores = [], []
        for group, batch in zip(groups, self.train.batches(groups, self.epoch), strict=True):
            truth = label[group.to(device)]
            logits = self.module(batch).float()
            loss, total = F.cross_entropy(logits, truth, reduction="none"), len(truth)
            if self.weight is not None:
                weight = self.weight[group.to(device)]
                loss, total = weight * loss, weight.sum().clamp(min=1e-9)  # views may weigh nothing
            self.optimizer.zero_grad(set_to_none=True)
            (loss.sum() / total).backward()
            self.optimizer.step()
            losses.append(loss.detach())
            scores.append(logits.detach().softmax(1)[:, 1])
        order = torch.cat(groups).to(device)
        return measure(torch.cat(losses), label[order], torch.cat(scores))

    def note(self, measured: dict[str, dict[str, float]]) -> None:
        """Add an epoch to the history, and keep its state if the recipe selects it so far.

        Raises UserError where a loss is no number any more.
        """
        if lost := [phase for phase in measured if not np.isfinite(measured[phase]["loss"])]:
            raise UserError(
                f"The training diverged: in epoch {self.epoch + 1} the {lost[0]} loss is no number. "
                f"Take a lower learning rate: -p learning_rate {self.profile.learning_rate / 10:g}."
            )
        rate = float(self.rates[self.epoch])
        self.history += [
            {"epoch": self.epoch + 1, "phase": phase, **values, "learning_rate": rate}
            for phase, values in measured.items()
        ]
        last = self.profile.selection == "last"
        merit = self.epoch if last else measured["test"]["accuracy"]
        if merit > self.best:
            self.best = float(merit)
            self.selected = {k: v.detach().cpu().clone() for k, v in self.part.state_dict().items()}
        self.epoch += 1

    def save(self, folder: Path) -> None:
        state = {
            "part": self.part.state_dict(), "optimizer": self.optimizer.state_dict(),
            "shuffle": self.shuffle.get_state(), "random": torch.get_rng_state(),
            **{name: getattr(self, name) for name in KEPT},
        }  # fmt: skip
        save_tensors(folder / "resume.pt", state)

    def resume(self, folder: Path) -> None:
        """Go on from what `save` left, if there is anything."""
        if not (path := folder / "resume.pt").exists():
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.part.load_state_dict(state["part"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.shuffle.set_state(state["shuffle"])
        torch.set_rng_state(state["random"])
        vars(self).update({name: state[name] for name in KEPT})


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch compute in one thread: in many small steps, as of a head, several wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fit(
    profile: Profile, model: Classifier, inputs: dict[str, Inputs], seed: int,
    folder: Path | None = None,
) -> tuple[pd.DataFrame, dict[str, torch.Tensor]]:  # fmt: skip
    """Train `model` in place; give the history and the state of the selected epoch.

    Columns of the history: epoch (from 1), phase, loss, accuracy, auc, learning_rate; the train
    phase is measured while training, as is usual. With a `folder` the state is kept there every
    half minute, and a stopped training goes on from it with the same result.
    """
    fitting = Trainer(profile, model, inputs["train"], seed)
    threads = one_thread() if inputs["train"].cached is not None else nullcontext()
    with threads, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if folder:
            fitting.resume(folder)
        saved, first = time.monotonic(), fitting.epoch
        whole = {"initial": first, "total": profile.epochs, "desc": "epochs", "unit": "epoch"}
        for _ in tqdm(range(first, profile.epochs), **whole):
            measured = {"train": fitting.one_epoch()}
            measured |= {p: evaluate(model, inputs[p]) for p in inputs if p != "train"}
            fitting.note(measured)
            if folder and time.monotonic() - saved > SAVE_EVERY:
                fitting.save(folder)
                saved = time.monotonic()
    fitting.part.load_state_dict(fitting.selected)
    return pd.DataFrame(fitting.history), fitting.selected


def save_tensors(path: Path, state: dict) -> None:
    with io.atomic_write(path) as partial:
        torch.save(state, partial)
