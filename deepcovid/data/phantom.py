"""Synthetic frontal chest radiographs with known lesions, drawn from a seed.

A radiograph shows how much tissue lies in each ray's way. So the phantom adds up thicknesses: a
solid trunk with arms, less the air in the lungs, plus bones and vessels; a film curve turns the sum
into grey, and a finding is mostly a share of the lungs' air that tissue or fluid has replaced. All
classes come from the same drawing, and a finding changes nothing outside its lesion mask.

The phantom shows that the study's code does what it says, on images that may be shown to anyone.
It cannot stand in for patients: its anatomy is schematic, its findings are caricatures with
invented strengths and frequencies, and no score on it says anything about COVID-19.
"""

import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage, sparse

from deepcovid.runs import UserError

SHORTCUTS = ("marker", "border", "tint", "brightness")
GROUPS = (("train", "covid"), ("train", "non"), ("test", "covid"), ("test", "non"))
DEMO_COUNTS = dict(zip(GROUPS, (80, 240, 60, 200), strict=True))
VISIBLE = 0.015  # the least change of thickness, about a grey level, that counts as lesion


class Phantom(NamedTuple):
    """One drawn radiograph; image left is the patient's right."""

    image: np.ndarray  # uint8, size x size; with the shortcut "tint" size x size x 3
    lesion: np.ndarray  # bool, size x size: the pixels that the finding changes
    lungs: np.ndarray  # bool, size x size: lung that heart and mediastinum leave visible
    finding: str


# --- drawing tools; lengths are in half image widths, x to the right, y down, 0 in the centre ---


@functools.cache
def _upsampler(coarse: int, size: int) -> sparse.csr_array:
    """The size x coarse matrix that sums cubic B-splines, for `_texture`."""
    at = (np.arange(size) + 0.5) * coarse / size - 0.5
    rows = [
        ndimage.map_coordinates(unit, at[None], order=3, prefilter=False, mode="nearest")
        for unit in np.eye(coarse)
    ]
    return sparse.csr_array(np.transpose(rows))


def _texture(rng: np.random.Generator, size: int, *scales: int) -> np.ndarray:
    """Smooth noise around 0, of deviation about 1, with `scales` bumps across the image."""
    total = np.zeros((size, size))
    for scale in scales:
        rows = _upsampler(scale, size)  # sparse, as dense products wake all processor cores
        smooth = rows @ (rows @ rng.standard_normal((scale, scale))).T
        total += 2 * (scales[0] / scale) ** 0.6 * smooth
    return total


def _step(distance: np.ndarray, softness: float = 0.01) -> np.ndarray:
    """0 outside (distance < 0), 1 inside, with a soft edge."""
    t = distance / (2 * softness)
    t += 0.5
    np.clip(t, 0, 1, out=t)  # in place, as this is where most of the time goes
    smooth = t * -2
    smooth += 3
    smooth *= t
    smooth *= t
    return smooth


def _bump(offset: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-((offset / width) ** 2))


def _bone(offset: np.ndarray, half_width) -> np.ndarray:
    """A hollow bone seen from the side: dense cortex at its edges, spongy between."""
    t = np.abs(offset) / half_width
    return _step(1 - t, 0.2) * (0.6 + 0.5 * np.minimum(t, 1) ** 2)


