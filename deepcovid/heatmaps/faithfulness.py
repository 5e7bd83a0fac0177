"""Does a map depend on what its model learned, and does the model agree with its map?"""

import numpy as np
import torch

from deepcovid.heatmaps.agreement import (
    agreement,
    coarse,
    correlation_by_chance,
    random_maps,
    rank_correlation,
)
from deepcovid.heatmaps.claim import RANDOM
from deepcovid.heatmaps.maps import FILL, grad_cam, grey, occlusion, probability
from deepcovid.models import networks
from deepcovid.models.features import to_device

STEPS = 10  # of an insertion or deletion curve
FILLS = (0, 255)  # grey levels that are compared with `FILL`


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


def mean_curves(
    model, inputs: torch.Tensor, made: dict[str, np.ndarray], window: int
) -> list[dict]:
    """Deletion and insertion, means over inputs, by the maps `made` and by random ones: a row a point."""
    drawn = random_maps(len(inputs), inputs.shape[2:], window)
    return [
        {
            "curve": name,
            "method": method,
            "share": step / STEPS,
            "value": value,
            "images": len(inputs),
        }
        for method, heat in (made | {RANDOM: drawn}).items()
        for name, values in perturbed(model, inputs, heat[: len(inputs)]).items()
        for step, value in enumerate(values.mean(0))
    ]


def randomised(model: networks.Classifier, name: str, seed: int) -> dict[str, networks.Classifier]:
    """The model with a new random head, and with all weights new (Adebayo et al. 2018)."""
    fresh, _ = networks.build(name, "random", seed)
    device = next(model.parameters()).device
    head = networks.Classifier(model.backbone, fresh.head, model.last_conv)
    return {"head": to_device(head, device), "all": to_device(fresh, device)}


def sanity(
    model, name: str, seed: int, inputs: torch.Tensor, maps: dict, window: int, stride: int
) -> dict:
    """Rank correlation of maps with those of the model with random weights, per image.

    `maps` holds those of the images by method, the first of them occlusion by `window`, moved by
    `stride`. `chance`: 95% interval of the mean of as many correlations of smooth random maps.
    """
    main, found = next(iter(maps)), {}
    for what, other in randomised(model, name, seed + 1).items():
        again = {
            main: occlusion(other, inputs, window, stride, label=f"random {what}"),
            "Grad-CAM": grad_cam(other, inputs),
        }
        found[what] = {m: rank_correlation(maps[m][: len(inputs)], h) for m, h in again.items()}
    small, window = coarse(np.ones((1, *inputs.shape[2:]), bool), window)
    return found | {"chance": correlation_by_chance(len(inputs), small.shape[1:], window)[1:]}


def fills(model, inputs: torch.Tensor, masks: list, made: np.ndarray, window: int) -> dict:
    """What the grey level of the square does to occlusion maps.

    Per level: `alone`, P(COVID-19) of an image that is nothing but this grey; `inside`, the share
    of the maps inside `masks` (one an image), mean over images; `like`, the mean rank correlation
    with the maps `made` by `FILL`. Squares of the other levels do not overlap, to be quick.
    """
    maps = {FILL: made} | {
        fill: occlusion(model, inputs, window, window, fill, label=f"grey level {fill}")
        for fill in FILLS
    }
    return {
        str(fill): {
            "alone": float(probability(model, grey(fill).to(inputs).expand_as(inputs[:1]))[0]),
            "inside": float(
                np.mean([agreement(*pair)["mass"] for pair in zip(heat, masks, strict=True)])
            ),
            "like": float(rank_correlation(heat, maps[FILL]).mean()),
        }
        for fill, heat in maps.items()
    }
