"""TODO: what data/duplicates is."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import imagehash
import numpy as np
import pandas as pd
from PIL import Image
from scipy import fft, ndimage

from deepcovid.data import images, manifest

HASH = 16  # the perceptual hash has 16 x 16 bits
SCREEN = 70  # pairs of at most so many differing bits are compared in detail
POSITIVES = 1000  # up to so many COVID-19 images, all their pairs are: they were cropped for print
LIKELY = 0.75  # from this agreement of blocks on, a pair is laid over each other
SAME = 0.8  # from this agreement on, the two are one radiograph; `near_duplicates` says why
SIDE, BLOCK, REACH = 128, 32, 12  # pixels: compared image, its blocks, how far they may have moved
CORNERS = np.array([(y, x) for y in (12, 36, 60, 84) for x in (12, 36, 60, 84)])
BITS, AGREEMENTS = np.arange(0, 257, 8), np.linspace(0, 1, 41)  # edges of the histograms


class Look(NamedTuple):
    """What a radiograph is recognised by."""

    bits: np.ndarray  # its perceptual hash (DCT of low frequencies), 4 x uint64
    texture: np.ndarray  # `band` of its SIDE x SIDE grey levels, squeezed, float32
    spread: np.ndarray  # of each block's texture, by the block's upper left corner, float32
    detail: np.ndarray  # a finer `band`, float32


def look(picture: Image.Image) -> Look:
    grey = picture.convert("L")
    bits = np.packbits(imagehash.phash(grey, hash_size=HASH).hash).view(np.uint64)
    small = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS), dtype=np.float32)
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


def candidates(looks: list[Look], kind: pd.DataFrame) -> tuple[pd.DataFrame, list[int]]:
    """Pairs worth comparing, with hash `distance` (bits) and `agreement`; and each image's distance
    to the nearest of another patient. `kind` has `patient` and `label` of each look."""
    bits, patient = np.array([x.bits for x in looks]), kind.patient.to_numpy()
    positive = np.flatnonzero(kind.label == 1)
    positive = positive if len(positive) <= POSITIVES else positive[:0]
    prepared = windows([looks[i] for i in positive]) if len(positive) else None

    def of(i: int) -> tuple[int, list[tuple]]:
        one, pairs = looks[i], []
        distance = np.bitwise_count(bits ^ one.bits).sum(axis=1)
        close = np.flatnonzero(distance <= SCREEN)
        close = close[close > i]
        if i in positive:
            close = close[~np.isin(close, positive)]
            later = slice(int(np.searchsorted(positive, i)) + 1, None)
            ahead = positive[later]
            if len(ahead):
                values = agreements(one, [looks[j] for j in ahead], [x[later] for x in prepared])
                pairs += zip([i] * len(ahead), ahead, distance[ahead], values, strict=True)
        if len(close):
            values = agreements(one, [looks[j] for j in close])
            pairs += zip([i] * len(close), close, distance[close], values, strict=True)
        return int(distance[patient != patient[i]].min(initial=HASH**2)), pairs

    with ThreadPoolExecutor() as pool:  # transforms and warps let go of Python's lock
        nearest, pairs = zip(*pool.map(of, range(len(looks))), strict=True)
    columns = ["one", "other", "distance", "agreement"]
    return pd.DataFrame(chain.from_iterable(pairs), columns=columns), list(nearest)


def external_images(folder: Path) -> pd.DataFrame:
    """The images of a `covid|non` folder: image (relative to it), label, patient.

    ChestX-ray8 numbers its patients in file names; of others each image counts as a patient.
    """
    rows = []
    for name, label in manifest.CLASSES.items():
        for path in images.find(folder / name) if (folder / name).is_dir() else []:
            number = re.search(r"(\d{8})_\d{3}", path.name)
            rows.append({
                "image": path.relative_to(folder).as_posix(), "label": label,
                "patient": f"external {number[1] if number else path.name}",
            })  # fmt: skip
    return pd.DataFrame(rows, columns=["image", "label", "patient"])


def near_duplicates(of: pd.DataFrame, data: Path, external: Path | None) -> dict:
    """Pairs of originals, and of images of an external folder, that are one radiograph.

    Justified by what it finds of `doctored` images, which must lie above SAME, and by Non-COVID
    pairs of different patients, whose patients are surely known and which must lie below.
    Raises one UserError for all images of the external folder that cannot be read.
    """
    kind = of[["image", "patient", "label", "folder"]]
    paths = [data / image for image in of.image]
    if external:
        more = external_images(external)
        paths_there = [external / image for image in more.image]
        more = more.assign(image="external/" + more.image, folder="external")
        kind = pd.concat([kind, more], ignore_index=True)
        paths += paths_there
    with ThreadPoolExecutor() as pool:
        looks = list(pool.map(lambda path: look(images.open_radiograph(path)), paths))
    pairs, nearest = candidates(looks, kind)
    sample = np.unique(np.linspace(0, len(of) - 1, 80).astype(int))
    planted = [look(doctored(images.open_radiograph(paths[i]))) for i in sample]
    twins = [(looks[i], twin) for i, twin in zip(sample, planted, strict=True)]
    bits = [int(np.bitwise_count(one.bits ^ twin.bits).sum()) for one, twin in twins]
    again = [agreements(one, [twin])[0] for one, twin in twins]
    a, b = (kind.loc[pairs[column]].reset_index(drop=True) for column in ("one", "other"))
    pairs["same_patient"] = a.patient == b.patient
    sure = (a.label == 0) & (b.label == 0) & ~pairs.same_patient
    found = pairs[["distance", "agreement", "same_patient"]].assign(a=a.image, b=b.image)
    places = [" and ".join(sorted({x, y})) for x, y in zip(a.folder, b.folder, strict=True)]
    found = found.assign(patient_a=a.patient, patient_b=b.patient, where=places)
    found = found[found.agreement >= SAME].sort_values(["where", "a", "b"])
    crossing = found[found["where"] == "test and train"]
    outside = found[found["where"].isin(["external and test", "external and train"])]
    ends = pd.concat([crossing.a, crossing.b])
    two = found[~found.same_patient & ~found["where"].str.contains("external")]
    two = two[["patient_a", "patient_b"]]
    name = kind.image.str.split("/").str[-1]
    ours = set(name[kind.folder != "external"])
    return {
        "images": len(looks), "pairs_compared": len(pairs), "hash_bits": HASH**2,
        "screen_bits": SCREEN, "same_from_agreement": SAME,
        "doctored": {"images": len(sample), "found": int(sum(x >= SAME for x in again)),
                     "within_screen": int(sum(x <= SCREEN for x in bits)),
                     "most_bits": max(bits), "least_agreement": min(again)},
        "different_non_covid_patients": {"pairs": int(sure.sum()),
            "most_agreement": pairs.agreement[sure].max() if sure.any() else None},
        "by_place": found.groupby("where").size().to_dict(),
        "pairs": found.to_dict("records"),
        "test_images_also_in_train": sorted({x for x in ends if x.startswith("test/")}),
        "patients_recorded_as_two": sorted({tuple(sorted(pair)) for pair in two.to_numpy().tolist()}),
        "external_images_also_here": sorted(x for x in {*outside.a, *outside.b} if x.startswith("external/")),
        "external_images_with_a_name_from_here": sorted(kind.image[(kind.folder == "external") & name.isin(ours)]),
        "histograms": {
            "bits": BITS.tolist(), "agreement": AGREEMENTS.round(3).tolist(),
            "bits_nearest_other_patient": spread_of(nearest, BITS),
            "bits_doctored": spread_of(bits, BITS),
            "agreement_different_non_covid_patients": spread_of(pairs.agreement[sure], AGREEMENTS),
            "agreement_same_patient": spread_of(pairs.agreement[pairs.same_patient], AGREEMENTS),
            "agreement_covid": spread_of(pairs.agreement[(a.label + b.label) > 0], AGREEMENTS),
            "agreement_doctored": spread_of(again, AGREEMENTS),
        },
    }  # fmt: skip


def spread_of(values, edges: np.ndarray) -> list[int]:
    return np.histogram(values, edges)[0].tolist()
