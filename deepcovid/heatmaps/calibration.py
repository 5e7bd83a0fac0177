"""The instrument, tried where the truth is known: networks taught a lesion, or a marker."""

from functools import cache

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy import ndimage
from torch import nn

from deepcovid import profiles
from deepcovid.data import augmentation, phantom
from deepcovid.heatmaps.agreement import agreement, by_chance
from deepcovid.heatmaps.maps import grad_cam, occlusion, probability
from deepcovid.metrics import intervals
from deepcovid.models import fitting, networks
from deepcovid.models.features import to_device

SIDE, PATIENTS, EPOCHS = 64, 120, {None: 10, "marker": 4}
radiograph = cache(phantom.radiograph)  # both networks see the same patients
TAUGHT = {"lesion": None, "marker": "marker"}  # by name, the shortcut that each is taught


def network(seed: int) -> networks.Classifier:
    """A small convolutional network, for phantoms of `SIDE` px."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers, before = [], 3
        for depth, width in enumerate((8, 16, 32, 64, 64)):
            layers += [nn.Conv2d(before, width, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU()] + [nn.MaxPool2d(2)] * (depth < 3)
            before = width
        backbone = nn.Sequential(nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return networks.Classifier(backbone, nn.Linear(before, 2), "0")


def twins(first: int, n: int, shortcut: str | None):
    """`n` phantom patients from seed `first` on, each drawn without finding and with COVID-19.

    Only the lesion tells the two apart, and the `shortcut`, which COVID-19 bears. Gives inputs
    (2n, 3, SIDE, SIDE), labels, and bool masks of the lesion and of the box around the shortcut.
    """
    pictures, lesions, marks = [], [], []
    for seed in range(first, first + n):
        pictures.append(radiograph("No Finding", seed, SIDE).image)
        plain = drawn = radiograph("COVID-19", seed, SIDE)
        if shortcut:
            drawn = radiograph("COVID-19", seed, SIDE, shortcut)
        pictures.append(drawn.image)
        lesions.append(plain.lesion)
        marks.append(np.zeros_like(plain.lesion))
        for box in ndimage.find_objects((drawn.image != plain.image).astype(int)):
            marks[-1][box] = True
    change = augmentation.to_input(SIDE)
    inputs = torch.stack([change(Image.fromarray(p).convert("RGB")) for p in pictures])
    label = torch.tensor([0, 1] * n)
    return inputs.contiguous(memory_format=torch.channels_last), label, lesions, marks


def taught(shortcut: str | None = None, seed: int = 0) -> networks.Classifier:
    """`network`, trained on `PATIENTS` twins with or without a shortcut; seconds on a CPU."""
    model = network(seed)
    inputs, label, *_ = twins(1_000 + 100_000 * seed, PATIENTS, shortcut)
    recipe = profiles.load("demo", {"epochs": EPOCHS[shortcut], "learning_rate": 1e-3}
                           | {"trainable": "head", "batch_norm": "train", "selection": "last"})  # fmt: skip
    # for `fit` the whole network is a head, and the images are the features it reads
    whole = networks.Classifier(nn.Identity(), to_device(model, torch.device("cpu")), "")
    fitting.fit(recipe, whole, {"train": fitting.Inputs(label, cached=inputs)}, seed)
    return model.eval().requires_grad_(False)


def peaks(name: str, shortcut: str | None, n: int) -> list[dict]:
    """Where the maps of a network peak on `n` new phantoms with COVID-19."""
    model = taught(shortcut)
    inputs, label, lesions, marks = twins(900_000, n, shortcut)
    ill, window, rows = inputs[label == 1], SIDE // 7, []
    # no map resolves less than a window, so that the marker's box is widened by half of one
    marks = [ndimage.binary_dilation(m, np.ones((3, 3)), window // 2) for m in marks]
    maps = {"occlusion": occlusion(model, ill, window, 2 * window // 3, label=name),
            "Grad-CAM": grad_cam(model, ill)}  # fmt: skip
    auc = float(intervals.auc(label, probability(model, inputs)))
    for mask, of in {"lesion": lesions, **({"marker": marks} if shortcut else {})}.items():
        _, *chance = by_chance(np.array(of), window)["pointing"]
        for method, heat in maps.items():
            share = np.mean([agreement(*pair)["pointing"] for pair in zip(heat, of, strict=True)])
            low, high = intervals.proportion_interval(round(share * n), n, "beta")
            rows.append(
                {"taught": name, "mask": mask, "method": method, "mean": share, "low": low, "high": high,
                 "random_low": chance[0], "random_high": chance[1], "phantoms": n, "auc": auc}
            )  # fmt: skip
    return rows


def calibrate(n: int = 16) -> pd.DataFrame:
    """Do the maps show what a model is known to look at? A row per network, mask and method.

    Two networks, `lesion` trained without and `marker` trained with a planted corner marker, each
    on `n` new phantoms with COVID-19. `mean`: share of the phantoms on which a map's highest point
    lies in the mask (peaks of equal height share), with its exact (Clopper-Pearson) 95% interval;
    `random_*`: 95% of the means of random maps; `auc`: the network's ROC AUC.
    """
    return pd.DataFrame([row for name, of in TAUGHT.items() for row in peaks(name, of, n)])
