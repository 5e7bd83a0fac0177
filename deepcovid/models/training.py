"""Train a run's model by its recipe: the head on kept features where that is the same, else all."""

import time
from pathlib import Path

import pandas as pd
import torch

from deepcovid import io
from deepcovid.data import augmentation, duplicates
from deepcovid.models import features, fitting, networks
from deepcovid.models.fitting import Inputs, fit
from deepcovid.models.networks import Classifier, backbone_is_fixed
from deepcovid.models.run import Run

BESIDE = ("history.csv", "seen.csv", "training.json")  # of a checkpoint


def gather(run: Run, model: Classifier, tables: dict, seed: int) -> dict[str, Inputs]:
    """Inputs of each phase, cached wherever backbone and images are the same in every epoch.

    `tables` has the images of each phase. Raises UserError where an image is no longer the one that
    the manifest lists.
    """
    profile, change = run.profile, run.preprocessing
    variant, inputs = change.variant if change else "", {}
    for phase, table in tables.items():
        label = torch.tensor(table.label.to_numpy(), device=run.device)
        crop = profile.train_crop if phase == "train" else "none"
        if backbone_is_fixed(profile, model) and crop == "none":
            how = {"label": f"{phase} features", "variant": variant, "half": model.half}
            found = features.of_table(run, model.backbone, table, change=change, **how)
            inputs[phase] = Inputs(label, cached=found)
        else:
            # what epochs see again is kept
            keep = run.device if phase in run.phases else None
            files = features.files_of(run, table, crop, seed, change=change, keep=keep)
            inputs[phase] = Inputs(label, files=files)
        inputs[phase].source = torch.tensor(pd.factorize(table.source)[0], device=run.device)
        if "view" in table:
            inputs[phase].view = torch.tensor(pd.factorize(table["view"])[0], device=run.device)
    return inputs


def run(run: Run, name: str, seed: int) -> Path:
    """Train one model unless that was done: `history.csv`, `checkpoint.pt`, `seen.csv`,
    `training.json`.

    A checkpoint made from the same recipe, images, first weights and code is kept; a training
    that was stopped goes on. Returns the model's folder.
    """
    folder = run.model_folder(name, seed)
    model, origin = run.build(name, seed)
    tables = run.phases
    code = io.code_digest(augmentation, networks, features, fitting, __file__)
    given = run.made_from(model) | {"code": code}
    stamp = io.digest(given)
    beside = all((folder / name).is_file() for name in BESIDE)
    if beside and io.is_fresh(folder / "checkpoint.pt", stamp):
        return folder
    if not io.is_fresh(folder / "resume.pt", stamp):
        (folder / "resume.pt").unlink(missing_ok=True)
        io.write_stamp(folder / "resume.pt", stamp)
    started = time.monotonic()
    features.to_device(model, run.device)
    inputs = gather(run, model, tables, seed)
    ready = time.monotonic()
    history, state = fit(run.profile, model, inputs, seed, folder)
    # from here on nothing in the folder counts as done until all of it is
    (folder / "checkpoint.pt.made-from").unlink(missing_ok=True)
    io.write_csv(folder / "history.csv", history)
    fitting.save_tensors(folder / "checkpoint.pt", state)
    record = io.write_csv(folder / "seen.csv", duplicates.of_phases(tables, run.data))
    seconds = {"inputs": ready - started, "training": time.monotonic() - ready}
    io.write_json(folder / "training.json", {
        "model": name, "seed": seed, "weights": origin, "device": str(run.device),
        "images": {phase: len(table) for phase, table in tables.items()},
        "cached": {phase: part.cached is not None for phase, part in inputs.items()},
        "seconds": {what: round(value, 1) for what, value in seconds.items()},
        "seen": io.file_digest(record),  # of the table beside it: all images that it saw
        "made_from": given,
    })  # fmt: skip
    io.write_stamp(folder / "checkpoint.pt", stamp)
    for leftover in folder.glob("resume.*"):
        leftover.unlink()
    return folder
