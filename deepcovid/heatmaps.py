"""Occlusion maps and Grad-CAM, and whether to believe them.

A map is a float32 array of the size of the model's input. An occlusion map holds the drop of
P(COVID-19), -1 to 1, when a grey square covers a place; a Grad-CAM map has no unit.
"""

import copy
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from captum.attr import LayerAttribution, LayerGradCam
from PIL import Image
from scipy import ndimage, stats
from torch import nn
from tqdm.auto import tqdm

from deepcovid import (
    augmentation,
    images,
    manifest,
    models,
    phantom,
    preparation,
    profiles,
    runs,
    training,
)  # fmt: skip
from deepcovid.features import Change, ImageSet, to_device
from deepcovid.profiles import Profile
from deepcovid.runs import UserError

FILL = 128  # grey level of the square, 0 to 255
FILLS = (0, 128, 255)  # levels that are compared
BATCH = 32
STEPS, CURVES = 20, 32  # of an insertion or deletion curve, and images it is a mean of
SANITY = 6  # images whose maps are made again with random weights
DRAWS = 100  # of random maps, for an interval
SCORES = ("pointing", "mass", "iou", "average_precision")
MASKS = ("lesion", "lung")  # folders `lesion-masks` and `lung-masks` beside the images
SIDE, PATIENTS, EPOCHS = 64, 120, {None: 10, "marker": 4}  # of the calibration


# --- maps ---


def read(paths: Sequence[Path], size: int, change: Change | None = None) -> torch.Tensor:
    """Model inputs (n, 3, size, size), of pictures to which `change` was done.

    Raises UserError that names a file which cannot be read.
    """
    pictures = ImageSet(list(paths), size, change=change)
    return torch.stack([pictures[0, i] for i in range(len(pictures))])


def grey(fill: float) -> torch.Tensor:
    """A grey level, 0 to 255, as the model's input sees it: (3, 1, 1)."""
    if not 0 <= fill <= 255:
        raise UserError(f"The fill is a grey level from 0 to 255, not {fill}.")
    mean, std = (torch.tensor(v)[:, None, None] for v in (augmentation.MEAN, augmentation.STD))
    return (fill / 255 - mean) / std


@torch.inference_mode()
def probability(model: nn.Module, inputs: torch.Tensor, batch_size: int = BATCH) -> np.ndarray:
    """P(COVID-19) of each input, in evaluation mode."""
    model.eval()
    batches = (b.contiguous(memory_format=torch.channels_last) for b in inputs.split(batch_size))
    return torch.cat([model(b).softmax(1)[:, 1] for b in batches]).float().cpu().numpy()


