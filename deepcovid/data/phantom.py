"""Synthetic frontal chest radiographs with known lesions, drawn from a seed.

A radiograph shows how much tissue lies in each ray's way. So the phantom adds up thicknesses: a
solid trunk with arms, less the air in the lungs, plus bones and vessels; a film curve turns the sum
into grey, and a finding is mostly a share of the lungs' air that tissue or fluid has replaced. All
classes come from the same drawing, and a finding changes nothing outside its lesion mask.

The phantom shows that the study's code does what it says, on images that may be shown to anyone.
It cannot stand in for patients: its anatomy is schematic, its findings are caricatures with
invented strengths and frequencies, and no score on it says anything about COVID-19.

A patient `b` is a namespace: the grid `b.x`, `b.y` and maps of thickness over it. Lengths are in
half image widths, x to the right, y down, 0 in the centre. A finding gives the change of thickness
that it makes.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from deepcovid.io import atomic_folder

SHORTCUTS = ("marker", "border", "tint", "brightness")
GROUPS = tuple(itertools.product(("train", "test"), ("covid", "non")))
BESIDE = tuple(itertools.product(("collection", "external"), ("covid", "non")))  # of no split
LETTER = [[int(bit) for bit in row] for row in ("11110", "10001", "11110", "10100", "10011")]
VISIBLE = 0.015  # the least change of thickness, about a grey level, that counts as lesion


class Phantom(NamedTuple):
    """One drawn radiograph; image left is the patient's right."""

    image: np.ndarray  # uint8, size x size; with the shortcut "tint" size x size x 3
    lesion: np.ndarray  # bool, size x size: the pixels that the finding changes
    lungs: np.ndarray  # bool, size x size: lung that heart and mediastinum leave visible


def texture(rng: np.random.Generator, b: SimpleNamespace, *scales: int) -> np.ndarray:
    """Smooth noise around 0, of deviation about 1, with `scales` bumps across the patient."""
    total = np.zeros_like(b.x)
    for scale in scales:
        noise, at = rng.standard_normal((scale, scale)), [(v + 1) * scale / 2 for v in (b.y, b.x)]
        smooth = ndimage.map_coordinates(noise, at, order=3, prefilter=False, mode="grid-wrap")
        total += 2 * (scales[0] / scale) ** 0.6 * smooth
    return total


def step(distance: np.ndarray, softness: float = 0.01) -> np.ndarray:
    """0 outside (distance < 0), 1 inside, with a soft edge."""
    t = np.clip(distance / (2 * softness) + 0.5, 0, 1)
    return t * t * (3 - 2 * t)


def bump(offset: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-((offset / width) ** 2))


def bone(offset: np.ndarray, half_width) -> np.ndarray:
    """A hollow bone seen from the side: dense cortex at its edges, spongy between."""
    t = np.abs(offset) / half_width
    return step(1 - t, 0.2) * (0.6 + 0.5 * np.minimum(t, 1) ** 2)


def patient(seed: int, view: int, size: int) -> SimpleNamespace:
    """A patient without finding, in one position: maps of thickness in arbitrary units.

    `solid` is all but air, `air` the lungs' and `vessels` what branches in them. For findings to be
    placed by: `right` (the patient's), `depth` (0 at the ribs to 1 at the mediastinum) and `height`
    (0 at the apex to 1 at the diaphragm). `lungs` is the lung that the heart leaves visible, bool.
    """
    rng, b = np.random.default_rng((seed, 0)), _grid(np.random.default_rng((seed, 1, view)), size)
    dx, dy = (0.01 * texture(rng, b, 4) for _ in "xy")  # nobody is as even as a formula
    b.x, b.y, b.right = b.x + dx, b.y + dy, b.x + dx < 0
    ax = np.abs(b.x)
    _add_trunk(rng, b, ax)
    half, ring = _add_lungs(rng, b, ax)
    _add_bones(rng, b, ax, half, ring)
    b.solid += 0.05 * texture(rng, b, 3, 6)
    return b


def _grid(rng: np.random.Generator, size: int) -> SimpleNamespace:
    """How the patient stands before the film: turned, nearer or farther, shifted."""
    angle, scale, shift = rng.normal(0, 0.03), rng.normal(1.0, 0.05), rng.normal(0, 0.03, 2)
    line = (np.arange(size) + 0.5) * 2 / size - 1
    x, y = np.meshgrid(line - shift[0], line - shift[1])
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return SimpleNamespace(x=cos * x + sin * y, y=cos * y - sin * x)


