"""Train a model by a recipe: its head on cached features where that is the same, else on images."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional as F
from tqdm.auto import tqdm

import deepcovid.augmentation
import deepcovid.features
from deepcovid import manifest, models, preparation, runs
from deepcovid.augmentation import locate
from deepcovid.features import ImageSet, extract, to_device
from deepcovid.profiles import RECIPE, Profile

HISTORY = ["epoch", "phase", "loss", "accuracy", "auc", "learning_rate"]
SAVE_EVERY = 30  # seconds between the states that a stopped training resumes from


def learning_rates(profile: Profile) -> np.ndarray:
    """The learning rate of each epoch.

    `step` multiplies by 0.1 after every 7 epochs. `step_first` does so one epoch earlier: the
    released script steps its scheduler before the first epoch.
    """
    epoch = np.arange(profile.epochs)
    steps = {"constant": 0 * epoch, "step": epoch // 7, "step_first": (epoch + 1) // 7}
    return profile.learning_rate * 0.1 ** steps[profile.schedule]


def backbone_is_fixed(profile: Profile, model: models.Classifier) -> bool:
    """Does the backbone stay as it was? Batch norm in train mode drifts even when frozen."""
    drifts = profile.batch_norm == "train" and models.has_batch_norm(model.backbone)
    return profile.trainable == "head" and not drifts


@dataclass
class Inputs:
    """The images of one phase: cached features, or files to be read; with labels."""

    label: torch.Tensor
    cached: torch.Tensor | None = None
    files: ImageSet | None = None
    workers: int = 0

    def batches(self, groups, epoch=0):
        device = self.label.device
        if self.cached is not None:
            return (self.cached[group].to(device, non_blocking=True) for group in groups)
        return self.files.batches(groups, device, self.workers, epoch)


def gather(
    profile: Profile,
    model: models.Classifier,
    tables: dict[str, pd.DataFrame],
    seed: int,
    device: torch.device,
) -> dict[str, Inputs]:
    """Inputs of each phase, cached wherever backbone and images are the same in every epoch."""
    inventory = inventory_of(profile)
    paths = [locate(profile, image) for image in inventory.image]
    prepare = preparation.of(profile)
    position = {image: i for i, image in enumerate(inventory.image)}
    fixed = backbone_is_fixed(profile, model)
    inputs = {}
    for phase, table in tables.items():
        label = torch.tensor(table.label.to_numpy(), device=device)
        rows = [position[image] for image in table.image]
        if fixed and (phase != "train" or profile.train_crop == "none"):
            found = extract(
                model.backbone,
                paths,
                list(inventory.sha1),
                rows,
                profile.image_size,
                device,
                profile.workers,
                label=f"{phase} features",
                change=prepare,
                variant=prepare.variant if prepare else "",
            )
            inputs[phase] = Inputs(label, cached=torch.from_numpy(found))
        else:
            crop = profile.train_crop if phase == "train" else "none"
            files = ImageSet([paths[i] for i in rows], profile.image_size, crop, seed, prepare)
            inputs[phase] = Inputs(label, files=files, workers=profile.workers)
    return inputs


def inventory_of(profile: Profile) -> pd.DataFrame:
    """All images of a run in a fixed order: the manifest's, then those augmented for training."""
    table = manifest.read(profile.folder / "manifest.csv")
    training = training_table(profile)
    made = training[training.image.str.startswith("augmented/")]
    return pd.concat([table, made], ignore_index=True)


def training_table(profile: Profile) -> pd.DataFrame:
    path = profile.folder / "training.csv"
    if not path.is_file():
        raise runs.UserError(f"{path} is not there yet: run notebook 02_augmentation first.")
    return pd.read_csv(path, keep_default_na=False)


def phase_tables(profile: Profile) -> dict[str, pd.DataFrame]:
    """The rows each phase uses: augmented training images; originals for all else."""
    table = manifest.originals(manifest.read(profile.folder / "manifest.csv"))
    phases = {"train": training_table(profile)}
    if profile.validation_fraction:
        phases["validation"] = table[table.split == "validation"]
    if profile.selection == "test_accuracy":
        phases["test"] = table[table.split == "test"]
    return phases


