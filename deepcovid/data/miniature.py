"""The miniature: drawn data with the flaw of COVID-Xray-5k, or without it, whose truth is known.

COVID-19 comes from one collection and Non-COVID from another, and the two are cropped, exposed,
marked and saved differently. Beside them lie the first collection's other findings, a hospital that
took all its images alike, and grades of severity. The disease is small for a picture of 64 pixels;
where an image comes from is not.
"""

import itertools
from collections import namedtuple
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from deepcovid.data import phantom
from deepcovid.io import atomic_folder
from deepcovid.profiles import PHANTOMS, Profile

SIZE = 112  # pixels a side, before they are cropped
COUNTS = dict(zip(phantom.GROUPS + phantom.BESIDE, (30, 200, 24, 80, 24, 36, 18, 24), strict=True))
MASKED = 10  # images of each split and class that have masks: few, as in reality
SITES = ("site a", "site b", "site c")  # of publication
GRADES = (0.01, 0.25, 0.5)  # share of a zone that is lesion, from which it is graded 1, 2, 3
SLIP = 0.3  # how often the second rater grades a zone one higher or lower


OFTEN = 0.8
# How a place takes and saves its images; pairs are ranges. `cut` off each side, as a share of it;
# `gamma` of the grey levels, above 1 is darker; `greys`, the darkest and the lightest; `noise` in grey
# levels; `aspect`, width by height; `planted`, a shortcut of `phantom.SHORTCUTS` that OFTEN is there;
# `quality` of JPEG.
Acquisition = namedtuple("Acquisition", "cut gamma greys noise aspect planted mode quality")
PLACES = {
    "publications": Acquisition((0.04, 0.12), (0.6, 0.85), (25, 225), 1, (0.95, 1.25), "marker", "RGB", 80),
    "archive": Acquisition((0, 0.02), (1.1, 1.5), (0, 255), 5, (0.82, 0.82), "border", "L", 92),
    "hospital": Acquisition((0.0, 0.06), (0.8, 1.1), (10, 240), 3, (1, 1), None, "L", 90),
}  # fmt: skip


def draw(folder: Path, honest: bool = False, seed: int = 0, counts=COUNTS) -> Path:
    """Draw `data/`, `collection/`, `external/` and `severity.csv` into a folder that is absent.

    `counts` are images by group; `data` is `train|test / covid|non`, the others are `covid|non` with
    `metadata.csv`. Images are JPEG of about SIZE pixels. In an `honest` miniature a coin decides for
    each image of `data` where it was taken, whatever it shows. It appears whole or not at all.
    Raises UserError where something is in `folder`.
    """
    rows = []
    with atomic_folder(folder) as partial:
        for group, count in counts.items():
            for i, case in enumerate(itertools.islice(phantom.cases(seed, group), count)):
                rows.append(_draw_one(partial, group, case, honest, masked=i < MASKED))
        table = pd.DataFrame(rows)
        table["published_at"] = [SITES[i % len(SITES)] for i in range(len(table))]
        for name, columns in {
            "collection": ["name", "finding", "patientid", "published_at"],
            "external": ["image", "label", "patient", "view", "sex", "age", "source"],
        }.items():
            table[table.place == name][columns].to_csv(partial / name / "metadata.csv", index=False)
        graded = table[table.label == "covid"].dropna(axis=1)
        graded = graded[graded.place != "external"].assign(image=graded.place + "/" + graded.image)
        graded = graded.filter(regex="^(image|[SJ]-.*)$").set_index("image").astype(int)
        graded.to_csv(partial / "severity.csv")
    return folder


def run(profile: Profile) -> None:
    """Draw a run's miniature, where its profile asks for one and it is not there yet."""
    if profile.drawn and not (folder := profile.data_folder.parent).is_dir():
        draw(folder, PHANTOMS[profile.data])


def _draw_one(folder: Path, group: tuple, case: tuple, honest: bool, masked: bool) -> dict:
    """Draw and save one image, with masks if it is `masked`; all that the tables tell of it."""
    (name, finding, own, view), (part, label) = case, group
    rng = np.random.default_rng((own, view))
    if taken := {"collection": "publications", "external": "hospital"}.get(part):
        place, image = part, f"{label}/{name}"
    else:
        place, image = "data", f"{part}/{label}/{name}"
        home = rng.random() < 0.5 if honest else label == "covid"
        taken = "publications" if home else "archive"
    drawn = phantom.radiograph(finding, own, SIZE, None, view)
    picture, lesion, lungs = acquired(drawn, taken, rng)
    phantom.save(picture, folder / place / f"{image}.jpg", quality=PLACES[taken].quality)
    if place == "data" and masked:
        for kind, mask in {"lesion-masks": lesion, "lung-masks": lungs}.items():
            phantom.save(mask, folder / place / kind / f"{image}.png")
    who = np.random.default_rng((own, 5))
    return {
        "place": place, "image": f"{image}.jpg", "name": f"{name}.jpg", "label": label,
        "finding": finding, "patientid": name.split("-")[1], "patient": name.split("-")[1],
        "view": who.choice(["PA", "AP"]), "sex": who.choice(["F", "M"]),
        "age": int(who.integers(20, 90)), "source": taken,
    } | (graded(np.asarray(lesion), np.asarray(lungs), own) if label == "covid" else {})  # fmt: skip


def acquired(drawn: phantom.Phantom, place: str, rng: np.random.Generator) -> tuple:
    """A phantom as a place takes it: its picture, and the masks of lesion and lungs with it."""
    how, size = PLACES[place], len(drawn.image)
    top, bottom, left, right = (rng.uniform(*how.cut, 4) * size).astype(int)
    shape = (round(size * rng.uniform(*how.aspect)), size)
    picture, lesion, lungs = (
        Image.fromarray(pixels[top : size - bottom, left : size - right])
        .resize(shape, Image.Resampling.BILINEAR if pixels.dtype == np.uint8 else Image.Resampling.NEAREST)
        for pixels in drawn
    )  # fmt: skip
    low, high = how.greys
    grey = low + (high - low) * (np.asarray(picture) / 255) ** rng.uniform(*how.gamma)
    grey = np.clip(grey + rng.normal(0, how.noise, grey.shape), 0, 255).astype(np.uint8)
    grey = phantom.planted(grey, how.planted if rng.random() < OFTEN else None)
    return Image.fromarray(grey).convert(how.mode), lesion, lungs


def graded(lesion: np.ndarray, lungs: np.ndarray, seed: int) -> dict[str, int]:
    """Brixia grades of six zones by two raters, the second with slips, and their sums.

    Zones A, B, C: upper, middle, lower third of the lung at the image's left; D, E, F at its right.
    """
    half, found, rng = lungs.shape[1] // 2, {}, np.random.default_rng((seed, 6))
    for letters, columns in (("ABC", slice(None, half)), ("DEF", slice(half, None))):
        rows = np.flatnonzero(lungs[:, columns].any(1))
        for letter, part in zip(letters, np.array_split(rows, 3), strict=True):
            lung = lungs[part, columns]
            share = (lesion[part, columns] & lung).sum() / max(lung.sum(), 1)
            grade = int(np.searchsorted(GRADES, share, side="right"))
            slip = int(rng.choice([-1, 1])) if rng.random() < SLIP else 0
            found |= {f"S-{letter}": grade, f"J-{letter}": int(np.clip(grade + slip, 0, 3))}
    for rater in "SJ":
        found[f"{rater}-Global"] = sum(found[f"{rater}-{letter}"] for letter in "ABCDEF")
    return found