def _add_trunk(rng: np.random.Generator, b: SimpleNamespace, ax: np.ndarray) -> None:
    """Begin `solid` with trunk, neck and arms."""
    y, fat = b.y, np.clip(rng.normal(0, 1), -1.8, 2)
    width = 0.84 + 0.05 * fat + 0.05 * np.clip(y - 0.2, 0, 1)
    shoulder = 0.26 + (0.85 + 0.04 * fat) * step(y + 0.8 - rng.normal(0, 0.03), 0.2)
    half = np.minimum(shoulder, width + 0.5 * step(-0.3 - y, 0.22))
    trunk = np.sqrt(np.maximum(1 - (ax / half) ** 2, 0))
    arm_x = 1.03 + 0.05 * fat + rng.uniform(0, 0.2) * (y + 0.5)
    arm = np.sqrt(np.maximum(1 - ((ax - arm_x) / 0.14) ** 2, 0)) * step(y + 0.52, 0.1)
    b.solid = (1.95 + 0.14 * fat) * trunk + 0.75 * arm * (1 - 0.6 * step(trunk, 0.2))
    b.solid = b.solid * (1 - 0.3 * step(-0.5 - y, 0.3)) + 0.7 * step(y - 0.45, 0.2) * trunk


def _add_lungs(rng: np.random.Generator, b: SimpleNamespace, ax: np.ndarray) -> tuple:
    """Lungs between ribs, mediastinum, heart and the domes of the diaphragm.

    Returns of the rib cage its half width at each level, and 0 in its middle to 1 at its side.
    """
    y, wide, top = b.y, rng.normal(0.7, 0.025), rng.normal(-0.76, 0.025)
    up = np.clip((0.45 - y) / (0.45 - top), 0, 0.999)
    half = wide * np.sqrt(1 - up**2.2) - 0.12 * np.clip(y - 0.45, 0, 1) ** 2 + 1e-3
    base, lower = rng.normal(0.47, 0.06), rng.normal(0.06, 0.02)  # the left dome is lower
    dome = base + np.where(b.right, 0, lower) + 0.27 * ((ax - 0.38) / 0.36) ** 2
    medial = 0.11 + 0.16 * np.exp((top - y) / 0.04) + 0.03 * bump(y + 0.2, 0.2)
    inner = half - ax
    lung = step(inner - 0.012, 0.012) * step(ax - medial, 0.014) * step(dome - y, 0.012)
    x = b.x - rng.normal(0.1, 0.015)
    level, big = y - base + rng.normal(0.16, 0.02), rng.normal(1, 0.06)
    # the heart points to the left and down
    x, level = 0.82 * x + 0.57 * level, 0.82 * level - 0.57 * x
    within = 1 - (x / (0.42 * big)) ** 2 - (level / (0.25 * big)) ** 2
    heart = step(within, 0.08) * (0.5 + 0.47 * np.sqrt(np.clip(within, 0, 1)))
    b.lungs = lung * (1 - step(heart - 0.3, 0.1)) > 0.5
    b.depth = np.clip(inner / np.maximum(half - medial, 0.05), 0, 1)
    b.height = np.clip((y - top) / (dome - top), 0, 1)
    b.air = rng.normal(1.33, 0.09) * lung * (1 - heart) * (1 - 0.12 * b.height)
    b.air = b.air * np.sqrt(np.clip(inner / 0.3, 0.06, 1))
    branches = bump(texture(rng, b, 9, 18), 0.2) * (0.3 + 0.7 * b.depth)
    b.vessels = rng.uniform(0.15, 0.3) * branches * b.lungs
    b.solid += 0.2 * lung * bump(ax - 0.17, 0.07) * bump(y + 0.02, 0.13)  # the hila
    return half, ax / half


def _add_bones(rng: np.random.Generator, b: SimpleNamespace, ax, half, ring) -> None:
    """Ribs (tilted rings: a steep arc behind, a steeper one in front), clavicles and spine."""
    y, depth = b.y, np.sqrt(np.maximum(1 - ring**2, 0.02))
    bones, gap, first = np.zeros_like(y), rng.normal(0.137, 0.006), rng.normal(-0.66, 0.02)
    for drop, dense, inner_end in ((-0.13, 0.27, 0.0), (0.3, 0.17, 0.5)):
        slope = np.minimum(np.abs(drop) * ring / (depth * half), 3)
        phase = (y - drop * depth - 0.05 * (drop > 0) - first) / (gap * (1 + 0.12 * (y + 0.3)))
        off = (phase - np.rint(phase)) / np.sqrt(1 + slope**2)
        span = step(1.03 - ring, 0.02) * step(ring - inner_end, 0.12) * step(phase + 0.5, 0.1)
        solid = dense * rng.uniform(0.7, 1.15) * bone(off, 0.2 + 0.05 * slope)
        bones += solid * span * (phase < 9.6)
    clavicle = y + 0.5 + rng.normal(0, 0.03) + 0.2 * (ax - 0.08) - 0.035 * np.sin(8 * ax)
    bones += 0.33 * bone(clavicle, 0.035) * step(ax - 0.07, 0.03) * step(0.8 - ax, 0.05)
    disc = np.abs((y / 0.105) % 1 - 0.5) * 2
    bones += 0.36 * bone(b.x, 0.085 + 0.012 * disc) * (0.75 + 0.25 * step(disc - 0.2, 0.15))
    b.solid += bones * rng.normal(1, 0.12)


