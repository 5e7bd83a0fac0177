"""How far a map agrees with a mask, or with another map, and what chance gives. No torch."""

import numpy as np
import pandas as pd
from scipy import ndimage, stats

from deepcovid.metrics.intervals import predict_positive

SCORES = ("pointing", "mass", "iou", "average_precision")
MEASURES = ("area", *SCORES, "highlighted", "contained", "captured")  # of `agreement`
SHARES = np.linspace(0, 1, 21)  # of an image, where curves are kept
HALF = 0.5  # of a map's largest value: where it is cut, if at one place
DRAWS = 100  # of random maps, for an interval


def agreement(heat: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """How a map (height, width) agrees with a bool mask that is not empty; all values 0 to 1, 1 is best.

    `pointing` (Zhang et al. 2018): share of the map's highest pixels that lie in the mask, 0 or 1
    for a single peak. `mass`: share of the positive values' sum inside. `iou`: intersection over
    union of the mask and as many highest pixels. `average_precision`: of the values as scores of
    pixels. `area`: share of the image that is mask, what an even map's mass gives; a map without
    positive values counts as even. Pixels of equal value share. `captured`: area under the share of
    the mask against the share of the image, over all thresholds; an even map's is 0.5.
    `highlighted`: share of the image that has `HALF` of the largest value at least; nothing, where
    no value is positive. `contained`: share of the mask within.
    """
    heat, mask = np.asarray(heat), np.asarray(mask, dtype=bool)
    pixels, found = captured(heat, mask)
    heat = heat.astype(float)
    positive, region = np.maximum(heat, 0), (heat >= HALF * heat.max()) & (heat > 0)
    both = np.interp(mask.sum(), pixels, found)
    # scikit-learn's average precision, without what it checks for each of thousands of maps
    precision = found[1:] / pixels[1:]
    return {
        "area": float(mask.mean()),
        "pointing": float(mask[heat == heat.max()].mean()),
        "mass": float(positive[mask].sum() / positive.sum() if positive.any() else mask.mean()),
        "iou": float(both / (2 * mask.sum() - both)),
        "average_precision": float(precision @ np.diff(found) / mask.sum()),
        "highlighted": float(region.mean()),
        "contained": float(region[mask].mean()),
        "captured": float(np.trapezoid(found, pixels) / (mask.size * mask.sum())),
    }


def captured(heat: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many pixels of a bool mask are among the map's highest: corners of a curve from (0, 0).

    Gives numbers of highest pixels and how many of them lie in the mask. Equal values come
    together: between two corners they share evenly, wherever in the image they lie.
    """
    order = np.argsort(-heat.ravel())
    ends = np.flatnonzero(np.diff(heat.ravel()[order], append=-np.inf))
    found = mask.ravel()[order].cumsum()[ends]
    return np.concatenate([[0], ends + 1]), np.concatenate([[0], found])


def curve(heat: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Share of the mask within the map's highest pixels, where they are `SHARES` of the image."""
    pixels, found = captured(heat, mask)
    return np.interp(SHARES * mask.size, pixels, found / mask.sum())


def points(curves, **about) -> list[dict]:
    """The mean of curves (n, points) over shares from 0 to 1, a row a point, as `curves.csv` has it."""
    if not len(curves):
        return []
    about["images"], mean = len(curves), np.mean(curves, axis=0)
    shares = np.linspace(0, 1, len(mean))
    return [about | {"share": x, "value": y} for x, y in zip(shares, mean, strict=True)]


def turned(heat: np.ndarray, mask: np.ndarray, score: float) -> dict[str, float]:
    """`turned` and `turned_area`: what the text's rule highlights, of the mask and of the image.

    Nothing where `score`, P(COVID-19), calls no COVID-19 that could turn.
    """
    if not predict_positive(score, 0.5):
        return {}
    region = heat > score - 0.5
    return {"turned": float(region[mask].mean()), "turned_area": float(region.mean())}


def random_maps(n: int, shape: tuple[int, int], window: int, seed: int = 0) -> np.ndarray:
    """Smooth random maps (n, *shape): noise, averaged over a square `window` as occlusion is.

    Noise from pixel to pixel would be too weak a rival: its peak and its mass scatter as no
    occlusion map's do. Opposite sides are joined, so that no place is favoured.
    """
    noise = np.random.default_rng(seed).standard_normal((n, *shape), dtype=np.float32)
    return ndimage.uniform_filter(noise, (0, window, window), mode="wrap")


def coarse(masks, window: int) -> tuple[np.ndarray, int]:
    """Masks (n, height, width) and a window at about 64 px a side, for `by_chance`.

    Random maps are smooth: fewer pixels say the same. A mask that gets lost is left out, unless all do.
    """
    step = max(1, len(masks[0]) // 64)
    small = np.array([mask[::step, ::step] for mask in masks])
    if not small.any():
        return np.array(masks), window
    return small[small.any(axis=(1, 2))], max(1, window // step)


def by_chance(
    masks: np.ndarray, window: int, draws: int = DRAWS, seed: int = 0
) -> dict[str, list[float]]:
    """What random maps score on bool masks (n, height, width): mean and 95% interval.

    Each draw gives every mask a random map and takes the mean over the masks; the interval is of
    those means, for as many images as there are masks.
    """
    rows = [
        agreement(*pair) | {"draw": draw} for draw in range(draws)
        for pair in zip(random_maps(len(masks), masks.shape[1:], window, seed + draw), masks, strict=True)
    ]  # fmt: skip
    means = pd.DataFrame(rows).groupby("draw").mean().drop(columns="area")
    return {name: interval(values) for name, values in means.items()}


def interval(values) -> list[float]:
    """Mean of draws and the middle 95% of them."""
    return [float(v) for v in (np.mean(values), *np.quantile(values, (0.025, 0.975)))]


def rank_correlation(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each map with its other, -1 to 1; 0 where one is even."""
    rows = []
    for heat, other in zip(maps, others, strict=True):
        even = np.ptp(heat) == 0 or np.ptp(other) == 0
        rows.append(0.0 if even else stats.spearmanr(heat.ravel(), other.ravel()).statistic)
    return np.array(rows)


def correlation_by_chance(n: int, shape, window: int, draws: int = DRAWS) -> list[float]:
    """Mean over `n` pairs of random maps of their rank correlation: mean and 95% interval."""
    pairs = ((random_maps(n, shape, window, 2 * draw + i) for i in (0, 1)) for draw in range(draws))
    return interval([rank_correlation(*pair).mean() for pair in pairs])


def of_another(patients) -> list[int]:
    """For each image the next one of another patient; its own position where there is none.

    Another patient's map shows what is gained by standing where chests usually are.
    """
    n = len(patients)
    return [next((j % n for j in range(i + 1, i + n) if patients[j % n] != patients[i]), i)
            for i in range(n)]  # fmt: skip
