"""Whether two images are one radiograph, or of one patient: the one rule of the whole project.

Four reasons, the strongest first: equal bytes, the same picture, the same file name, the same
patient. A picture is recognised if cropped (up to 15% of each side), resized, compressed, mirrored,
turned by quarters, annotated, or changed in contrast.

The picture rule has two steps. `screen` compares one picture, in its eight positions, with 81 crops
of the other by a few dozen cosines, their contrast made even. `overlay` lays the best candidates over
each other by the movement of their blocks: one radiograph, if fine detail (ribs, vessels) correlates.
"""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image
from scipy import fft, ndimage

from imageaudit.names import name_key

REASONS = ("bytes", "picture", "name", "patient")  # strongest first
SAME = 0.7  # correlation of fine detail from which two pictures are one radiograph

SIDE, FINE, COARSE = 192, 128, 64  # pixels: kept picture, overlay, screening
TURNS = (None, *Image.Transpose)  # the eight positions of a square

# screening
EDGES = (0.0, 0.06, 0.12)  # shares of a side that a crop may lack at each end, each +- 3%
CROPS = np.array([(a, 1 - b) for a in EDGES for b in EDGES], np.float32)  # along one axis
WAVES = 11  # cosines along each axis; those of 2 to 9 half waves per side are compared
RING = np.hypot(*np.mgrid[:WAVES, :WAVES])
RING = np.flatnonzero((RING >= 2) & (RING <= 9))
BEST = 10  # candidates of each image that are laid over it
ALIKE = 0.7  # from this correlation of cosines on
BATCH = 64  # pictures that are compared with all others at once

# overlay
BLOCK, REACH = 32, 10  # pixels of FINE: block, and how far it may have moved
CORNERS = np.array([(y, x) for y in (10, 36, 60, 86) for x in (10, 36, 60, 86)])
PLAUSIBLE = 0.75  # least median correlation of one radiograph's blocks; 0.84 was the least found
LIKELY = 0.65  # from this correlation at COARSE pixels on, details are compared


class Signature(NamedTuple):
    """What a radiograph is recognised by."""

    picture: np.ndarray  # SIDE x SIDE grey levels, uint8; the aspect ratio is not kept
    texture: np.ndarray  # COARSE x COARSE, float32, its contrast made even


def signature(picture: Image.Image | np.ndarray) -> Signature:
    """Of a picture of any size and mode, or of grey levels (uint8, any 2-D shape)."""
    whole = isinstance(picture, np.ndarray) and picture.shape == (SIDE, SIDE)
    given = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    small = given.convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    coarse = np.asarray(small.resize((COARSE, COARSE), Image.Resampling.BOX), np.float32)
    return Signature(picture if whole else np.asarray(small), band(coarse, 0.7, 4, 15))


def band(pixels: np.ndarray, fine: float, coarse: float, around: int) -> np.ndarray:
    """Detail of (..., side, side) between two scales, its contrast made even over `around`: pixels."""
    how = {"truncate": 3, "axes": (-2, -1)}
    detail = ndimage.gaussian_filter(pixels, fine, **how)
    detail -= ndimage.gaussian_filter(pixels, coarse, **how)
    power = ndimage.uniform_filter(detail**2, around, axes=(-2, -1))
    return detail / (np.sqrt(np.maximum(power, 0)) + 2)


# --- screening: which pairs are worth laying over each other ---


def cosines(low: float, high: float) -> np.ndarray:
    """WAVES cosines over the part `low` to `high` (shares) of an axis of COARSE pixels."""
    place = ((np.arange(COARSE) + 0.5) / COARSE - low) / (high - low)
    inside = (place > 0) & (place < 1)
    return (np.cos(np.pi * np.arange(WAVES)[:, None] * place) * inside / inside.sum()).astype("f4")


def unit(waves: np.ndarray) -> np.ndarray:
    """The cosines of RING as unit vectors, float32; zero for a picture without content."""
    chosen = waves.reshape(*waves.shape[:-2], -1)[..., RING]
    return chosen / (np.linalg.norm(chosen, axis=-1, keepdims=True) + 1e-9)


def positions(signatures: Sequence[Signature]) -> np.ndarray:
    """Vectors of the whole pictures in the order of TURNS: n x 8 x len(RING)."""
    whole = cosines(0, 1)
    every = ([turned(one.texture, turn) for turn in TURNS] for one in signatures)
    return np.array([unit(whole @ np.array(eight) @ whole.T) for eight in every])


