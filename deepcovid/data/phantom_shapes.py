"""What a phantom is drawn with: soft edges, ellipsoids, bones seen from the side, lines, noise.

Lengths are in half image widths, x to the right, y down, 0 in the centre.
"""

import functools
from types import SimpleNamespace

import numpy as np
from scipy import ndimage, sparse


@functools.cache
def _upsampler(coarse: int, size: int) -> sparse.csr_array:
    """The size x coarse matrix that sums cubic B-splines, for `texture`."""
    at = (np.arange(size) + 0.5) * coarse / size - 0.5
    rows = [
        ndimage.map_coordinates(unit, at[None], order=3, prefilter=False, mode="nearest")
        for unit in np.eye(coarse)
    ]
    return sparse.csr_array(np.transpose(rows))


def texture(rng: np.random.Generator, size: int, *scales: int) -> np.ndarray:
    """Smooth noise around 0, of deviation about 1, with `scales` bumps across the image."""
    total = np.zeros((size, size))
    for scale in scales:
        rows = _upsampler(scale, size)  # sparse, as dense products wake all processor cores
        smooth = rows @ (rows @ rng.standard_normal((scale, scale))).T
        total += 2 * (scales[0] / scale) ** 0.6 * smooth
    return total


def step(distance: np.ndarray, softness: float = 0.01) -> np.ndarray:
    """0 outside (distance < 0), 1 inside, with a soft edge."""
    t = distance / (2 * softness)
    t += 0.5
    np.clip(t, 0, 1, out=t)  # in place, as this is where most of the time goes
    smooth = t * -2
    smooth += 3
    smooth *= t
    smooth *= t
    return smooth


def bump(offset: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-((offset / width) ** 2))


def bone(offset: np.ndarray, half_width) -> np.ndarray:
    """A hollow bone seen from the side: dense cortex at its edges, spongy between."""
    t = np.abs(offset) / half_width
    return step(1 - t, 0.2) * (0.6 + 0.5 * np.minimum(t, 1) ** 2)


def ball(b: SimpleNamespace, x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """Thickness of an ellipsoid: 1 in its centre, 0 outside."""
    return np.sqrt(np.maximum(1 - ((b.x - x) / rx) ** 2 - ((b.y - y) / ry) ** 2, 0))


def strokes(b: SimpleNamespace, x, y, height, sigma: float) -> np.ndarray:
    """Soft lines, `height` thick, through the dense points of `x` and `y`, a line per row."""
    size = len(b.x)
    x, y, height = np.broadcast_arrays(x, y, height)
    (xx, xy), (yx, yy) = np.linalg.inv(b.turn)
    col, row = xx * x + xy * y + b.shift[0], yx * x + yy * y + b.shift[1]
    col, row = ((at + 1) * size / 2 - 0.5 for at in (col, row))
    step = np.hypot(np.gradient(col, axis=-1), np.gradient(row, axis=-1))
    weight = height * step * np.sqrt(2 * np.pi) * sigma * size / 2
    col, row = np.rint(col).astype(int), np.rint(row).astype(int)
    on = (col >= 0) & (col < size) & (row >= 0) & (row < size)
    total = np.bincount((row * size + col)[on], weight[on], size * size).reshape(size, size)
    return ndimage.gaussian_filter(total, sigma * size / 2, truncate=3)
