"""What is left of a picture, and as which numbers: functions of grey pictures (n, SIDE, SIDE), uint8.

No trained network: whatever they tell lies in plain sight.
"""

import numpy as np
from PIL import Image
from scipy import ndimage
from tqdm.auto import tqdm

SIDE = 128  # pixels
EDGE = round(0.05 * SIDE)  # of each side: the border
BANDS = 10
BATCH = 64  # pictures
DIRECTIONS, SCALES, FIELDS = 8, 4, 4
ANGLES = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
LINE = np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1])  # pixels from the nearer end
NEAR, FAR = np.minimum(LINE, LINE[:, None]), np.maximum(LINE, LINE[:, None])
BORDER, CORNERS = "the outer 5% of each side", "the four corners"


def resize(pictures: np.ndarray) -> np.ndarray:
    """Square pictures of any size become SIDE x SIDE."""
    size, how = (SIDE, SIDE), Image.Resampling.LANCZOS
    small = [np.asarray(Image.fromarray(picture).resize(size, how)) for picture in pictures]
    return np.array(small, np.uint8).reshape(-1, SIDE, SIDE)


def masked(shown: np.ndarray):
    """All but what is shown becomes black."""
    return lambda pictures: np.where(shown, pictures, np.uint8(0))


def blurred(pictures: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(pictures, (0, SIDE / 16, SIDE / 16))


def whole(pictures: np.ndarray) -> np.ndarray:
    return pictures


ENCODED = {  # what is left: the kind of finding, and the picture that the encoder gets
    BORDER: ("border", masked(NEAR < EDGE)),
    CORNERS: ("border", masked(FAR < SIDE // 8)),
    "the central half of each side": ("little", masked(NEAR >= SIDE // 4)),
    "the picture, blurred": ("little", blurred),
    "the whole picture": ("little", whole),
}


def coarse(pictures: np.ndarray) -> np.ndarray:
    """Mean grey of 8 x 8 fields: (n, 64)."""
    step = SIDE // 8
    return pictures.reshape(-1, 8, step, 8, step).mean((2, 4)).reshape(-1, 64)


def strips(pictures: np.ndarray) -> np.ndarray:
    """The outer 5% of the four sides, each lying: (n, 4 * EDGE, SIDE)."""
    turned = pictures.swapaxes(1, 2)
    sides = [part[:, at] for part in (pictures, turned) for at in (np.r_[:EDGE], np.r_[-EDGE:0])]
    return np.concatenate(sides, axis=1)


def histogram(pictures: np.ndarray) -> np.ndarray:
    """Share of the pixels in 32 equal ranges of grey: all that is left once pixels are shuffled."""
    return np.stack([np.bincount(p.ravel() // 8, minlength=32) / p.size for p in pictures])


def spectrum(pictures: np.ndarray) -> np.ndarray:
    """Log power along the lines of pictures (n, lines, SIDE) in BANDS of frequency, mean of all
    lines: how sharp and how noisy, without a place. (n, 9): the lowest two bands are one."""
    lines = pictures - pictures.mean(2, keepdims=True)
    power = np.abs(np.fft.rfft(lines * np.hanning(SIDE), axis=2)[:, :, 1:]) ** 2
    edges = np.unique(np.geomspace(1, SIDE // 2 + 1, BANDS + 1).astype(int)) - 1
    return np.log(np.add.reduceat(power.mean(1), edges[:-1], axis=1) + 1)


PLACELESS = {  # what is left once every place is gone: the kind, the part of the picture, its numbers
    "the outer 5%, pixels shuffled": ("border", strips, histogram),
    "the outer 5%, bands of frequency": ("border", strips, spectrum),
    "all pixels, shuffled": ("little", whole, histogram),
    "bands of frequency": ("little", whole, spectrum),
}


def encode(pictures: np.ndarray, label: str = "pictures") -> np.ndarray:
    """Oriented gradients of grey pictures (n, side, side), uint8: (n, FIELDS^2 (1 + DIRECTIONS SCALES)).

    The brightness rises in DIRECTIONS, at SCALES that halve the picture each time, averaged in
    FIELDS x FIELDS fields (after the histograms of Dalal and Triggs 2005); and each field's mean.
    """
    starts = tqdm(range(0, len(pictures), BATCH), desc=label, unit="batch")
    parts = (pictures[first : first + BATCH].astype(np.float32) / 255 for first in starts)
    return np.concatenate([oriented_gradients(part) for part in parts]).astype(np.float64)


def oriented_gradients(pictures: np.ndarray) -> np.ndarray:
    columns = [fields(pictures)]
    for scale in range(SCALES):
        down = np.diff(pictures, axis=1, append=pictures[:, -1:])
        across = np.diff(pictures, axis=2, append=pictures[:, :, -1:])
        for angle in ANGLES:
            rise = np.sin(angle, dtype=np.float32) * down + np.cos(angle, dtype=np.float32) * across
            columns.append(fields(np.maximum(rise, 0, out=rise)))
        if scale < SCALES - 1:
            pictures = halved(pictures)
    return np.concatenate(columns, axis=1)


def fields(values: np.ndarray) -> np.ndarray:
    """Means of FIELDS x FIELDS fields: (n, FIELDS^2)."""
    size = values.shape[1] // FIELDS
    parts = values.reshape(-1, FIELDS, size, FIELDS, size)
    return parts.mean((2, 4)).reshape(len(values), -1)


def halved(pictures: np.ndarray) -> np.ndarray:
    rows = pictures[:, ::2] + pictures[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 4