def turned(pixels: np.ndarray, turn: Image.Transpose | None) -> np.ndarray:
    picture = Image.fromarray(pixels)
    return np.asarray(picture if turn is None else picture.transpose(turn))


def crops(signatures: Sequence[Signature]) -> np.ndarray:
    """Vectors of 9 x 9 crops (CROPS down, then across): n x 81 x len(RING)."""
    parts = np.stack([cosines(low, high) for low, high in CROPS])
    result = []
    for one in signatures:
        down = parts.reshape(-1, COARSE) @ one.texture @ parts.reshape(-1, COARSE).T
        waves = down.reshape(len(CROPS), WAVES, len(CROPS), WAVES).swapaxes(1, 2)
        result.append(unit(waves.reshape(-1, WAVES, WAVES)))
    return np.array(result)


def best_of(whole: np.ndarray, cropped: np.ndarray) -> np.ndarray:
    """Highest correlation of any position of n pictures with any crop of m others: n x m."""
    result = np.empty((len(whole), len(cropped)), np.float32)
    flat = whole.reshape(-1, whole.shape[-1]).T
    for first in range(0, len(cropped), 8):
        part = cropped[first : first + 8]
        values = part.reshape(-1, part.shape[-1]) @ flat
        values = values.reshape(len(part), -1, values.shape[1]).max(axis=1)
        result[:, first : first + 8] = values.reshape(len(part), len(whole), -1).max(axis=2).T
    return result


def screen(query: np.ndarray, reference: np.ndarray | None, query_crops, reference_crops):
    """The BEST candidates of each query, as (query, reference, is the query the whole one?).

    Takes what `positions` and `crops` gave; without `reference`, pairs within one list.
    """
    found = []
    for first in range(0, len(query), BATCH):
        rows = slice(first, first + BATCH)
        one = best_of(query[rows], reference_crops)
        if reference is None:
            np.fill_diagonal(one[:, first:], -1)
            both = one[None]
        else:
            both = np.stack([one, best_of(reference, query_crops[rows]).T])
        value, kind = both.max(axis=0), both.argmax(axis=0)
        best = np.argsort(-value, axis=1)[:, :BEST]
        for row, others in enumerate(best):
            found += [(first + row, int(j), kind[row, j] == 0)
                      for j in others if value[row, j] >= ALIKE]  # fmt: skip
    return found


# --- overlay: whether a candidate is the same radiograph ---


