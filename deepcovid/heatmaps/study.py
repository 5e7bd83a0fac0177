"""Occlusion maps and Grad-CAM, and whether to believe them.

A map is a float32 array of the size of the model's input. An occlusion map holds the drop of
P(COVID-19), -1 to 1, when a grey square covers a place; a Grad-CAM map has no unit.
"""

import sys

import numpy as np
import pandas as pd
import torch
from PIL import Image

from deepcovid import runs
from deepcovid.data import augmentation, images, manifest
from deepcovid.heatmaps.agreement import (
    CURVES,
    agreement,
    by_chance,
    perturbed,
    random_maps,
    randomised,
    rank_correlation,
)
from deepcovid.heatmaps.calibration import DRAWS
from deepcovid.heatmaps.maps import FILL, grad_cam, grey, occlusion, probability, read
from deepcovid.heatmaps.tables import lungs
from deepcovid.models import networks, preparation, training
from deepcovid.models.features import to_device
from deepcovid.profiles import Profile
from deepcovid.runs import UserError

FILLS = (0, 128, 255)  # levels that are compared
SANITY = 6  # images whose maps are made again with random weights
MASKS = ("lesion", "lung")  # folders `lesion-masks` and `lung-masks` beside the images


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
    code = runs.code_digest(networks, augmentation, images, sys.modules[__name__])
    prepare = preparation.of(profile)
    made_from = [networks.state_digest(model), list(table.sha1), size, windows(profile), code]
    made_from += [prepare.variant] if prepare else []
    stamp = runs.digest(made_from)
    if runs.done(path, stamp):
        return runs.read_json(path)
    device = networks.device_of(profile.device)
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
        "weights": networks.find_weights(profile.weights, name)[1].label(),
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
