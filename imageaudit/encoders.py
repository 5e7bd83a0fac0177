"""Pictures become numbers without a trained network: whatever they tell lies in plain sight."""

import numpy as np
from tqdm.auto import tqdm

BATCH = 64  # pictures
DIRECTIONS, SCALES, FIELDS = 8, 4, 4
ANGLES = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS


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