def blocks(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of each block of a texture with its best place in another; pixels it moved.

    Both are FINE or COARSE pixels wide, or as many such textures, (n, side, side).
    """
    scale = FINE // one.shape[-1]
    block, most = BLOCK // scale, REACH // scale
    reach, full, corners = 2 * most + 1, block + 2 * most, CORNERS // scale

    def parts(of: np.ndarray, at: np.ndarray, size: int) -> np.ndarray:
        return np.stack([of[..., y : y + size, x : x + size] for y, x in at], axis=-3)

    own = parts(one, corners, block)
    own = own - own.mean((-2, -1), keepdims=True)
    own /= np.linalg.norm(own, axis=(-2, -1), keepdims=True) + 1e-6
    window = fft.rfft2(parts(other, corners - most, full))
    product = fft.irfft2(window * np.conj(fft.rfft2(own, (full, full))), (full, full))
    values = product[..., :reach, :reach] / parts(spread(other, block), corners - most, reach)
    values = values.reshape(*values.shape[:-2], -1)
    moved = np.stack(np.divmod(values.argmax(axis=-1), reach), axis=-1) - most
    return values.max(axis=-1), moved


def spread(texture: np.ndarray, block: int) -> np.ndarray:
    """Root of the summed squared deviations in each `block` x `block` part of a texture."""
    sums = np.zeros((2, *texture.shape[:-2], *(side + 1 for side in texture.shape[-2:])))
    sums[..., 1:, 1:] = np.stack([texture, texture**2])
    sums = sums.cumsum(axis=-2).cumsum(axis=-1)
    whole, squares = (
        sums[..., block:, block:] - sums[..., :-block, block:] - sums[..., block:, :-block]
        + sums[..., :-block, :-block]
    )  # fmt: skip
    return np.sqrt(np.maximum(squares - whole**2 / block**2, 1e-3))


def movement(fits: np.ndarray, moved: np.ndarray, side: int) -> np.ndarray | None:
    """The affine map (3 x 2, pixels) that most blocks agree on; None if too few do."""
    scale = FINE // side
    places = np.c_[CORNERS // scale + (BLOCK // scale - 1) / 2, np.ones(len(CORNERS))]
    aims, use = places[:, :2] + moved, fits >= np.median(fits)
    for _ in range(2):  # fit, leave out the blocks that went astray, fit again
        if use.sum() < 6:
            return None
        found = np.linalg.lstsq(places[use], aims[use], rcond=None)[0]
        use = np.abs(places @ found - aims).max(axis=1) <= 2 / scale + 0.5
    return found if np.abs(found[:2] - np.eye(2)).max() <= 0.3 else None


def correlation(one: np.ndarray, other: np.ndarray, found: np.ndarray) -> float:
    """Of two textures, the other laid over the one by an affine map; 0 where they share too little."""
    laid = ndimage.affine_transform(other, found[:2].T, found[2], order=1, cval=np.nan)
    inside = np.isfinite(laid)
    if inside.mean() < 0.6 or min(one[inside].std(), laid[inside].std()) < 1e-3:
        return 0.0
    return max(0.0, float(np.corrcoef(one[inside], laid[inside])[0, 1]))


def part(picture: np.ndarray, box: np.ndarray, side: int) -> np.ndarray:
    """The part of a picture within `box` (shares), float32, `side` pixels wide."""
    top, bottom, left, right = box * len(picture)
    how = {"resample": Image.Resampling.BICUBIC, "box": (left, top, right, bottom)}
    return np.asarray(Image.fromarray(picture).resize((side, side), **how), np.float32)


def framed(texture: np.ndarray, other: np.ndarray, box: np.ndarray, found) -> np.ndarray | None:
    """The box (upper, lower, left, right edge as shares) in which a texture lies; None for nowhere.

    `box` is a first guess, in which lies the `other`, which `found` brings over the texture.
    """
    if found is None or correlation(texture, other, found) < LIKELY:
        return None
    ends = np.array([[-0.5, -0.5, 1], [COARSE - 0.5, COARSE - 0.5, 1]]) @ found + 0.5
    box = np.clip((box[::2] + ends / COARSE * (box[1::2] - box[::2])).T.ravel(), 0, 1)
    return box if (box[1::2] - box[::2]).min() >= 0.5 else None


def overlay(pairs: list) -> list[float]:
    """How well the details of each (whole, cropped, box) agree, both cut alike: 0 to 1."""
    first: dict[bytes, int] = {}  # a picture is compared with several
    which = [first.setdefault(whole.picture.tobytes(), len(first)) for whole, _, _ in pairs]
    pictures = (np.frombuffer(each, np.uint8).reshape(SIDE, SIDE) for each in first)
    ones = np.array([part(each, np.array([0, 1, 0, 1]), FINE) for each in pictures])
    others = np.array([part(cropped.picture, box, FINE) for _, cropped, box in pairs])
    fits, moved = blocks(band(ones, 1, 4, 21)[which], band(others, 1, 4, 21))
    one, other = band(ones, 0.5, 2.5, 15)[which], band(others, 0.5, 2.5, 15)
    over = (movement(*each, FINE) for each in zip(fits, moved, strict=True))
    pairs = zip(one, other, over, strict=True)
    return [0.0 if pair[2] is None else correlation(*pair) for pair in pairs]


def place(whole: Signature, cropped: Signature, vectors: np.ndarray, parts: np.ndarray):
    """The one in the position, and the box of the crop of the other, whose cosines agree most."""
    turn, crop = np.divmod((vectors @ parts.T).argmax(), len(parts))
    down, across = np.divmod(crop, len(CROPS))
    there = Signature(*(turned(pixels, TURNS[turn]) for pixels in whole))
    return there, cropped, np.r_[CROPS[down], CROPS[across]]


def agreements(placed: list) -> np.ndarray:
    """How well the details of each of what `place` gave agree; all are compared at once."""
    others = np.array([part(cropped.texture, box, COARSE) for _, cropped, box in placed])
    fits, moved = blocks(np.array([whole.texture for whole, _, _ in placed]), others)
    result, likely = np.zeros(len(placed)), {}
    for i in np.flatnonzero(np.median(fits, axis=1) >= PLAUSIBLE):
        whole, cropped, box = placed[i]
        box = framed(whole.texture, others[i], box, movement(fits[i], moved[i], COARSE))
        if box is not None:
            likely[i] = whole, cropped, box
    if likely:
        result[[*likely]] = overlay([*likely.values()])
    return result


def compare(one: Signature, other: Signature, turns: int = len(TURNS)) -> float:
    """How well two pictures agree, either the crop of the other, in the first so many TURNS."""
    pairs = ((one, other), (other, one))
    placed = [place(a, b, positions([a])[0][:turns], crops([b])[0]) for a, b in pairs]
    return max(agreements(placed))


def same_radiograph(
    query: Sequence[Signature], reference: Sequence[Signature] | None = None, least: float = SAME
) -> pd.DataFrame:
    """Pairs that are one radiograph: positions in `query` and `reference`, `agreement` (`least` to 1).

    Without `reference`, the pairs within `query`, the first before the second. Of each query the
    BEST candidates are looked at: who has more doubles than that gets some of them.
    """
    within = reference is None
    columns = ["query", "reference", "agreement"]
    if not len(query) or not (within or len(reference)):
        return pd.DataFrame(columns=columns)
    pair = ((query, positions(query), crops(query)),)
    pair += pair if within else ((reference, positions(reference), crops(reference)),)
    (_, own, own_crops), (others, there, their_crops) = pair
    candidates = screen(own, None if within else there, own_crops, their_crops)

    def placed(i: int, j: int, whole: bool):
        if whole:
            return place(query[i], others[j], own[i], their_crops[j])
        return place(others[j], query[i], there[j], own_crops[i])

    # in one thread: several would wait for each other between so many small steps
    parts = (candidates[i : i + BATCH] for i in range(0, len(candidates), BATCH))
    values = [value for part in parts for value in agreements([placed(*each) for each in part])]
    found = pd.DataFrame([c[:2] for c in candidates], columns=columns[:2]).assign(agreement=values)
    if within:
        found[columns[:2]] = np.sort(found[columns[:2]], axis=1)
    found = found[found.agreement >= least].groupby(columns[:2], as_index=False).agreement.max()
    return found[columns]


# --- the rule ---


def match(
    judged: pd.DataFrame, seen: pd.DataFrame, judged_signatures=None, seen_signatures=None
) -> pd.DataFrame:
    """Which of the `judged` images are among the `seen`, and why: `reason` and `twin`.

    Both tables have `image`, `sha1` and `patient` (`` = unknown; so may `sha1` be). The result has
    the index of `judged`; `reason` is the strongest of REASONS that holds or ``, `twin` the `image`
    of the `seen` row. Signatures, in the tables' order, are needed for `picture`.
    """
    if (judged_signatures is None) != (seen_signatures is None):
        raise ValueError("Signatures of both tables, or of none.")
    result = pd.DataFrame("", judged.index, ["reason", "twin"], dtype=object)
    keys = {
        "bytes": (judged.sha1, seen.sha1),
        "name": (judged.image.map(name_key), seen.image.map(name_key)),
        "patient": (judged.patient, seen.patient),
    }
    for reason in reversed(REASONS):
        if reason in keys:
            found = equal(*keys[reason], seen.image)
        elif judged_signatures is not None:
            pairs = same_radiograph(judged_signatures, seen_signatures)
            pairs = pairs.sort_values("agreement", ascending=False).drop_duplicates("query")
            twins = seen.image.to_numpy()[pairs["reference"].to_numpy(int)]
            found = pd.Series(twins, judged.index[pairs["query"].to_numpy(int)], dtype=object)
        else:
            continue
        result.loc[found.index, "reason"] = reason
        result.loc[found.index, "twin"] = found
    return result


def equal(key: pd.Series, other: pd.Series, image: pd.Series) -> pd.Series:
    """For each row whose key, not empty, is in `other`: the first `image` that has it."""
    first = pd.Series(image.to_numpy(), other.fillna("").astype(str).to_numpy())
    first = first[~first.index.duplicated() & (first.index != "")]
    key = key.fillna("").astype(str)
    return key[key.isin(first.index)].map(first)


def degrade(picture: Image.Image, edge: float = 0.08) -> Image.Image:
    """As if published: `edge` of each side cropped, 60% as large, JPEG quality 40. For self-tests."""
    width, height = picture.size
    x, y = round(edge * width), round(edge * height)
    part = picture.convert("L").crop((x, y, width - x, height - y))
    file = io.BytesIO()
    part.resize((round(0.6 * part.width), round(0.6 * part.height))).save(file, "JPEG", quality=40)
    return Image.open(file)
