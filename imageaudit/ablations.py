"""What is left of a picture: functions of grey pictures (n, SIDE, SIDE), uint8, without a model."""

import numpy as np
from PIL import Image
from scipy import ndimage

SIDE = 128  # pixels
EDGE = 0.05  # of each side: the border
BORDER, CORNERS = "the outer 5% of each side", "the four corners"


def resize(pictures: np.ndarray) -> np.ndarray:
    """Square pictures of any size become SIDE x SIDE."""

    def one(picture: np.ndarray) -> np.ndarray:
        return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS))

    return np.array([one(picture) for picture in pictures], np.uint8).reshape(-1, SIDE, SIDE)


def border(pictures: np.ndarray) -> np.ndarray:
    edge = round(EDGE * SIDE)
    result = pictures.copy()
    result[:, edge:-edge, edge:-edge] = 0
    return result


def corners(pictures: np.ndarray) -> np.ndarray:
    edge = SIDE // 8
    result = pictures.copy()
    result[:, edge:-edge] = 0
    result[:, :, edge:-edge] = 0
    return result


def centre(pictures: np.ndarray) -> np.ndarray:
    quarter = SIDE // 4
    result = np.zeros_like(pictures)
    inside = slice(quarter, -quarter)
    result[:, inside, inside] = pictures[:, inside, inside]
    return result


def blurred(pictures: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter(pictures, (0, SIDE / 16, SIDE / 16))


def whole(pictures: np.ndarray) -> np.ndarray:
    return pictures


ENCODED = {  # what is left: the kind of finding, and the picture that the encoder gets
    BORDER: ("border", border),
    CORNERS: ("border", corners),
    "the central half of each side": ("little", centre),
    "the picture, blurred": ("little", blurred),
    "the whole picture": ("little", whole),
}


def coarse(pictures: np.ndarray) -> np.ndarray:
    """Mean grey of 8 x 8 fields: (n, 64)."""
    step = SIDE // 8
    return pictures.reshape(-1, 8, step, 8, step).mean((2, 4)).reshape(-1, 64)


def histogram(pictures: np.ndarray) -> np.ndarray:
    """Share of the pixels in 32 equal ranges of grey: (n, 32)."""
    return np.stack([np.bincount(p.ravel() // 8, minlength=32) for p in pictures]) / SIDE**2
