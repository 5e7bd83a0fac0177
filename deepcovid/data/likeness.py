"""Whether two pictures are one radiograph: how a radiograph is recognised, and how surely.

A picture is reduced to its `look`; looks are laid over each other by the movement of their blocks,
and what then agrees in fine detail is one radiograph, however it was cropped, shrunk or encoded.
"""

import io
from typing import NamedTuple

import imagehash
import numpy as np
from PIL import Image
from scipy import fft, ndimage

HASH = 16  # the perceptual hash has 16 x 16 bits
LIKELY = 0.75  # from this agreement of blocks on, a pair is laid over each other
SAME = 0.8  # from this agreement on, the two are one radiograph; `duplicates` says why
SIDE, BLOCK, REACH = 128, 32, 12  # pixels: compared image, its blocks, how far they may have moved
CORNERS = np.array([(y, x) for y in (12, 36, 60, 84) for x in (12, 36, 60, 84)])


class Look(NamedTuple):
    """What a radiograph is recognised by."""

    bits: np.ndarray  # its perceptual hash (DCT of low frequencies), 4 x uint64
    texture: np.ndarray  # `band` of its SIDE x SIDE grey levels, squeezed, float32
    spread: np.ndarray  # of each block's texture, by the block's upper left corner, float32
    detail: np.ndarray  # a finer `band`, float32


def look(picture: Image.Image) -> Look:
    """What is kept of a picture of any size and mode to recognise its radiograph by."""
    grey = picture.convert("L")
    bits = np.packbits(imagehash.phash(grey, hash_size=HASH).hash).view(np.uint64)
    small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=np.float32)
    return look_of(small, bits)


def look_of(small: np.ndarray, bits: np.ndarray) -> Look:
    """The same of SIDE x SIDE grey levels, float32, and the hash."""
    texture = band(small, 1, 4, 8)
    return Look(bits, texture, spread(texture), band(small, 0.5, 2.5, 6))


def band(pixels: np.ndarray, fine: float, coarse: float, around: float) -> np.ndarray:
    """Detail between two scales (pixels), its contrast made even over `around` pixels."""
    smooth = ndimage.gaussian_filter
    detail = smooth(pixels, fine) - smooth(pixels, coarse)
    return detail / (np.sqrt(smooth(detail**2, around)) + 2)


def spread(texture: np.ndarray) -> np.ndarray:
    """Root of the summed squared deviations in each BLOCK x BLOCK window of a texture."""
    sums = np.pad(np.stack([texture, texture**2]).astype(float), ((0, 0), (1, 0), (1, 0)))
    sums = sums.cumsum(axis=1).cumsum(axis=2)
    whole, squares = (
        sums[:, BLOCK:, BLOCK:] - sums[:, :-BLOCK, BLOCK:] - sums[:, BLOCK:, :-BLOCK]
        + sums[:, :-BLOCK, :-BLOCK]
    )  # fmt: skip
    return np.sqrt(np.maximum(squares - whole**2 / BLOCK**2, 1e-6)).astype(np.float32)


def windows(looks: list[Look]) -> tuple[np.ndarray, np.ndarray]:
    """For `match`: spectrum and spread of the part of each texture where a block may lie."""
    low = CORNERS - REACH

    def parts(name, size):
        maps = np.array([getattr(look, name) for look in looks])
        return np.stack([maps[:, y : y + size, x : x + size] for y, x in low], axis=1)

    return fft.rfft2(parts("texture", BLOCK + 2 * REACH)), parts("spread", 2 * REACH + 1)


def match(one: np.ndarray, spectrum: np.ndarray, spread: np.ndarray):
    """Correlation of each block of a texture with its best place in n others, and how far it moved.

    The others come through `windows`; gives n x 16 and, in pixels, n x 16 x 2.
    """
    reach, full = 2 * REACH + 1, BLOCK + 2 * REACH
    own = np.array([one[y : y + BLOCK, x : x + BLOCK] for y, x in CORNERS])
    own = own - own.mean((1, 2), keepdims=True)
    own /= np.linalg.norm(own, axis=(1, 2), keepdims=True) + 1e-6
    product = fft.irfft2(spectrum * np.conj(fft.rfft2(own, (full, full))), (full, full))
    values = (product[..., :reach, :reach] / spread).reshape(len(spread), len(own), -1)
    best = values.argmax(axis=2)
    return values.max(axis=2), np.stack(np.divmod(best, reach), axis=2) - REACH


def overlay(one: np.ndarray, other: np.ndarray, fits: np.ndarray, moved: np.ndarray) -> float:
    """Correlation of two details once `other` is laid over `one` as most blocks say; 0 if none."""
    places = np.c_[CORNERS + (BLOCK - 1) / 2, np.ones(len(CORNERS))]
    aims, use = places[:, :2] + moved, fits >= np.median(fits)
    for _ in range(2):  # fit, leave out the blocks that went astray, fit again
        if use.sum() < 6:
            return 0.0
        turn = np.linalg.lstsq(places[use], aims[use], rcond=None)[0]
        use = np.abs(places @ turn - aims).max(axis=1) <= 2.5
    if np.abs(turn[:2] - np.eye(2)).max() > 0.3:
        return 0.0
    laid = ndimage.affine_transform(other, turn[:2].T, turn[2], order=1, cval=np.nan)
    inside = np.isfinite(laid)
    if inside.mean() < 0.4:
        return 0.0
    return float(np.corrcoef(one[inside], laid[inside])[0, 1])


def agreements(one: Look, others: list[Look], prepared=None) -> np.ndarray:
    """How surely each of `others` is the very radiograph that `one` is: 0 (not likely) to 1.

    The correlation of an `overlay` for those whose blocks agree to LIKELY, 0 for the rest.
    """
    fits, moved = match(one.texture, *(prepared or windows(others)))
    result = np.zeros(len(others))
    for i in np.flatnonzero(np.median(fits, axis=1) >= LIKELY):
        result[i] = max(0.0, overlay(one.detail, others[i].detail, fits[i], moved[i]))
    return result


def doctored(picture: Image.Image) -> Image.Image:
    """The same radiograph as another site might have it: cropped by 2%, 60% as large, JPEG 40."""
    width, height = picture.size
    edge = (round(0.02 * width), round(0.02 * height))
    part = picture.convert("L").crop((*edge, width - edge[0], height - edge[1]))
    file = io.BytesIO()
    part.resize((round(0.6 * width), round(0.6 * height))).save(file, "JPEG", quality=40)
    return Image.open(file)


def apart(one: Look, other: Look) -> int:
    """Differing bits of two hashes."""
    return int(np.bitwise_count(one.bits ^ other.bits).sum())