def starts(length: int, window: int, stride: int) -> np.ndarray:
    """Where the windows begin along a side; the last may stick out and is cut, as Captum does."""
    if not (isinstance(window, int | np.integer) and 1 <= window <= length):
        raise UserError(
            f"A window of {window} px does not fit an image of {length} px: choose 1 to {length}."
        )
    if not (isinstance(stride, int | np.integer) and 1 <= stride <= window):
        raise UserError(
            f"A stride of {stride} px is not possible: choose 1 to the window's {window} px, "
            "or pixels would be left out."
        )
    return np.arange(0, -(-(length - window) // stride) * stride + 1, stride)


@torch.inference_mode()
def occlusion(
    model: nn.Module,
    inputs: torch.Tensor,
    window: int | Sequence[int],
    stride: int | Sequence[int],
    fill: float = FILL,
    batch_size: int = BATCH,
    label: str = "occlusion",
) -> np.ndarray:
    """The drop of P(COVID-19) when a grey `window` px square covers a place: (n, height, width).

    The square moves by `stride` px. A pixel's value is the mean over the squares that cover it.
    Several windows (with as many strides) are several scales, of which the mean is given.

    Captum's `Occlusion` gives the same and is the tested reference. It builds every covered image
    anew, with a mask of its own; here a batch is kept, squares are painted and wiped, and batches
    run on from one image into the next. `benchmarks/occlusion.py` measures what that is worth.
    """
    checked(inputs)
    scales = list(zip(np.atleast_1d(window), np.atleast_1d(stride), strict=True))
    device = inputs.device
    boxes, sides = [], []
    for size, step in scales:
        rows, columns = (starts(length, size, step) for length in inputs.shape[2:])
        sides.append((rows, columns, size))
        boxes += [(r, r + size, c, c + size) for r in rows for c in columns]
    whole = probability(model, inputs, batch_size)
    covered = np.empty(len(inputs) * len(boxes), np.float32)
    paint = grey(fill).to(device)
    batch = torch.empty(
        (batch_size, *inputs.shape[1:]), device=device, memory_format=torch.channels_last
    )
    held = np.full(batch_size, -1)
    with tqdm(total=len(covered), desc=label, unit="window", unit_scale=True) as bar:
        for start in range(0, len(covered), batch_size):
            jobs = np.arange(start, min(start + batch_size, len(covered)))
            which, place = np.divmod(jobs, len(boxes))
            if device.type == "cuda":  # one kernel; there, two small writes an image would be slow
                some = covering(np.array(boxes)[place], inputs.shape[2:], device)
                full = torch.where(some, paint, inputs[torch.from_numpy(which).to(device)])
                full = full.contiguous(memory_format=torch.channels_last)
            else:
                for slot, (i, k) in enumerate(zip(which, place, strict=True)):
                    if held[slot] != i:
                        batch[slot], held[slot] = inputs[i], i
                    top, bottom, left, right = boxes[k]
                    batch[slot, :, top:bottom, left:right] = paint
                full = batch[: len(jobs)]
            covered[jobs] = model(full).softmax(1)[:, 1].float().cpu().numpy()
            if device.type != "cuda":
                for slot, (i, k) in enumerate(zip(which, place, strict=True)):
                    top, bottom, left, right = boxes[k]
                    batch[slot, :, top:bottom, left:right] = inputs[i, :, top:bottom, left:right]
            bar.update(len(jobs))
    drop = (whole[:, None] - covered.reshape(len(inputs), -1)).astype(float)
    maps, first = 0, 0
    for rows, columns, size in sides:
        number = len(rows) * len(columns)
        grid = drop[:, first : first + number].reshape(-1, len(rows), len(columns))
        over_rows, over_columns = (
            ((at >= begin[:, None]) & (at < begin[:, None] + size)).astype(float)
            for begin, at in (
                (rows, np.arange(inputs.shape[2])),
                (columns, np.arange(inputs.shape[3])),
            )
        )
        count = np.outer(over_rows.sum(0), over_columns.sum(0))
        maps = maps + over_rows.T @ grid @ over_columns / count / len(sides)
        first += number
    return maps.astype(np.float32)


def covering(boxes: np.ndarray, shape, device) -> torch.Tensor:
    """Which pixels each box (top, bottom, left, right) covers: bool (n, 1, height, width)."""
    top, bottom, left, right = torch.from_numpy(boxes).to(device).T[:, :, None]
    rows, columns = (torch.arange(length, device=device) for length in shape)
    rows, columns = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def checked(inputs: torch.Tensor) -> None:
    if inputs.ndim != 4 or inputs.shape[1] != 3 or not len(inputs):
        raise UserError(
            f"Model inputs have the shape (n, 3, height, width), not {tuple(inputs.shape)}."
        )


def find_layer(model: models.Classifier, name: str | None = None) -> nn.Module:
    """A layer of the backbone, by default the last convolutional stage; UserError without it."""
    layers = dict(model.backbone.named_modules())
    if not any(isinstance(layer, nn.Conv2d) for layer in layers.values()):
        raise UserError("Grad-CAM needs a convolution, and this model's backbone has none.")
    name = model.last_conv if name is None else name
    if not name or name not in layers:
        there = ", ".join(key for key in layers if key and "." not in key)
        raise UserError(
            f"The backbone has no layer '{name}'. There are: {there}, and those inside."
        )
    return layers[name]


def grad_cam(
    model: models.Classifier,
    inputs: torch.Tensor,
    layer: str | None = None,
    batch_size: int = BATCH,
) -> np.ndarray:
    """Grad-CAM of the COVID-19 logit (Selvaraju et al. 2017): (n, height, width), 0 or more.

    `layer` is a name within the backbone. Negative values are cut, as in the paper, after the
    map is enlarged bilinearly. Works on a copy of the model whose ReLUs do not overwrite their
    inputs: Captum would see the layer's values after they have been overwritten.
    """
    checked(inputs)
    find_layer(model, layer)
    model = copy.deepcopy(model).eval()
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    method = LayerGradCam(model, find_layer(model, layer))
    found = []
    for part in inputs.split(batch_size):
        small = method.attribute(part, target=1)
        if small.ndim != 4:
            raise UserError(f"Layer '{layer}' gives no map that could be laid over the image.")
        large = LayerAttribution.interpolate(small, tuple(inputs.shape[2:]), "bilinear")
        found.append(large.detach()[:, 0].clamp(min=0).cpu())
    return torch.cat(found).numpy()


# --- how well a map agrees with a mask ---


def agreement(heat: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """How a map (height, width) agrees with a bool mask; all values 0 to 1, 1 is best.

    `pointing` (Zhang et al. 2018): share of the map's highest pixels that lie in the mask, 0 or 1
    for a single peak. `mass`: share of the positive values' sum inside. `iou`: intersection over
    union of the mask and as many highest pixels. `average_precision`: of the values as scores of
    pixels. `area`: share of the image that is mask, what an even map's mass gives; a map without
    positive values counts as even.
    """
    heat, mask = np.asarray(heat, dtype=float), np.asarray(mask, dtype=bool)
    if heat.shape != mask.shape:
        raise UserError(f"The map is {heat.shape} px, its mask {mask.shape}: they must be alike.")
    if not mask.any() or not np.isfinite(heat).all():
        raise UserError("Agreement needs a mask that is not empty and a map of finite values.")
    positive = np.maximum(heat, 0)
    order = np.argsort(-heat.ravel(), kind="stable")
    found = mask.ravel()[order].cumsum()  # pixels of the mask among the highest
    both = found[mask.sum() - 1]
    # scikit-learn's average precision, without what it checks for each of thousands of maps
    ends = np.flatnonzero(np.diff(heat.ravel()[order], append=-np.inf))
    precision, recall = found[ends] / (ends + 1), found[ends] / mask.sum()
    return {
        "area": float(mask.mean()),
        "pointing": float(mask[heat == heat.max()].mean()),
        "mass": float(positive[mask].sum() / positive.sum() if positive.any() else mask.mean()),
        "iou": float(both / (2 * mask.sum() - both)),
        "average_precision": float(precision @ np.diff(recall, prepend=0)),
    }


def random_maps(n: int, shape: tuple[int, int], window: int, seed: int = 0) -> np.ndarray:
    """Smooth random maps (n, *shape): noise, averaged over a square `window` as occlusion is.

    Noise from pixel to pixel would be too weak a rival: its peak and its mass scatter as no
    occlusion map's do. Opposite sides are joined, so that no place is favoured.
    """
    noise = np.random.default_rng(seed).standard_normal((n, *shape), dtype=np.float32)
    return ndimage.uniform_filter(noise, (0, window, window), mode="wrap")


def by_chance(masks: np.ndarray, window: int, draws: int, seed: int = 0) -> dict:
    """`agreement` of random maps with masks (n, height, width): mean and 95% interval.

    Each draw gives every mask a random map and takes the mean over the masks; the interval is of
    those means.
    """
    means = {name: [] for name in SCORES}
    for draw in range(draws):
        maps = random_maps(len(masks), masks.shape[1:], window, seed + draw)
        rows = [agreement(*pair) for pair in zip(maps, masks, strict=True)]
        for name, values in means.items():
            values.append(np.mean([row[name] for row in rows]))
    return {
        name: [float(v) for v in (np.mean(values), *np.quantile(values, (0.025, 0.975)))]
        for name, values in means.items()
    }


def patient_interval(values, patient, resamples: int = 2000, seed: int = 0) -> list[float]:
    """Mean of values over images, and its 95% interval by resampling patients."""
    values = np.asarray(values, dtype=float)
    names, group = np.unique(np.asarray(patient), return_inverse=True)
    draws = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), resamples
    )
    sums = np.bincount(group, values, len(names))
    means = draws @ sums / (draws @ np.bincount(group))
    return [float(v) for v in (values.mean(), *np.quantile(means, (0.025, 0.975)))]


# --- does the model agree with its map? ---


def perturbed(model, inputs: torch.Tensor, maps: np.ndarray, fill: float = FILL) -> dict:
    """P(COVID-19) while pixels are covered, or shown, from the map's highest on (RISE, 2018).

    Gives `deletion` and `insertion`, each (n, STEPS + 1): the rows start at the whole image and at
    a grey one. A good map's deletion curve falls soon, its insertion curve rises soon.
    """
    if maps.shape != (len(inputs), *inputs.shape[2:]):
        raise UserError(f"Maps {maps.shape} do not belong to inputs {tuple(inputs.shape)}.")
    paint, found = grey(fill).to(inputs.device), {"deletion": [], "insertion": []}
    for picture, heat in zip(inputs, maps, strict=True):
        rank = np.empty(heat.size)
        rank[np.argsort(-heat.ravel(), kind="stable")] = np.arange(heat.size) / heat.size
        share = np.linspace(0, 1, STEPS + 1)[:, None, None, None]
        taken = torch.from_numpy(rank.reshape(heat.shape) < share).to(inputs.device)
        found["deletion"].append(probability(model, torch.where(taken, paint, picture)))
        found["insertion"].append(probability(model, torch.where(taken, picture, paint)))
    return {name: np.array(curves) for name, curves in found.items()}


def rank_correlation(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each map with its other, -1 to 1; 0 where one is even."""
    rows = []
    for heat, other in zip(maps, others, strict=True):
        even = np.ptp(heat) == 0 or np.ptp(other) == 0
        rows.append(0.0 if even else stats.spearmanr(heat.ravel(), other.ravel()).statistic)
    return np.array(rows)


def randomised(model: models.Classifier, name: str, seed: int) -> dict[str, models.Classifier]:
    """The model with a new random head, and with all weights new (Adebayo et al. 2018)."""
    fresh, _ = models.build(name, "random", seed)
    device = next(model.parameters()).device
    head = models.Classifier(model.backbone, fresh.head, model.last_conv)
    return {"head": to_device(head, device), "all": to_device(fresh, device)}


# --- the instrument's calibration: models of which it is known what they look at ---


def network(seed: int) -> models.Classifier:
    """A small convolutional network, for phantoms of `SIDE` px."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers, before = [], 3
        for depth, width in enumerate((8, 16, 32, 64, 64)):
            layers += [nn.Conv2d(before, width, 3, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.ReLU()] + [nn.MaxPool2d(2)] * (depth < 3)
            before = width
        backbone = nn.Sequential(nn.Sequential(*layers), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return models.Classifier(backbone, nn.Linear(before, 2), "0")


def twins(first: int, n: int, shortcut: str | None):
    """`n` phantom patients from seed `first` on, each drawn without finding and with COVID-19.

    Only the lesion tells the two apart, and the `shortcut`, which COVID-19 bears. Gives inputs
    (2n, 3, SIDE, SIDE), labels, and bool masks of the lesion and of the box around the shortcut.
    """
    pictures, lesions, marks = [], [], []
    for seed in range(first, first + n):
        pictures.append(phantom.radiograph("No Finding", seed, SIDE).image)
        plain = drawn = phantom.radiograph("COVID-19", seed, SIDE)
        if shortcut:
            drawn = phantom.radiograph("COVID-19", seed, SIDE, shortcut)
        pictures.append(drawn.image)
        lesions.append(plain.lesion)
        marks.append(np.zeros_like(plain.lesion))
        for box in ndimage.find_objects((drawn.image != plain.image).astype(int)):
            marks[-1][box] = True
    change = augmentation.to_input(SIDE)
    inputs = torch.stack([change(Image.fromarray(p).convert("RGB")) for p in pictures])
    label = torch.tensor([0, 1] * n)
    return inputs.contiguous(memory_format=torch.channels_last), label, lesions, marks


def taught(shortcut: str | None = None, seed: int = 0) -> models.Classifier:
    """`network`, trained on `PATIENTS` twins with or without a shortcut; seconds on a CPU."""
    model = network(seed)
    inputs, label, *_ = twins(1_000 + 100_000 * seed, PATIENTS, shortcut)
    recipe = profiles.load("demo", {"epochs": EPOCHS[shortcut], "learning_rate": 1e-3}
                           | {"trainable": "head", "batch_norm": "train", "selection": "last"})  # fmt: skip
    # for `fit` the whole network is a head, and the images are the features it reads
    whole = models.Classifier(nn.Identity(), to_device(model, torch.device("cpu")), "")
    training.fit(recipe, whole, {"train": training.Inputs(label, cached=inputs)}, seed)
    return model.eval().requires_grad_(False)


def calibrate(folder: Path, n: int = 16) -> dict:
    """Do the maps show what a model is known to look at? `calibration.json` and `.npz`, cached.

    Two networks, `lesion` trained without and `marker` trained with a planted corner marker, each
    on `n` new phantoms with COVID-19. Per network: ROC AUC, and `agreement` of each method's maps
    with the masks of lesion and marker, mean and 95% interval, beside random maps.
    """
    path = folder / "calibration.json"
    stamp = runs.code_digest(phantom, models, training, sys.modules[__name__])
    if runs.done(path, stamp):
        return runs.read_json(path)
    found, kept = {}, {}
    for name, shortcut in (("lesion", None), ("marker", "marker")):
        model = taught(shortcut)
        inputs, label, lesions, marks = twins(900_000, n, shortcut)
        score, ill = probability(model, inputs), inputs[label == 1]
        window = SIDE // 7
        # no map resolves less than a window, so that the marker's box is widened by half of one
        marks = [ndimage.binary_dilation(m, np.ones((3, 3)), window // 2) for m in marks]
        maps = {"occlusion": occlusion(model, ill, window, 2 * window // 3, label=name)}
        maps["Grad-CAM"] = grad_cam(model, ill)
        rows = {}
        masks = {"lesion": lesions, "marker": marks} if shortcut else {"lesion": lesions}
        for mask, of in masks.items():
            rows[mask] = {"random maps": by_chance(np.array(of), window, DRAWS)}
            for method, heat in maps.items():
                each = pd.DataFrame([agreement(*pair) for pair in zip(heat, of, strict=True)])
                rows[mask][method] = {s: patient_interval(each[s], range(n)) for s in SCORES}
        found[name] = {
            "auc": float(training.roc_auc_score(label, score)),
            "phantoms": n,
            "window": window,
            "agreement": rows,
        }
        kept |= {f"{name} {method}": heat for method, heat in maps.items()}
        kept |= {f"{name} pictures": pictures_of(ill), f"{name} scores": score[label == 1]}
        kept[f"{name} masks"] = np.array(marks if shortcut else lesions)
    with runs.replacing(folder / "calibration.npz") as partial, partial.open("wb") as file:
        np.savez_compressed(file, **kept)
    runs.write_json(path, rounded(found))
    runs.mark_done(path, stamp)
    return runs.read_json(path)


def pictures_of(inputs: torch.Tensor) -> np.ndarray:
    """Model inputs as pictures again: uint8 (n, height, width)."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (augmentation.MEAN, augmentation.STD))
    grey = (inputs.cpu() * std + mean).mean(1) * 255
    return grey.round().clamp(0, 255).to(torch.uint8).numpy()


def rounded(value, digits: int = 4):
    """JSON-able data with its numbers rounded."""
    if isinstance(value, dict):
        return {key: rounded(v, digits) for key, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [rounded(v, digits) for v in value]
    return round(float(value), digits) if isinstance(value, float | np.floating) else value


# --- a run's own model ---


def read_mask(
    profile: Profile, kind: str, image: str, prepare: preparation.Preparation | None
) -> np.ndarray | None:
    """The `lesion` or `lung` mask of an image as the model sees it, bool; None without one.

    Raises UserError where the mask has not its picture's size.
    """
    path = (profile.data_folder / f"{kind}-masks" / image).with_suffix(".png")
    if not path.is_file():
        return None
    with Image.open(path) as file:
        mask = file.convert("1")
    of = augmentation.locate(profile, image)
    picture = images.open_radiograph(of)
    if mask.size != picture.size:
        raise UserError(
            f"{path} has {mask.size} px, its radiograph {picture.size}: they must be alike."
        )
    if prepare:
        prepare(picture, of)
        mask = prepare.framed(mask, of)
    return np.array(mask.resize((profile.image_size,) * 2, Image.Resampling.NEAREST))


def chosen(profile: Profile, split: str) -> pd.DataFrame:
    """The COVID-19 originals of a split that have a mask (all, where none has); of a phantom 6."""
    table = manifest.originals(manifest.read(profile.folder / "manifest.csv"))
    table = table[(table.split == split) & (table.label == 1)]
    masked = [
        any((profile.data_folder / f"{m}-masks" / i).with_suffix(".png").is_file() for m in MASKS)
        for i in table.image
    ]
    table = table[masked] if any(masked) else table
    return (table.head(6) if profile.data == "phantom" else table).reset_index(drop=True)


def windows(profile: Profile) -> list[int]:
    """Window sides in px: a 7th of the image, and twice that."""
    return [profile.image_size // 7, 2 * (profile.image_size // 7)]


def run(profile: Profile, name: str | None = None, split: str = "test") -> dict:
    """Maps of a trained model on the COVID-19 images of a split, and what they are worth.

    Writes `heatmaps.json` (numbers only) and, for the overlays, `heatmaps/maps.npz` (float16);
    both are kept while model, images and code are the same. The first model and seed by default.
    Squares move by half their side.
    """
    name, seed = name or profile.models[0], profile.seeds[0]
    model = training.load(profile, name, seed).eval()
    table, size = chosen(profile, split), profile.image_size
    end = "" if split == "test" else f"-{split}"
    path = profile.folder / f"heatmaps{end}.json"
    code = runs.code_digest(models, augmentation, images, sys.modules[__name__])
    prepare = preparation.of(profile)
    made_from = [models.state_digest(model), list(table.sha1), size, windows(profile), code]
    made_from += [prepare.variant] if prepare else []
    stamp = runs.digest(made_from)
    if runs.done(path, stamp):
        return runs.read_json(path)
    device = models.device_of(profile.device)
    to_device(model, device)
    paths = [augmentation.locate(profile, image) for image in table.image]
    inputs = read(paths, size, prepare).to(device, memory_format=torch.channels_last)
    maps = {
        f"occlusion {w} px": occlusion(model, inputs, w, w // 2, label=f"occlusion {w} px")
        for w in windows(profile)
    }
    main = next(iter(maps))
    maps["Grad-CAM"] = grad_cam(model, inputs)
    # another patient's map: what is gained by standing where chests usually are
    patient = table.patient.to_numpy()
    other = [next((j % len(patient) for j in range(i + 1, i + len(patient))
                   if patient[j % len(patient)] != patient[i]), i) for i in range(len(patient))]  # fmt: skip
    judged = maps | {f"{m}, another patient's": maps[m][other] for m in (main, "Grad-CAM")}
    rows, chance, by_fill = [], {}, {}
    for kind in MASKS:
        masks = {i: read_mask(profile, kind, image, prepare) for i, image in enumerate(table.image)}
        masks = {i: mask for i, mask in masks.items() if mask is not None and mask.any()}
        for method, heat in judged.items():
            rows += [
                {"image": i, "mask": kind, "method": method} | agreement(heat[i], mask)
                for i, mask in masks.items()
            ]
        if kind == "lung":
            by_fill = fills(model, inputs, masks, windows(profile)[0])
        if masks:
            step = max(1, size // 64)  # random maps are smooth: fewer pixels say the same
            small = np.array([mask[::step, ::step] for mask in masks.values()])
            small = small[small.any(axis=(1, 2))]
            chance[kind] = by_chance(small, max(1, windows(profile)[0] // step), DRAWS)
    some = inputs[:CURVES]
    drawn = random_maps(len(some), (size, size), windows(profile)[0])
    curves = {
        method: {n: c.mean(0) for n, c in perturbed(model, some, heat[: len(some)]).items()}
        for method, heat in {
            main: maps[main],
            "Grad-CAM": maps["Grad-CAM"],
            "random": drawn,
        }.items()
    }
    score = probability(model, inputs)
    found = {
        "notice": runs.NOTICE,
        "model": name,
        "seed": seed,
        "split": split,
        "weights": models.find_weights(profile.weights, name)[1].label(),
        "image_size": size,
        "windows": windows(profile),
        "fill": FILL,
        "images": table[["image", "patient"]].assign(score=score.astype(float)).to_dict("list"),
        "agreement": pd.DataFrame(rows).to_dict("list"),
        "random_maps": chance,
        "fills": by_fill,
        "curves": {"images": len(some), **curves},
        "randomised": sanity(model, name, seed, inputs[:SANITY], maps, windows(profile)[0]),
    }
    found["lungs"] = lungs(found).to_dict("index")
    kept = profile.folder / "heatmaps" / f"maps{end}.npz"
    with runs.replacing(kept) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **{m: h.astype(np.float16) for m, h in maps.items()})
    runs.write_json(path, rounded(found))
    runs.mark_done(path, stamp)
    return runs.read_json(path)


def sanity(model, name: str, seed: int, inputs: torch.Tensor, maps: dict, window: int) -> dict:
    """Rank correlation of maps with those of the model with random weights, per image.

    `chance` is the 95% interval of the correlation of two smooth random maps.
    """
    main, found = next(iter(maps)), {}
    for what, other in randomised(model, name, seed + 1).items():
        again = {
            main: occlusion(other, inputs, window, window // 2, label=f"random {what}"),
            "Grad-CAM": grad_cam(other, inputs),
        }
        found[what] = {m: rank_correlation(maps[m][: len(inputs)], h) for m, h in again.items()}
    first, second = (random_maps(100, inputs.shape[2:], window, s) for s in (1, 2))
    return found | {"chance": np.quantile(rank_correlation(first, second), (0.025, 0.975))}


def fills(model, inputs: torch.Tensor, masks: dict[int, np.ndarray], window: int) -> dict:
    """What the grey level of the square does to occlusion maps of up to `CURVES` images.

    Per level: `alone`, P(COVID-19) of an image that is nothing but this grey; `inside`, the share
    of the maps inside `masks` (by image), mean over images; `like`, the mean rank correlation with
    the maps by `FILL`. The squares do not overlap, to be quick.
    """
    which = [i for i in masks if i < CURVES]
    if not which:
        return {}
    maps = {
        fill: occlusion(model, inputs[which], window, window, fill, label=f"grey level {fill}")
        for fill in dict.fromkeys((FILL, *FILLS))
    }
    return {
        str(fill): {
            "alone": float(probability(model, grey(fill).to(inputs).expand_as(inputs[:1]))[0]),
            "inside": float(
                np.mean([agreement(h, masks[i])["mass"] for h, i in zip(heat, which, strict=True)])
            ),
            "like": float(rank_correlation(heat, maps[FILL]).mean()),
        }
        for fill, heat in maps.items()
    }


# --- for readers ---


def examples(profile: Profile, n: int = 3) -> tuple[torch.Tensor, list[np.ndarray]]:
    """The first `n` of a run's test images as its models see them, and what to outline on each.

    Outlined are the lesions, else the lungs, else nothing.
    """
    table, prepare = chosen(profile, "test").head(n), preparation.of(profile)
    paths = [augmentation.locate(profile, image) for image in table.image]
    none = np.zeros((profile.image_size,) * 2, bool)
    masks = [
        next((m for kind in MASKS if (m := read_mask(profile, kind, i, prepare)) is not None), none)
        for i in table.image
    ]
    return read(paths, profile.image_size, prepare), masks


def of_all_models(profile: Profile, inputs: torch.Tensor) -> dict[str, np.ndarray]:
    """Grad-CAM of the first input by each model of a run, largest value 1, by the model's name."""
    maps = {
        name: grad_cam(training.load(profile, name, profile.seeds[0]), inputs[:1])[0]
        for name in profile.models
    }
    return {name: heat / max(float(heat.max()), 1e-12) for name, heat in maps.items()}


def committed(folder: Path) -> dict:
    """The published numbers in a folder; empty where none were."""
    path = folder / "heatmaps.json"
    return runs.read_json(path) if path.is_file() else {}


def methods(found: dict) -> list[str]:
    """The methods of a run, without those of other patients' maps."""
    named = dict.fromkeys(found["agreement"].get("method", []))
    return [name for name in named if "another" not in name]


def agreement_table(found: dict) -> pd.DataFrame:
    """Agreement of each map of a run, a row each, with the image's patient and score.

    Without rows where no image has a mask.
    """
    about = pd.DataFrame(found["images"])
    given = found["agreement"] or {key: [] for key in ("image", "mask", "method", "area", *SCORES)}
    return pd.DataFrame(given).join(about.drop(columns="image"), on="image")


def told(values: Sequence[float]) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*values)


def numbers(found: dict) -> pd.DataFrame:
    """Agreement of each method, a row per mask, method and score: mean, low, high (95%).

    The intervals of maps resample patients; those of `random maps` are of the means of draws.
    """
    rows = []
    for mask, of in agreement_table(found).groupby("mask", sort=False):
        methods = {
            method: {name: patient_interval(part[name], part.patient) for name in SCORES}
            for method, part in of.groupby("method", sort=False)
        }
        rows += flat(mask, methods | {"random maps": found["random_maps"][mask]})
    return pd.DataFrame(rows, columns=["mask", "method", "score", "mean", "low", "high"])


def flat(mask: str, methods: dict) -> list[dict]:
    return [
        {"mask": mask, "method": method, "score": name, "mean": v[0], "low": v[1], "high": v[2]}
        for method, values in methods.items()
        for name, v in values.items()
    ]


def calibration_numbers(found: dict, network: str) -> pd.DataFrame:
    """`numbers` of a network of `calibrate`."""
    parts = found[network]["agreement"].items()
    return pd.DataFrame([row for mask, methods in parts for row in flat(mask, methods)])


def summary(numbers: pd.DataFrame) -> pd.DataFrame:
    """`numbers` for a reader: a row per mask and method, a column per score."""
    shown = numbers.assign(told=[told(v) for v in numbers[["mean", "low", "high"]].to_numpy()])
    order = shown[["mask", "method"]].drop_duplicates()
    table = shown.pivot(index=["mask", "method"], columns="score", values="told")
    return table.loc[pd.MultiIndex.from_frame(order), list(SCORES)].rename_axis(columns=None)


def randomised_table(found: dict) -> pd.DataFrame:
    """Mean rank correlation of maps before and after weights were drawn anew, and by chance."""
    low, high = found["randomised"]["chance"]
    methods = found["randomised"]["all"]
    rows = {m: {w: np.mean(found["randomised"][w][m]) for w in ("head", "all")} for m in methods}
    table = pd.DataFrame(rows).T.rename(columns={"head": "new head", "all": "all weights new"})
    return table.assign(**{"95% of random maps": f"{low:.2f} to {high:.2f}"})


def lungs(found: dict) -> pd.DataFrame:
    """Share of each method's map inside the lungs, beside the lungs' share of the image.

    Columns: images, patients, `inside` and `excess` (inside less the lungs' share), each
    (mean, low, high) by patients; `called`: the excess among images with a score from 0.5 on.
    """
    table = agreement_table(found)
    rows = {}
    for method, part in table[table["mask"] == "lung"].groupby("method", sort=False):
        called = part[part.score >= 0.5]
        rows[method] = {
            "images": len(part),
            "patients": part.patient.nunique(),
            "lung share": part.area.mean(),
            "inside": patient_interval(part["mass"], part.patient),
            "excess": patient_interval(part["mass"] - part.area, part.patient),
            "called": patient_interval(called["mass"] - called.area, called.patient)
            if len(called)
            else [float("nan")] * 3,
        }
    return pd.DataFrame(rows).T.rename(index=str)


def lungs_table(found: dict) -> pd.DataFrame:
    """`lungs` for a reader."""
    table = lungs(found)
    table["lung share"] = table["lung share"].map("{:.2f}".format)
    for column in ("inside", "excess", "called"):
        table[column] = table[column].map(told)
    return table.rename(columns={"called": "excess, score from 0.5"})


def fills_table(found: dict) -> pd.DataFrame:
    """`fills` for a reader, a row per grey level."""
    names = {
        "alone": "P(COVID-19) of a grey image",
        "inside": "share of the map inside the lungs",
        "like": f"rank correlation with level {FILL}",
    }
    return pd.DataFrame(found["fills"]).T.rename(columns=names).rename_axis("grey level")


def own(found: dict) -> dict[str, list[float]]:
    """By how much more a patient's own map lies in the lungs than another patient's does.

    Mean over images and 95% interval, by method.
    """
    table = agreement_table(found)
    table = table[table["mask"] == "lung"].set_index(["method", "image"])
    result = {}
    for method in methods(found):
        other = f"{method}, another patient's"
        if other in table.index:
            gain = table.loc[method]["mass"] - table.loc[other]["mass"]
            result[method] = patient_interval(gain, table.loc[method].patient)
    return result


def verdict(low: float, high: float) -> str:
    return "more than" if low > 0 else "less than" if high < 0 else "no more than"


def calibration_answer(found: dict) -> str:
    """What `calibrate` found, in Markdown."""
    lines = []
    for network, mask in (("lesion", "lesion"), ("marker", "marker"), ("marker", "lesion")):
        methods = found[network]["agreement"][mask]
        _, low, high = methods["random maps"]["pointing"]
        hits = " and ".join(
            f"{methods[m]['pointing'][0]:.0%} ({m})" for m in methods if m != "random maps"
        )
        lines.append(
            f"- Network taught the {network}: the peak lies in the {mask} in {hits} of "
            f"{found[network]['phantoms']} phantoms; random maps: {low:.0%} to {high:.0%}."
        )
    return "\n".join(lines)


def answer(found: dict) -> str:
    """What a run's maps say, in Markdown, computed from its numbers; `found` may be empty."""
    if not found or not found["agreement"]:
        return "there is nothing to say: no maps, or no masks to compare them with."
    lines, table = [], lungs(found)
    about = f"{found['model']}, {len(found['images']['image'])} COVID-19 images"
    for method, row in table.iterrows():
        if "another" in method:
            continue
        inside, excess = row["inside"], row["excess"]
        lines.append(
            f"- {method}: **{inside[0]:.0%}** of the map lies inside the lungs, which are "
            f"{row['lung share']:.0%} of the image: {verdict(*excess[1:])} an even map would give "
            f"({100 * excess[0]:+.0f} points, {100 * excess[1]:+.0f} to {100 * excess[2]:+.0f})."
        )
    for mask, chance in found["random_maps"].items():
        of = agreement_table(found)
        of = of[(of["mask"] == mask) & ~of.method.str.contains("another")]
        for method, part in of.groupby("method", sort=False):
            _, low, high = chance["pointing"]
            hit = part.pointing.mean()
            said = "above" if hit > high else "below" if hit < low else "within"
            lines.append(
                f"- {method}: its peak lies in the {mask} in {hit:.0%} of images, {said} what "
                f"random maps do ({low:.0%} to {high:.0%})."
            )
    for method, (gain, low, high) in own(found).items():
        said = "more than" if low > 0 else "less than" if high < 0 else "no more than"
        lines.append(
            f"- {method}: a patient's own map lies in the lungs {said} another patient's map laid "
            f"over them ({100 * gain:+.1f} points, {100 * low:+.1f} to {100 * high:+.1f})."
        )
    if found["fills"]:
        alone = ", ".join(f"{v['alone']:.2f} (level {k})" for k, v in found["fills"].items())
        inside = ", ".join(f"{v['inside']:.0%} (level {k})" for k, v in found["fills"].items())
        lines.append(
            f"- The square itself is an answer: P(COVID-19) of an image of nothing but its grey is "
            f"{alone}. Inside the lungs lies, by its level: {inside}."
        )
    return f"**{about}** ({found['weights']} weights)\n\n" + "\n".join(lines)
