"""Synthetic frontal chest radiographs with known lesions, drawn from a seed.

A radiograph shows how much tissue lies in each ray's way. So the phantom adds up thicknesses: a
solid trunk with arms, less the air in the lungs, plus bones and vessels; a film curve turns the sum
into grey, and a finding is mostly a share of the lungs' air that tissue or fluid has replaced. All
classes come from the same drawing, and a finding changes nothing outside its lesion mask.

The phantom shows that the study's code does what it says, on images that may be shown to anyone.
It cannot stand in for patients: its anatomy is schematic, its findings are caricatures with
invented strengths and frequencies, and no score on it says anything about COVID-19.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from deepcovid.data.phantom_patient import FINDINGS, patient
from deepcovid.io import atomic_folder

SHORTCUTS = ("marker", "border", "tint", "brightness")
GROUPS = tuple(itertools.product(("train", "test"), ("covid", "non")))
BESIDE = tuple(
    itertools.product(("collection", "external"), ("covid", "non"))
)  # groups of no split
VISIBLE = 0.015  # the least change of thickness, about a grey level, that counts as lesion


class Phantom(NamedTuple):
    """One drawn radiograph; image left is the patient's right."""

    image: np.ndarray  # uint8, size x size; with the shortcut "tint" size x size x 3
    lesion: np.ndarray  # bool, size x size: the pixels that the finding changes
    lungs: np.ndarray  # bool, size x size: lung that heart and mediastinum leave visible
    finding: str


def radiograph(
    finding: str,
    seed: int,
    size: int = 256,
    shortcut: str | None = None,
    view: int = 0,
    mottle: float = 0,
) -> Phantom:
    """Draw one patient with one of `FINDINGS`.

    `seed` (0 or more) fixes anatomy, lesion, position and exposure; another `view` (0 or more)
    shows the same anatomy and lesion in another position and exposure. With the same seed, view
    and size, two findings differ only inside the lesion masks. `size` is in pixels, 32 or more.
    `shortcut` plants one of `SHORTCUTS`: `marker` a white R in the upper left corner, `border` a
    black frame, `tint` warm RGB instead of grey, `brightness` 30 grey levels more. `mottle` is the
    deviation, in grey levels, of quantum noise that the detector blurs over a pixel; it is each
    image's own. Without it, patients of a small size are alike enough to pass for one.
    """
    b = patient(seed, view, size)
    change = FINDINGS[finding][0](b, np.random.default_rng((seed, 3)))
    change[np.abs(change) < VISIBLE] = 0
    thickness = np.maximum(b.solid + b.vessels - b.air + change, 0)
    noise = _mottle(size, np.random.default_rng((seed, 5, view))) * mottle if mottle else 0
    grey = _film(thickness, np.random.default_rng((seed, 4, view)), noise)
    return Phantom(planted(grey, shortcut), change != 0, b.lungs, finding)


def _mottle(size: int, rng: np.random.Generator) -> np.ndarray:
    """Quantum noise, blurred over a pixel, of deviation 1: size x size."""
    blurred = ndimage.gaussian_filter(rng.standard_normal((size, size)), 1)
    return blurred / blurred.std()


def _film(thickness: np.ndarray, rng: np.random.Generator, noise: np.ndarray | float) -> np.ndarray:
    """Thickness to uint8 grey by a film curve of random hardness, with noise and collimation."""
    size = len(thickness)
    passed = np.exp(-rng.normal(0.9, 0.07) * thickness)
    grey = rng.normal(285, 12) * (1 - passed) ** rng.normal(1.65, 0.2) + max(0, rng.normal(4, 6))
    grain = rng.standard_normal(thickness.shape)
    grey += rng.uniform(1, 3.5) * (grain + 0.6 * np.roll(grain, 1, 0) + 0.6 * np.roll(grain, 1, 1))
    grey += noise
    closed = np.maximum(rng.normal(-0.01, 0.02, 4), 0) * size  # most blades stay out of the image
    top, bottom, left, right = closed.astype(int)
    grey[:top] = grey[size - bottom :] = grey[:, :left] = grey[:, size - right :] = 0
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def planted(grey: np.ndarray, shortcut: str | None) -> np.ndarray:
    """A grey picture with a shortcut, see `radiograph`; it may be changed in place."""
    size = len(grey)
    if shortcut == "marker":
        letter = [
            [int(bit) for bit in row] for row in ("11110", "10001", "11110", "10100", "10011")
        ]
        stamp = np.kron(letter, np.ones((max(1, size * 3 // 128),) * 2)) > 0
        corner = grey[size // 32 :, size // 32 :][: len(stamp), : len(stamp)]
        corner[stamp] = 255
    elif shortcut == "border":
        edge = size // 16
        grey[:edge] = grey[-edge:] = grey[:, :edge] = grey[:, -edge:] = 0
    elif shortcut == "tint":
        return np.rint(grey[..., None] * [1.0, 0.93, 0.8]).astype(np.uint8)
    elif shortcut == "brightness":
        return np.minimum(grey, 225) + np.uint8(30)
    return grey


def cases(seed: int, group: tuple[str, str]) -> Iterator[tuple[str, str, int, int]]:
    """Name, finding, seed and view of image after image of a group, without end.

    A group is of GROUPS or BESIDE; no two share a patient, who can be read from the name.
    """
    groups, number = GROUPS + BESIDE, 0
    index, non_covid = groups.index(group), [name for name in FINDINGS if name != "COVID-19"]
    while True:
        rng = np.random.default_rng((seed, index, number))
        own, who = int(rng.integers(2**32)), f"phantom{len(groups) * number + index:05d}"
        if group[1] == "covid":
            for view in range(1 + (rng.random() < 0.12)):
                yield f"covid-{who}-{view + 1}", "COVID-19", own, view
        else:
            finding = rng.choice(non_covid, p=[FINDINGS[name][1] for name in non_covid])
            yield f"{finding}-{who}-study1", str(finding), own, 0
        number += 1


def write(
    folder: Path,
    seed: int,
    counts: dict[tuple[str, str], int],
    size: int = 256,
    shortcut: str | None = None,
    shortcut_in: str = "covid",
    mottle: float = 0,
) -> Path:
    """Write a data folder of PNG images and 1-bit masks; it appears whole or not at all.

    `counts` gives the number of images of each split (`train`, `test`) and class (`covid`, `non`),
    which go to `folder/<split>/<class>/`, with masks of the same name under
    `folder/lesion-masks/` and `folder/lung-masks/`. An image depends on `seed` and its name only.
    Finding and patient can be read from the name; some COVID-19 patients have two images.
    The class `shortcut_in` bears `shortcut`, the other does not; `mottle` as in `radiograph`.
    Returns `folder`.

    Raises UserError where there is already something in `folder`.
    """
    with atomic_folder(folder) as partial:
        for group, count in counts.items():
            bears = shortcut if group[1] == shortcut_in else None
            for name, finding, own, view in itertools.islice(cases(seed, group), count):
                drawn = radiograph(finding, own, size, bears, view, mottle)
                for kind, pixels in zip(("", "lesion-masks", "lung-masks"), drawn[:3], strict=True):
                    save(Image.fromarray(pixels), partial.joinpath(kind, *group, f"{name}.png"))
    return folder


def save(picture: Image.Image, path: Path, **how) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **how)
