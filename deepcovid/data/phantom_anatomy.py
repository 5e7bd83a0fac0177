"""The phantom's patient without a finding: maps of thickness of trunk, lungs, heart and bones.

A patient `b` is a namespace: the grid `b.x`, `b.y` and the maps over it that `draw_chest` names.
"""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from deepcovid.data.phantom_shapes import ball, bone, bump, step, strokes, texture


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
        total += strokes(b, xs, ys, height * (1 - 0.45 * t), sigma)
        x, y, angle, side = (np.repeat(v, 2) for v in (xs[:, -1], ys[:, -1], angle, side))
        angle = angle + np.tile([-0.35, 0.35], len(x) // 2) + rng.normal(0, 0.15, len(x))
    return total


def heart(b: SimpleNamespace, size: float) -> np.ndarray:
    """Share of the lungs' air that a heart of relative `size` displaces, 0 to 1."""
    x, y = b.x - b.heart_x, b.y - b.heart_y
    x, y = 0.82 * x + 0.57 * y, 0.82 * y - 0.57 * x  # its long axis points to the left and down
    left = 1 - (x / (0.42 * size)) ** 2 - (y / (0.25 * size)) ** 2
    left -= 5 * np.maximum(-b.x - 0.02, 0)
    right = 1 - ((b.x + 0.03) / (0.17 * size**0.7)) ** 2 - ((b.y - b.heart_y - 0.04) / 0.25) ** 2
    q = np.logaddexp(12 * left, 12 * right) / 12
    return step(q - 0.02, 0.06) * (0.5 + 0.47 * np.sqrt(np.clip(q, 0, 1)))


def patient(seed: int, view: int, size: int) -> SimpleNamespace:
    """A patient without finding, in one position: maps of thickness in arbitrary units."""
    rng = np.random.default_rng((seed, 0))
    b = _position(np.random.default_rng((seed, 1, view)), size)
    vessels = _vessels(b, rng) * rng.uniform(0.6, 1.1)
    b.x = b.x + 0.01 * texture(rng, size, 4)  # nobody is as even as a formula
    b.y = b.y + 0.01 * texture(rng, size, 4)
    bands = []
    for rows in range(0, size, 64):  # what fits the processor's cache is drawn twice as fast
        band = SimpleNamespace(x=b.x[rows : rows + 64], y=b.y[rows : rows + 64])
        draw_chest(np.random.default_rng((seed, 2)), band)
        bands.append(vars(band))
    for name, value in list(bands[0].items()):
        joined = np.concatenate([band[name] for band in bands]) if np.ndim(value) else value
        setattr(b, name, joined)
    b.solid += 0.05 * texture(rng, size, 3, 6)
    b.vessels = vessels * b.shown
    return b


def draw_chest(rng: np.random.Generator, b: SimpleNamespace) -> None:
    """Add to the grid `b` the thickness of all but air (`solid`), and the `air`.

    Besides, for the findings to be placed by: `right` (the patient's), `depth` (0 at the ribs to 1
    at the mediastinum), `height` (0 at the apex to 1 at the diaphragm), `base` (y of the diaphragm)
    and `space` (the air that there would be without heart). The same `rng` draws the same chest on
    any part of the grid.
    """
    ax, b.right = np.abs(b.x), b.x < 0
    arm_x = _draw_trunk(rng, b, ax)
    cage = _rib_cage(rng, b.y, ax)
    _draw_lungs(rng, b, ax, cage)
    bones = _ribs(rng, b.y, cage)
    _add_shoulders(rng, bones, b, ax, arm_x)
    _add_spine(bones, b, ax)
    trachea = bone(b.x - 0.015, 0.036) * step(-0.26 - b.y, 0.04)
    bronchi = bump(b.y + 0.26 - 0.75 * ax, 0.028) * step(0.17 - ax, 0.03)
    stomach = rng.uniform(0, 0.5) * ball(b, 0.36, b.base + 0.3, rng.uniform(0.08, 0.16), 0.09)
    breasts = ball(b, -0.42, 0.3, 0.33, 0.3) + ball(b, 0.42, 0.3, 0.33, 0.3)
    b.solid += max(0, rng.normal(0, 0.25)) * breasts
    b.solid = b.solid + bones * rng.normal(1, 0.12) - 0.5 * trachea - 0.25 * bronchi - stomach


def _draw_trunk(rng: np.random.Generator, b: SimpleNamespace, ax: np.ndarray) -> np.ndarray:
    """Begin `solid` with trunk, neck and arms; how far from the middle the arms hang, by level."""
    y, fat = b.y, np.clip(rng.normal(0, 1), -1.8, 2)
    width = 0.84 + 0.05 * fat + 0.05 * np.clip(y - 0.2, 0, 1)
    shoulder = 0.26 + (0.85 + 0.04 * fat) * step(y + 0.8 - rng.normal(0, 0.03), 0.2)
    half = np.minimum(shoulder, width + 0.5 * step(-0.3 - y, 0.22))
    trunk = np.sqrt(np.maximum(1 - (ax / half) ** 2, 0))
    arm_x = 1.03 + 0.05 * fat + rng.uniform(0, 0.2) * (y + 0.5)
    arm = np.sqrt(np.maximum(1 - ((ax - arm_x) / 0.14) ** 2, 0)) * step(y + 0.52, 0.1)
    b.solid = (1.95 + 0.14 * fat) * trunk + 0.75 * arm * (1 - 0.6 * step(trunk, 0.2))
    b.solid *= 1 - 0.3 * step(-0.5 - y, 0.3)
    b.solid += 0.7 * step(y - 0.45, 0.2) * trunk
    return arm_x


class RibCage(NamedTuple):
    """An ellipse above its widest level, nearly straight below."""

    top: float  # y of its highest point
    half: np.ndarray  # its half width at each level
    r: np.ndarray  # 0 in its middle to 1 at its side
    s: np.ndarray  # how far it bulges to the front and back, as a share of `half`


def _rib_cage(rng: np.random.Generator, y: np.ndarray, ax: np.ndarray) -> RibCage:
    wide, level, top = rng.normal(0.7, 0.025), 0.45, rng.normal(-0.76, 0.025)
    up = np.clip((level - y) / (level - top), 0, 0.999)
    half = wide * np.sqrt(1 - up**2.2) - 0.12 * np.clip(y - level, 0, 1) ** 2 + 1e-3
    r = ax / half
    return RibCage(top, half, r, np.sqrt(np.maximum(1 - r**2, 0.02)))


def _draw_lungs(
    rng: np.random.Generator, b: SimpleNamespace, ax: np.ndarray, cage: RibCage
) -> None:
    """Lungs between ribs, mediastinum and the domes of the diaphragm, with heart and hila."""

    def sides(right, left):
        return np.where(b.right, right, left)

    y, b.base = b.y, rng.normal(0.47, 0.06)
    middle = (ax - sides(0.36, 0.4)) / 0.36
    dome = b.base + sides(0, rng.normal(0.06, 0.02)) + 0.15 * middle**2 + 0.12 * (middle**2) ** 2
    knob, cone, atrium = bump(y + 0.3, 0.08), bump(y + 0.12, 0.08), bump(y + 0.1, 0.3)
    medial = 0.11 + 0.16 * np.exp((cage.top - y) / 0.04) + 0.03 * step(-0.45 - y, 0.15)
    medial = medial + sides(0.02 * atrium, rng.uniform(0.02, 0.055) * knob + 0.03 * cone)
    inner = (1 - cage.r) * cage.half
    lung = step(inner - 0.012, 0.012) * step(ax - medial, 0.014) * step(dome - y, 0.012)
    b.heart_x, b.heart_y = rng.normal(0.1, 0.015), b.base - rng.normal(0.16, 0.02)
    b.heart = rng.normal(1.0, 0.06)
    displaced = heart(b, b.heart)
    b.lungs = lung * (1 - step(displaced - 0.3, 0.1)) > 0.5
    b.depth = np.clip(inner / np.maximum(cage.half - medial, 0.05), 0, 1)
    b.height = np.clip((y - cage.top) / (dome - cage.top), 0, 1)
    air = rng.normal(1.33, 0.09) * np.sqrt(np.clip(inner / 0.3, 0.06, 1))
    b.space = lung * air * (1 - 0.12 * b.height)  # room for air, heart or not
    b.air = b.space * (1 - displaced)
    b.shown = lung * (0.15 + 0.85 * step(b.air - 0.3, 0.3))  # of the vessels, the rest is covered
    hila = ball(b, -0.17, -0.01, 0.075, 0.14) + ball(b, 0.17, -0.04, 0.07, 0.12)
    b.solid += 0.17 * hila * lung


def _ribs(rng: np.random.Generator, y: np.ndarray, cage: RibCage) -> np.ndarray:
    """Tilted rings: a steep arc behind, a steeper one in front."""
    bones = np.zeros_like(y)
    gap, first = rng.normal(0.137, 0.006), cage.top + 0.1
    for drop, dense, inner_end in ((-0.13, 0.27, 0.0), (0.3, 0.17, 0.5)):
        slope = np.minimum(np.abs(drop) * cage.r / (cage.s * cage.half), 3)
        phase = (y - drop * cage.s - 0.05 * (drop > 0) - first) / (gap * (1 + 0.12 * (y + 0.3)))
        off = (phase - np.rint(phase)) / np.sqrt(1 + slope**2)
        count = step(phase + 0.5, 0.1) * step(9.6 - phase, 0.1)
        span = step(1.03 - cage.r, 0.02) * step(cage.r - inner_end, 0.12)
        bones += dense * rng.uniform(0.7, 1.15) * bone(off, 0.2 + 0.05 * slope) * count * span
    return bones


def _add_shoulders(rng, bones: np.ndarray, b: SimpleNamespace, ax, arm_x) -> None:
    """Clavicles, shoulder blades, and the bones of the upper arms with their heads."""
    y, clavicle_y = b.y, -0.5 + rng.normal(0, 0.03) - 0.2 * (ax - 0.08) + 0.035 * np.sin(8 * ax)
    bones += 0.33 * bone(y - clavicle_y, 0.035) * step(ax - 0.07, 0.03) * step(0.8 - ax, 0.05)
    blade = 0.62 + rng.uniform(-0.04, 0.12) + 0.12 * (y + 0.2)
    scapula = step(ax - blade) * step(0.2 - y - 0.8 * (ax - blade), 0.05) * step(y + 0.5, 0.05)
    bones += 0.1 * scapula * (1 + bump(ax - blade, 0.02))
    bones += 0.25 * bone(np.hypot((ax - 0.97) / 0.13, (y + 0.48) / 0.14), 1)
    bones += 0.3 * bone(ax - arm_x + 0.02, 0.05) * step(y + 0.42, 0.05)


def _add_spine(bones: np.ndarray, b: SimpleNamespace, ax: np.ndarray) -> None:
    disc = np.abs((b.y / 0.105) % 1 - 0.5) * 2
    spine = bone(b.x, 0.085 + 0.012 * disc) * (0.75 + 0.25 * step(disc - 0.2, 0.15))
    spine += 0.5 * bump(ax - 0.05, 0.014) * bump(disc - 0.6, 0.3)
    bones += 0.36 * spine