def _patches(b: SimpleNamespace, rng, right: bool, number: int, height, depth) -> np.ndarray:
    """Irregular patches in one lung, 0 to 1, around Beta-distributed heights and depths."""
    field = np.full_like(b.x, -1)
    for _ in range(number):
        dy, dx = b.height - rng.beta(*height), b.depth - rng.beta(*depth)
        q = (dy / rng.uniform(0.1, 0.22)) ** 2 + (dx / rng.uniform(0.25, 0.5)) ** 2
        field = np.maximum(field, 1 - q)
    edge = texture(rng, b, 9, 18, 36)
    return np.where(b.right == right, step(field - 0.3 + 0.15 * edge, 0.4), 0)


def _mottled(b: SimpleNamespace, rng) -> np.ndarray:
    """Uneven filling of the air spaces, around 0.8."""
    return np.clip(0.8 + 0.17 * texture(rng, b, 20, 40), 0.2, 1.2)


def _covid(b: SimpleNamespace, rng) -> np.ndarray:
    """Ground glass: hazy patches in both lungs, peripheral and rather low, often uneven."""
    share = sum(
        rng.uniform(0.25, 0.7) * _patches(b, rng, right, rng.integers(3, 7), (6, 2.5), (1, 7))
        for right in (True, False)
    )
    return b.air * share * _mottled(b, rng)


def _pneumonia(b: SimpleNamespace, rng) -> np.ndarray:
    """Denser patches in one lung, anywhere."""
    where = _patches(b, rng, rng.random() < 0.5, rng.integers(1, 4), (2, 2), (2, 2))
    return b.air * rng.uniform(0.3, 0.8) * where * _mottled(b, rng)


def _edema(b: SimpleNamespace, rng) -> np.ndarray:
    """Haze that spreads from both hila, and swollen vessels."""
    haze = bump(1 - b.depth, 0.6) * bump(b.height - 0.6, 0.35) * _mottled(b, rng)
    return rng.uniform(0.15, 0.45) * b.air * haze + rng.uniform(0.2, 0.8) * b.vessels


# what each finding is drawn by, and how often it is met among Non-COVID patients
FINDINGS = {
    "COVID-19": (_covid, 0.0),
    "No Finding": (lambda b, rng: np.zeros_like(b.x), 0.4),
    "Edema": (_edema, 0.3),
    "Pneumonia": (_pneumonia, 0.3),
}


def radiograph(
    finding: str, seed: int, size: int = 256, shortcut: str | None = None, view: int = 0,
    mottle: float = 0,
) -> Phantom:  # fmt: skip
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
    blurred = np.random.default_rng((seed, 5, view)).standard_normal((size, size))
    blurred = ndimage.gaussian_filter(blurred, 1)
    noise = blurred / blurred.std() * mottle
    grey = _film(thickness, np.random.default_rng((seed, 4, view)), noise)
    return Phantom(planted(grey, shortcut), change != 0, b.lungs)


def _film(thickness: np.ndarray, rng: np.random.Generator, noise: np.ndarray) -> np.ndarray:
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
        stamp = np.kron(LETTER, np.ones((max(1, size * 3 // 128),) * 2)) > 0
        grey[size // 32 :, size // 32 :][: len(stamp), : len(stamp)][stamp] = 255
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
    folder: Path, seed: int, counts: dict[tuple[str, str], int], size: int = 256,
    shortcut: str | None = None,
) -> Path:  # fmt: skip
    """Write a data folder of PNG images and 1-bit masks; it appears whole or not at all.

    `counts` gives the number of images of each split (`train`, `test`) and class (`covid`, `non`),
    which go to `folder/<split>/<class>/`, with masks of the same name under
    `folder/lesion-masks/` and `folder/lung-masks/`. An image depends on `seed` and its name only.
    Finding and patient can be read from the name; some COVID-19 patients have two images.
    COVID-19 images bear `shortcut`, the others do not; see `radiograph`. Returns `folder`.

    Raises UserError where there is already something in `folder`.
    """
    with atomic_folder(folder) as partial:
        for group, count in counts.items():
            bears = shortcut if group[1] == "covid" else None
            for name, finding, own, view in itertools.islice(cases(seed, group), count):
                drawn = radiograph(finding, own, size, bears, view)
                for kind, pixels in zip(("", "lesion-masks", "lung-masks"), drawn, strict=True):
                    save(Image.fromarray(pixels), partial.joinpath(kind, *group, f"{name}.png"))
    return folder


def save(picture: Image.Image, path: Path, **how) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, **how)