def _ball(b: SimpleNamespace, x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """Thickness of an ellipsoid: 1 in its centre, 0 outside."""
    return np.sqrt(np.maximum(1 - ((b.x - x) / rx) ** 2 - ((b.y - y) / ry) ** 2, 0))


def _strokes(b: SimpleNamespace, x, y, height, sigma: float) -> np.ndarray:
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


# --- anatomy ---


def _position(rng: np.random.Generator, size: int) -> SimpleNamespace:
    """How the patient stands before the film: turn (with magnification), shift, grid x and y."""
    angle, scale = rng.normal(0, 0.03), rng.normal(1.0, 0.05)
    turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    shift = rng.normal(0, 0.03, 2)
    line = (np.arange(size) + 0.5) * 2 / size - 1
    px, py = line[None, :] - shift[0], line[:, None] - shift[1]
    x, y = (turn[i, 0] * px + turn[i, 1] * py for i in (0, 1))
    return SimpleNamespace(turn=turn, shift=shift, x=x, y=y)


def _vessels(b: SimpleNamespace, rng: np.random.Generator) -> np.ndarray:
    """Three generations of branches that leave the hila and thin out towards the pleura."""
    t = np.linspace(0, 1, 60)
    side = np.repeat([-1.0, 1.0], 9)
    x, y = side * rng.normal(0.16, 0.02, 18), np.tile(np.linspace(-0.1, 0.12, 9), 2)
    angle = np.tile(np.linspace(-1.3, 1.3, 9), 2) + rng.normal(0, 0.15, 18)
    total = np.zeros_like(b.x)
    for length, height, sigma in ((0.2, 0.2, 0.011), (0.18, 0.15, 0.007), (0.15, 0.12, 0.0045)):
        reach = length * rng.uniform(0.6, 1.4, len(x))[:, None] * t
        bent = angle[:, None] + rng.normal(0, 0.35, len(x))[:, None] * t
        xs = x[:, None] + side[:, None] * reach * np.cos(bent)
        ys = y[:, None] + reach * np.sin(bent)
        total += _strokes(b, xs, ys, height * (1 - 0.45 * t), sigma)
        x, y, angle, side = (np.repeat(v, 2) for v in (xs[:, -1], ys[:, -1], angle, side))
        angle = angle + np.tile([-0.35, 0.35], len(x) // 2) + rng.normal(0, 0.15, len(x))
    return total


def _heart(b: SimpleNamespace, size: float) -> np.ndarray:
    """Share of the lungs' air that a heart of relative `size` displaces, 0 to 1."""
    x, y = b.x - b.heart_x, b.y - b.heart_y
    x, y = 0.82 * x + 0.57 * y, 0.82 * y - 0.57 * x  # its long axis points to the left and down
    left = 1 - (x / (0.42 * size)) ** 2 - (y / (0.25 * size)) ** 2
    left -= 5 * np.maximum(-b.x - 0.02, 0)
    right = 1 - ((b.x + 0.03) / (0.17 * size**0.7)) ** 2 - ((b.y - b.heart_y - 0.04) / 0.25) ** 2
    q = np.logaddexp(12 * left, 12 * right) / 12
    return _step(q - 0.02, 0.06) * (0.5 + 0.47 * np.sqrt(np.clip(q, 0, 1)))


def _patient(seed: int, view: int, size: int) -> SimpleNamespace:
    """A patient without finding, in one position: maps of thickness in arbitrary units."""
    rng = np.random.default_rng((seed, 0))
    b = _position(np.random.default_rng((seed, 1, view)), size)
    vessels = _vessels(b, rng) * rng.uniform(0.6, 1.1)
    b.x = b.x + 0.01 * _texture(rng, size, 4)  # nobody is as even as a formula
    b.y = b.y + 0.01 * _texture(rng, size, 4)
    bands = []
    for rows in range(0, size, 64):  # what fits the processor's cache is drawn twice as fast
        band = SimpleNamespace(x=b.x[rows : rows + 64], y=b.y[rows : rows + 64])
        _draw_chest(np.random.default_rng((seed, 2)), band)
        bands.append(vars(band))
    for name, value in list(bands[0].items()):
        joined = np.concatenate([band[name] for band in bands]) if np.ndim(value) else value
        setattr(b, name, joined)
    b.solid += 0.05 * _texture(rng, size, 3, 6)
    b.vessels = vessels * b.shown
    return b


def _draw_chest(rng: np.random.Generator, b: SimpleNamespace) -> None:
    """Add to the grid `b` the thickness of all but air (`solid`), and the `air`.

    Besides, for the findings to be placed by: `right` (the patient's), `depth` (0 at the ribs to 1
    at the mediastinum), `height` (0 at the apex to 1 at the diaphragm), `base` (y of the diaphragm)
    and `space` (the air that there would be without heart). The same `rng` draws the same chest on
    any part of the grid.
    """
    normal, uniform = rng.normal, rng.uniform
    x, y, ax, b.right = b.x, b.y, np.abs(b.x), b.x < 0

    def sides(right, left):
        return np.where(b.right, right, left)

    # trunk, neck, arms
    fat = np.clip(normal(0, 1), -1.8, 2)
    width = 0.84 + 0.05 * fat + 0.05 * np.clip(y - 0.2, 0, 1)
    shoulder = 0.26 + (0.85 + 0.04 * fat) * _step(y + 0.8 - normal(0, 0.03), 0.2)
    trunk_half = np.minimum(shoulder, width + 0.5 * _step(-0.3 - y, 0.22))
    trunk = np.sqrt(np.maximum(1 - (ax / trunk_half) ** 2, 0))
    gap = uniform(0, 0.2)
    arm_x = 1.03 + 0.05 * fat + gap * (y + 0.5)
    arm = np.sqrt(np.maximum(1 - ((ax - arm_x) / 0.14) ** 2, 0)) * _step(y + 0.52, 0.1)
    solid = (1.95 + 0.14 * fat) * trunk + 0.75 * arm * (1 - 0.6 * _step(trunk, 0.2))
    solid *= 1 - 0.3 * _step(-0.5 - y, 0.3)
    solid += 0.7 * _step(y - 0.45, 0.2) * trunk

    # thorax: an ellipse above its widest level, nearly straight below
    wide, level, top = normal(0.7, 0.025), 0.45, normal(-0.76, 0.025)
    up = np.clip((level - y) / (level - top), 0, 0.999)
    half = wide * np.sqrt(1 - up**2.2) - 0.12 * np.clip(y - level, 0, 1) ** 2 + 1e-3
    r = ax / half
    s = np.sqrt(np.maximum(1 - r**2, 0.02))

    # lungs: between ribs, mediastinum and the domes of the diaphragm
    base = normal(0.47, 0.06)
    middle = (ax - sides(0.36, 0.4)) / 0.36
    dome = base + sides(0, normal(0.06, 0.02)) + 0.15 * middle**2 + 0.12 * (middle**2) ** 2
    knob, cone, atrium = _bump(y + 0.3, 0.08), _bump(y + 0.12, 0.08), _bump(y + 0.1, 0.3)
    medial = 0.11 + 0.16 * np.exp((top - y) / 0.04) + 0.03 * _step(-0.45 - y, 0.15)
    medial = medial + sides(0.02 * atrium, uniform(0.02, 0.055) * knob + 0.03 * cone)
    inner = (1 - r) * half
    lung = _step(inner - 0.012, 0.012) * _step(ax - medial, 0.014) * _step(dome - y, 0.012)
    b.heart_x, b.heart_y = normal(0.1, 0.015), base - normal(0.16, 0.02)
    b.heart = normal(1.0, 0.06)
    heart = _heart(b, b.heart)
    b.lungs = lung * (1 - _step(heart - 0.3, 0.1)) > 0.5
    b.base, b.depth = base, np.clip(inner / np.maximum(half - medial, 0.05), 0, 1)
    b.height = np.clip((y - top) / (dome - top), 0, 1)
    air = normal(1.33, 0.09) * np.sqrt(np.clip(inner / 0.3, 0.06, 1))
    b.space = lung * air * (1 - 0.12 * b.height)  # room for air, heart or not
    b.air = b.space * (1 - heart)
    b.shown = lung * (0.15 + 0.85 * _step(b.air - 0.3, 0.3))  # of the vessels, the rest is covered
    hila = _ball(b, -0.17, -0.01, 0.075, 0.14) + _ball(b, 0.17, -0.04, 0.07, 0.12)
    solid += 0.17 * hila * lung

    # ribs are tilted rings: a steep arc behind, a steeper one in front
    bones = np.zeros_like(x)
    gap, first = normal(0.137, 0.006), top + 0.1
    for drop, bone, inner_end in ((-0.13, 0.27, 0.0), (0.3, 0.17, 0.5)):
        slope = np.minimum(np.abs(drop) * r / (s * half), 3)
        phase = (y - drop * s - 0.05 * (drop > 0) - first) / (gap * (1 + 0.12 * (y + 0.3)))
        off = (phase - np.rint(phase)) / np.sqrt(1 + slope**2)
        count = _step(phase + 0.5, 0.1) * _step(9.6 - phase, 0.1)
        span = _step(1.03 - r, 0.02) * _step(r - inner_end, 0.12)
        bones += bone * uniform(0.7, 1.15) * _bone(off, 0.2 + 0.05 * slope) * count * span
    clavicle_y = -0.5 + normal(0, 0.03) - 0.2 * (ax - 0.08) + 0.035 * np.sin(8 * ax)
    bones += 0.33 * _bone(y - clavicle_y, 0.035) * _step(ax - 0.07, 0.03) * _step(0.8 - ax, 0.05)
    blade = 0.62 + uniform(-0.04, 0.12) + 0.12 * (y + 0.2)
    scapula = _step(ax - blade) * _step(0.2 - y - 0.8 * (ax - blade), 0.05) * _step(y + 0.5, 0.05)
    bones += 0.1 * scapula * (1 + _bump(ax - blade, 0.02))
    bones += 0.25 * _bone(np.hypot((ax - 0.97) / 0.13, (y + 0.48) / 0.14), 1)
    bones += 0.3 * _bone(ax - arm_x + 0.02, 0.05) * _step(y + 0.42, 0.05)
    disc = np.abs((y / 0.105) % 1 - 0.5) * 2
    spine = _bone(x, 0.085 + 0.012 * disc) * (0.75 + 0.25 * _step(disc - 0.2, 0.15))
    spine += 0.5 * _bump(ax - 0.05, 0.014) * _bump(disc - 0.6, 0.3)
    bones += 0.36 * spine
    trachea = _bone(x - 0.015, 0.036) * _step(-0.26 - y, 0.04)
    bronchi = _bump(y + 0.26 - 0.75 * ax, 0.028) * _step(0.17 - ax, 0.03)
    stomach = uniform(0, 0.5) * _ball(b, 0.36, base + 0.3, uniform(0.08, 0.16), 0.09)
    breasts = _ball(b, -0.42, 0.3, 0.33, 0.3) + _ball(b, 0.42, 0.3, 0.33, 0.3)
    solid += max(0, normal(0, 0.25)) * breasts
    b.solid = solid + bones * normal(1, 0.12) - 0.5 * trachea - 0.25 * bronchi - stomach


# --- findings: each gives the change of thickness that it makes to the patient `b` ---


def _patches(b: SimpleNamespace, rng, right: bool, number: int, height, depth) -> np.ndarray:
    """Irregular patches in one lung, 0 to 1, around Beta-distributed heights and depths."""
    field = np.full_like(b.x, -1)
    for _ in range(number):
        dy, dx = b.height - rng.beta(*height), b.depth - rng.beta(*depth)
        q = (dy / rng.uniform(0.1, 0.22)) ** 2 + (dx / rng.uniform(0.25, 0.5)) ** 2
        field = np.maximum(field, 1 - q)
    edge = _texture(rng, len(b.x), 9, 18, 36)
    return np.where(b.right == right, _step(field - 0.3 + 0.15 * edge, 0.4), 0)


def _mottled(b: SimpleNamespace, rng) -> np.ndarray:
    """Uneven filling of the air spaces, around 0.8."""
    return np.clip(0.8 + 0.17 * _texture(rng, len(b.x), 20, 40, 64), 0.2, 1.2)


def _no_finding(b: SimpleNamespace, rng) -> np.ndarray:
    return np.zeros_like(b.x)


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


def _consolidation(b: SimpleNamespace, rng) -> np.ndarray:
    """A lobe without air, with a sharp edge at the fissure."""
    edge = b.height - rng.uniform(0.45, 0.65) + 0.25 * (b.depth - 0.5) * rng.choice([-1, 1])
    lobe = _step(edge if rng.random() < 0.6 else -edge, 0.02) * (b.right == (rng.random() < 0.6))
    fade = 0.75 + 0.25 * np.tanh(_texture(rng, len(b.x), 4, 8))
    return b.air * rng.uniform(0.35, 0.8) * lobe * fade * _mottled(b, rng)


def _edema(b: SimpleNamespace, rng) -> np.ndarray:
    """Haze that spreads from both hila, and swollen vessels."""
    haze = _bump(1 - b.depth, 0.6) * _bump(b.height - 0.6, 0.35) * _mottled(b, rng)
    return rng.uniform(0.15, 0.45) * b.air * haze + rng.uniform(0.2, 0.8) * b.vessels


def _effusion(b: SimpleNamespace, rng) -> np.ndarray:
    """Fluid in the angle above the diaphragm, drawn up along the ribs."""
    share = 0.0
    which = rng.choice(3)
    for right in (True, False):
        top = b.base + rng.uniform(-0.25, 0.13)
        fluid = _step(b.y - top + 0.2 * np.exp(-b.depth / 0.12), 0.03)
        share = share + fluid * (b.right == right) * (which in (2, int(right)))
    return 0.9 * b.air * share


def _cardiomegaly(b: SimpleNamespace, rng) -> np.ndarray:
    return b.space * np.maximum(_heart(b, b.heart * rng.uniform(1.2, 1.45)) - _heart(b, b.heart), 0)


def _pneumothorax(b: SimpleNamespace, rng) -> np.ndarray:
    """Air without vessels outside the collapsed lung, whose edge is a fine line."""
    side = b.right == (rng.random() < 0.5)
    inside = b.depth - rng.uniform(0.15, 0.45) * (1 - b.height) ** 0.5
    outside = _step(-inside, 0.01) * (b.height < 1)
    line = 0.12 * _bump(inside, 0.02) * (b.air > 0.2) * (b.height < 0.9)
    return side * (line - (b.vessels + 0.12 * b.air) * outside)


def _lung_lesion(b: SimpleNamespace, rng) -> np.ndarray:
    """One to three round nodules."""
    total = np.zeros_like(b.x)
    for _ in range(rng.integers(1, 4)):
        off = (b.height - rng.uniform(0.1, 0.9)) ** 2 + (b.depth - rng.uniform(0.1, 0.8)) ** 2
        off += 9.0 * (b.right != (rng.random() < 0.5)) + 9.0 * ~b.lungs
        x, y, radius = b.x.flat[off.argmin()], b.y.flat[off.argmin()], rng.uniform(0.03, 0.085)
        total += (0.15 + 3 * radius) * _ball(b, x, y, radius, radius)
    return total * _step(b.space, 0.05)


def _atelectasis(b: SimpleNamespace, rng) -> np.ndarray:
    """Plates of collapsed lung: short slanting bands above the diaphragm."""
    t = np.linspace(-1, 1, 120)
    number = rng.integers(1, 4)
    side, reach = rng.choice([-1, 1], number)[:, None], rng.uniform(0.1, 0.2, number)[:, None]
    x = side * rng.uniform(0.36, 0.5, number)[:, None] + reach * t
    y = b.base - rng.uniform(0.03, 0.3, number)[:, None] + rng.normal(0, 0.06, number)[:, None] * t
    return _strokes(b, x, y, rng.uniform(0.2, 0.5) * (1 - t**2), 0.012) * _step(b.air - 0.1, 0.1)


def _devices(b: SimpleNamespace, rng) -> np.ndarray:
    """A breathing tube, a central line, leads with electrodes, or a pacemaker; often several."""
    t = np.linspace(0, 1, 400)
    wire = functools.partial(_strokes, b)
    tube = wire(0.015 + 0.02 * np.array([[-1], [1]]), -1.1 + t * np.ones((2, 1)) * 0.72, 0.5, 0.005)
    line = wire(-0.5 + 0.38 * t**0.5, -0.62 + 0.75 * t**2 + 0.1 * t, 0.6, 0.006)
    spots = rng.uniform((-0.7, -0.5), (0.7, 0.5), (4, 2))
    ends = spots + rng.normal(0, 0.5, (4, 2)) + [0, 0.7]
    lead_x = spots[:, :1] + (ends - spots)[:, :1] * t + 0.1 * np.sin(3 * t)
    leads = wire(lead_x, spots[:, 1:] + (ends - spots)[:, 1:] * t, 0.4, 0.005)
    leads += sum(1.2 * _step(_ball(b, *spot, 0.03, 0.03) - 0.3, 0.2) for spot in spots)
    pacemaker = 1.6 * _step(_ball(b, 0.55, -0.45, 0.12, 0.1) - 0.2, 0.1)
    pacemaker += wire(0.5 - 0.35 * np.sin(3 * t), -0.45 + 0.85 * t**1.3, 0.8, 0.006)
    worn = rng.random(4) < 0.45
    worn[rng.integers(4)] = True
    return sum(
        np.multiply(*pair) for pair in zip((tube, line, leads, pacemaker), worn, strict=True)
    )


# what each finding is drawn by, and how often it is met among Non-COVID patients
FINDINGS = {
    "COVID-19": (_covid, 0.0),
    "No Finding": (_no_finding, 0.36),
    "Atelectasis": (_atelectasis, 0.06),
    "Cardiomegaly": (_cardiomegaly, 0.08),
    "Consolidation": (_consolidation, 0.08),
    "Edema": (_edema, 0.1),
    "Lung Lesion": (_lung_lesion, 0.08),
    "Pleural Effusion": (_effusion, 0.08),
    "Pneumonia": (_pneumonia, 0.06),
    "Pneumothorax": (_pneumothorax, 0.05),
    "Support Devices": (_devices, 0.05),
}


# --- images and folders ---


def radiograph(
    finding: str, seed: int, size: int = 256, shortcut: str | None = None, view: int = 0
) -> Phantom:
    """Draw one patient with one of `FINDINGS`.

    `seed` (0 or more) fixes anatomy, lesion, position and exposure; another `view` (0 or more)
    shows the same anatomy and lesion in another position and exposure. With the same seed, view
    and size, two findings differ only inside the lesion masks. `size` is in pixels, 32 or more.
    `shortcut` plants one of `SHORTCUTS`: `marker` a white R in the upper left corner, `border` a
    black frame, `tint` warm RGB instead of grey, `brightness` 30 grey levels more.

    Raises UserError for an unknown finding or shortcut and a size below 32.
    """
    _check("finding", finding, FINDINGS)
    _check("shortcut", shortcut, (None, *SHORTCUTS))
    if size < 32:
        raise UserError(f"A phantom of size {size} is too small to draw: ask for 32 or more.")
    b = _patient(seed, view, size)
    change = FINDINGS[finding][0](b, np.random.default_rng((seed, 3)))
    change[np.abs(change) < VISIBLE] = 0
    thickness = np.maximum(b.solid + b.vessels - b.air + change, 0)
    grey = _film(thickness, np.random.default_rng((seed, 4, view)))
    return Phantom(_planted(grey, shortcut), change != 0, b.lungs, finding)


def _check(what: str, given, allowed) -> None:
    if given not in allowed:
        raise UserError(
            f"There is no {what} {given!r}: choose from {', '.join(map(str, allowed))}."
        )


def _film(thickness: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Thickness to uint8 grey by a film curve of random hardness, with noise and collimation."""
    size = len(thickness)
    passed = np.exp(-rng.normal(0.9, 0.07) * thickness)
    grey = rng.normal(285, 12) * (1 - passed) ** rng.normal(1.65, 0.2) + max(0, rng.normal(4, 6))
    grain = rng.standard_normal(thickness.shape)
    grey += rng.uniform(1, 3.5) * (grain + 0.6 * np.roll(grain, 1, 0) + 0.6 * np.roll(grain, 1, 1))
    closed = np.maximum(rng.normal(-0.01, 0.02, 4), 0) * size  # most blades stay out of the image
    top, bottom, left, right = closed.astype(int)
    grey[:top] = grey[size - bottom :] = grey[:, :left] = grey[:, size - right :] = 0
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def _planted(grey: np.ndarray, shortcut: str | None) -> np.ndarray:
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


def _cases(seed: int, group: tuple[str, str]) -> Iterator[tuple[str, str, int, int]]:
    """File name, finding, seed and view of image after image of a split and class, without end."""
    index, number = GROUPS.index(group), 0
    non_covid = [name for name in FINDINGS if name != "COVID-19"]
    while True:
        rng = np.random.default_rng((seed, index, number))
        own = int(rng.integers(2**32))
        patient = f"phantom{4 * number + index:05d}"  # so that no two groups share a patient
        if group[1] == "covid":
            for view in range(1 + (rng.random() < 0.12)):
                yield f"covid-{patient}-{view + 1}.png", "COVID-19", own, view
        else:
            finding = rng.choice(non_covid, p=[FINDINGS[name][1] for name in non_covid])
            yield f"{finding}-{patient}-study1.png", str(finding), own, 0
        number += 1


def write(
    folder: Path,
    seed: int,
    counts: dict[tuple[str, str], int] = DEMO_COUNTS,
    size: int = 256,
    shortcut: str | None = None,
    shortcut_in: str = "covid",
) -> Path:
    """Write a data folder of PNG images and 1-bit masks; it appears whole or not at all.

    `counts` gives the number of images of each split (`train`, `test`) and class (`covid`, `non`),
    which go to `folder/<split>/<class>/`, with masks of the same name under
    `folder/lesion-masks/` and `folder/lung-masks/`. An image depends on `seed` and its name only.
    Finding and patient can be read from the name; some COVID-19 patients have two images.
    The class `shortcut_in` bears `shortcut`, the other does not. Returns `folder`.

    Raises UserError where there is already something in `folder`, and for unknown words.
    """
    _check("shortcut", shortcut, (None, *SHORTCUTS))
    _check("class", shortcut_in, ("covid", "non"))
    for group in counts:
        _check("split and class", group, GROUPS)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"{folder} is not empty: name a new folder for the phantom, or remove it.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".part-"))
    try:
        for group, count in counts.items():
            kinds = [partial.joinpath(k, *group) for k in ("", "lesion-masks", "lung-masks")]
            for kind in kinds:
                kind.mkdir(parents=True)
            planted = shortcut if group[1] == shortcut_in else None
            for (name, finding, own, view), _ in zip(
                _cases(seed, group), range(count), strict=False
            ):
                drawn = radiograph(finding, own, size, planted, view)
                for kind, pixels in zip(kinds, drawn[:3], strict=True):
                    Image.fromarray(pixels).save(kind / name, compress_level=1)
        partial.chmod(0o755)
        if folder.is_dir():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder
