"""The instrument, tried: does a map show what is known, and does it depend on what was learned?

Networks are taught a lesion, or a marker, so that the truth is known. Of a run's own models: do their
maps change with the weights and with the grey of the square, and do they agree with their maps?
"""

from functools import cache

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy import ndimage
from torch import nn

from deepcovid import profiles
from deepcovid.data import augmentation, phantom
from deepcovid.heatmaps import agreement
from deepcovid.heatmaps.agreement import rank_correlation
from deepcovid.heatmaps.claim import RANDOM
from deepcovid.heatmaps.maps import FILL, grad_cam, grey, occlusion, probability
from deepcovid.metrics import intervals
from deepcovid.models import fitting, networks
from deepcovid.models.features import to_device

SIDE, PATIENTS, EPOCHS = 64, 120, {None: 10, "marker": 4}
radiograph = cache(phantom.radiograph)  # both networks see the same patients
TAUGHT = {"lesion": None, "marker": "marker"}  # by name, the shortcut that each is taught
STEPS = 10  # of an insertion or deletion curve
FILLS = (0, 255)  # grey levels that are compared with `FILL`


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
        _, *chance = agreement.by_chance(np.array(of), window)["pointing"]
        for method, heat in maps.items():
            each = [agreement.agreement(*pair) for pair in zip(heat, of, strict=True)]
            share = np.mean([found["pointing"] for found in each])
            low, high = intervals.proportion_interval(round(share * n), n, "beta")
            rows.append({"taught": name, "mask": mask, "method": method, "mean": share, "low": low,
                         "high": high, "random_low": chance[0], "random_high": chance[1],
                         "phantoms": n, "auc": auc})  # fmt: skip
    return rows


def calibrate(n: int = 16) -> pd.DataFrame:
    """Do the maps show what a model is known to look at? A row per network, mask and method.

    Two networks, `lesion` trained without and `marker` trained with a planted corner marker, each
    on `n` new phantoms with COVID-19. `mean`: share of the phantoms on which a map's highest point
    lies in the mask (peaks of equal height share), with its exact (Clopper-Pearson) 95% interval;
    `random_*`: 95% of the means of random maps; `auc`: the network's ROC AUC.
    """
    return pd.DataFrame([row for name, of in TAUGHT.items() for row in peaks(name, of, n)])


def perturbed(model, inputs: torch.Tensor, maps: np.ndarray, fill: float = FILL) -> dict:
    """P(COVID-19) while pixels are covered, or shown, from the map's highest on (RISE, 2018).

    Gives `deletion` and `insertion`, each (n, STEPS + 1): the rows start at the whole image and at
    a grey one. A good map's deletion curve falls soon, its insertion curve rises soon.
    """
    paint, found = grey(fill).to(inputs.device), {"deletion": [], "insertion": []}
    for picture, heat in zip(inputs, maps, strict=True):
        rank = np.empty(heat.size)
        rank[np.argsort(-heat.ravel(), kind="stable")] = np.arange(heat.size) / heat.size
        share = np.linspace(0, 1, STEPS + 1)[:, None, None, None]
        taken = torch.from_numpy(rank.reshape(heat.shape) < share).to(inputs.device)
        found["deletion"].append(probability(model, torch.where(taken, paint, picture)))
        found["insertion"].append(probability(model, torch.where(taken, picture, paint)))
    return {name: np.array(curves) for name, curves in found.items()}


def mean_curves(model, inputs: torch.Tensor, made: dict[str, np.ndarray], window: int) -> list:
    """Deletion and insertion, means over inputs, by the maps `made` and by random ones: a row a point."""
    made = made | {RANDOM: agreement.random_maps(len(inputs), inputs.shape[2:], window)}
    return [
        row
        for method, heat in made.items()
        for name, values in perturbed(model, inputs, heat[: len(inputs)]).items()
        for row in agreement.points(values, curve=name, method=method)
    ]


def randomised(model: networks.Classifier, name: str, seed: int) -> dict[str, networks.Classifier]:
    """The model with a new random head, and with all weights new (Adebayo et al. 2018)."""
    fresh, _ = networks.build(name, "random", seed)
    device = next(model.parameters()).device
    head = networks.Classifier(model.backbone, fresh.head, model.last_conv)
    return {"head": to_device(head, device), "all": to_device(fresh, device)}


def sanity(model, name: str, seed: int, inputs: torch.Tensor, maps: dict, window: int) -> dict:
    """Rank correlation of maps with those of the model with random weights, per image.

    `maps` holds those of the images by method, the first of them occlusion by `window`. `chance`: 95%
    interval of the mean of as many correlations of smooth random maps.
    """
    main, found = next(iter(maps)), {}
    for what, other in randomised(model, name, seed + 1).items():
        again = {main: occlusion(other, inputs, window, label=f"random {what}"),
                 "Grad-CAM": grad_cam(other, inputs)}  # fmt: skip
        found[what] = {m: rank_correlation(maps[m][: len(inputs)], h) for m, h in again.items()}
    small, window = agreement.coarse(np.ones((1, *inputs.shape[2:]), bool), window)
    chance = agreement.correlation_by_chance(len(inputs), small.shape[1:], window)
    return found | {"chance": chance[1:]}


def fills(model, inputs: torch.Tensor, masks: list, made: np.ndarray, window: int) -> dict:
    """What the grey level of the square does to occlusion maps.

    Per level: `alone`, P(COVID-19) of an image that is nothing but this grey; `inside`, the share
    of the maps inside `masks` (one an image), mean over images; `like`, the mean rank correlation
    with the maps `made` by `FILL`. Squares of the other levels do not overlap, to be quick.
    """
    found = {}
    for fill in (FILL, *FILLS):
        heats = made
        if fill != FILL:
            heats = occlusion(model, inputs, window, window, fill, label=f"grey level {fill}")
        blank = grey(fill).to(inputs).expand_as(inputs[:1])
        inside = [agreement.agreement(*pair)["mass"] for pair in zip(heats, masks, strict=True)]
        found[str(fill)] = {
            "alone": float(probability(model, blank)[0]), "inside": float(np.mean(inside)),
            "like": float(rank_correlation(heats, made).mean()),
        }  # fmt: skip
    return found