def set_mode(profile: Profile, model: models.Classifier) -> None:
    """Training mode; batch norm only where the recipe leaves it so."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and profile.batch_norm == "eval":
            module.eval()


def measure(loss: torch.Tensor, label: torch.Tensor, score: torch.Tensor) -> dict[str, float]:
    """Mean loss, accuracy at 0.5 and ROC AUC of scores P(COVID-19)."""
    label, score = label.cpu().numpy(), score.cpu().numpy()
    return {
        "loss": float(loss.mean()),
        "accuracy": float(((score > 0.5) == label).mean()),
        "auc": float(roc_auc_score(label, score)),
    }


@torch.no_grad()
def evaluate(model: models.Classifier, inputs: Inputs, batch_size: int = 256) -> dict[str, float]:
    """Loss, accuracy and AUC of the model as it is."""
    model.eval()
    logits = predict(model, inputs, batch_size)
    loss = F.cross_entropy(logits, inputs.label, reduction="none")
    return measure(loss, inputs.label, logits.softmax(1)[:, 1])


@torch.no_grad()
def predict(model: models.Classifier, inputs: Inputs, batch_size: int = 256) -> torch.Tensor:
    """Logits, float32 (n, 2), of all inputs in their order."""
    model.eval()
    module = model if inputs.cached is None else model.head
    groups = torch.arange(len(inputs.label)).split(batch_size)
    return torch.cat([module(batch).float() for batch in inputs.batches(groups)])


def fit(
    profile: Profile,
    model: models.Classifier,
    inputs: dict[str, Inputs],
    seed: int,
    folder: Path | None = None,
) -> tuple[pd.DataFrame, dict[str, torch.Tensor]]:
    """Train `model` in place; give the history and the state of the selected epoch.

    Columns of the history: epoch (from 1), phase, loss, accuracy, auc, learning_rate; the train
    phase is measured while training, as is usual. With a `folder` the state is kept there every
    half minute, and a stopped training goes on from it with the same result.
    """
    train = inputs["train"]
    device = train.label.device
    part = trained_part(profile, model)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    trainable = list((model if profile.trainable == "all" else model.head).parameters())
    for parameter in trainable:
        parameter.requires_grad_(True)
    if profile.optimizer == "adam":
        optimizer = torch.optim.Adam(trainable, profile.learning_rate)
    else:
        optimizer = torch.optim.SGD(trainable, profile.learning_rate, profile.momentum)
    weight = None
    if profile.class_weights == "balanced":
        counts = torch.bincount(train.label, minlength=2)
        weight = len(train.label) / (2 * counts).float()
    module = model if train.cached is None else model.head
    amp = torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda")
    shuffle = torch.Generator().manual_seed(seed)
    history, best, selected, start = [], -1.0, None, 0

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if state := resumable(folder):
            part.load_state_dict(state["part"])
            optimizer.load_state_dict(state["optimizer"])
            shuffle.set_state(state["shuffle"])
            torch.set_rng_state(state["random"])
            start, best, selected = state["epoch"], state["best"], state["selected"]
            kept = pd.read_csv(folder / "history.csv")
            history = kept[kept.epoch <= start].to_dict("records")
        saved = time.monotonic()
        rates = learning_rates(profile)
        for epoch in tqdm(
            range(start, profile.epochs),
            initial=start,
            total=profile.epochs,
            desc="epochs",
            unit="epoch",
        ):
            optimizer.param_groups[0]["lr"] = float(rates[epoch])
            groups = torch.randperm(len(train.label), generator=shuffle).split(profile.batch_size)
            set_mode(profile, model)
            losses, scores = [], []
            for group, batch in zip(groups, train.batches(groups, epoch), strict=True):
                label = train.label[group.to(device)]
                with amp:
                    logits = module(batch).float()
                loss = F.cross_entropy(logits, label, weight, reduction="none")
                # torch's weighted mean divides by the weights' sum
                total = len(label) if weight is None else weight[label].sum()
                optimizer.zero_grad(set_to_none=True)
                (loss.sum() / total).backward()
                optimizer.step()
                losses.append(loss.detach())
                scores.append(logits.detach().softmax(1)[:, 1])
            order = torch.cat(groups).to(device)
            measured = {"train": measure(torch.cat(losses), train.label[order], torch.cat(scores))}
            measured |= {p: evaluate(model, inputs[p]) for p in inputs if p != "train"}
            history += [
                {"epoch": epoch + 1, "phase": phase, **values, "learning_rate": rates[epoch]}
                for phase, values in measured.items()
            ]
            merit = {
                "last": epoch,
                "validation_auc": measured.get("validation", {}).get("auc"),
                "test_accuracy": measured.get("test", {}).get("accuracy"),
            }
            if merit[profile.selection] > best:
                best = float(merit[profile.selection])
                selected = {k: v.detach().cpu().clone() for k, v in part.state_dict().items()}
            if folder and time.monotonic() - saved > SAVE_EVERY:
                write_history(history, folder)
                save_tensors(
                    folder / "resume.pt",
                    {
                        "part": part.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "shuffle": shuffle.get_state(),
                        "random": torch.get_rng_state(),
                        "epoch": epoch + 1,
                        "best": best,
                        "selected": selected,
                    },
                )
                saved = time.monotonic()
    part.load_state_dict(selected)
    return pd.DataFrame(history, columns=HISTORY), selected


def trained_part(profile: Profile, model: models.Classifier) -> nn.Module:
    """What training changes, and a checkpoint holds: the head, or the whole network."""
    return model.head if backbone_is_fixed(profile, model) else model


def resumable(folder: Path | None) -> dict | None:
    """The state of a training that was stopped, if there is one."""
    path = folder and folder / "resume.pt"
    return torch.load(path, weights_only=True) if path and path.exists() else None


def save_tensors(path: Path, state: dict) -> None:
    with runs.replacing(path) as partial:
        torch.save(state, partial)


def write_history(history, folder: Path) -> None:
    with runs.replacing(folder / "history.csv") as partial:
        pd.DataFrame(history, columns=HISTORY).to_csv(partial, index=False)


def run(profile: Profile, name: str, seed: int) -> Path:
    """Train one model unless that was done: `history.csv`, `checkpoint.pt`, `training.json`.

    A checkpoint made from the same recipe, images, first weights and code is kept; a training
    that was stopped goes on. Returns the model's folder.
    """
    folder = profile.model_folder(name, seed)
    model, origin = models.build(name, profile.weights, seed)
    device = models.device_of(profile.device)
    tables = phase_tables(profile)
    prepare = preparation.of(profile)
    made_from = {
        "recipe": {key: getattr(profile, key) for key in RECIPE},
        "images": {
            phase: runs.digest([list(t.sha1), list(t.label)]) for phase, t in tables.items()
        },
        "weights": models.state_digest(model),
        "preparation": prepare.variant if prepare else "",
        "code": runs.code_digest(
            deepcovid.augmentation, models, deepcovid.features, sys.modules[__name__]
        ),
    }
    stamp = runs.digest(made_from)
    if runs.done(folder / "checkpoint.pt", stamp):
        return folder
    if not runs.done(folder / "resume.pt", stamp):
        (folder / "resume.pt").unlink(missing_ok=True)
        runs.mark_done(folder / "resume.pt", stamp)
    started = time.monotonic()
    to_device(model, device)
    inputs = gather(profile, model, tables, seed, device)
    ready = time.monotonic()
    history, state = fit(profile, model, inputs, seed, folder)
    write_history(history, folder)
    save_tensors(folder / "checkpoint.pt", state)
    runs.write_json(
        folder / "training.json",
        {
            "model": name,
            "seed": seed,
            "weights": vars(origin),
            "device": str(device),
            "images": {phase: len(table) for phase, table in tables.items()},
            "cached": {phase: given.cached is not None for phase, given in inputs.items()},
            "seconds": {
                "inputs": round(ready - started, 1),
                "training": round(time.monotonic() - ready, 1),
            },
            "made_from": made_from,
        },
    )
    runs.mark_done(folder / "checkpoint.pt", stamp)
    for leftover in folder.glob("resume.pt*"):
        leftover.unlink()
    return folder


def load(profile: Profile, name: str, seed: int) -> models.Classifier:
    """The trained model of a run, from its first weights and its checkpoint."""
    path = profile.model_folder(name, seed) / "checkpoint.pt"
    if not path.is_file():
        raise runs.UserError(f"{path} is not there yet: run notebook 03_training first.")
    model, _ = models.build(name, profile.weights, seed)
    trained_part(profile, model).load_state_dict(models.load_state(path))
    return model
