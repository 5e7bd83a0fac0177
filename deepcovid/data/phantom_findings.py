"""The phantom's findings: each gives the change of thickness that it makes to a patient.

A finding is mostly a share of the lungs' air that tissue or fluid has replaced. Strengths and
frequencies are invented.
"""

import functools
from types import SimpleNamespace

import numpy as np

from deepcovid.data.phantom_anatomy import heart
from deepcovid.data.phantom_shapes import ball, bump, step, strokes, texture


def _patches(b: SimpleNamespace, rng, right: bool, number: int, height, depth) -> np.ndarray:
    """Irregular patches in one lung, 0 to 1, around Beta-distributed heights and depths."""
    field = np.full_like(b.x, -1)
    for _ in range(number):
        dy, dx = b.height - rng.beta(*height), b.depth - rng.beta(*depth)
        q = (dy / rng.uniform(0.1, 0.22)) ** 2 + (dx / rng.uniform(0.25, 0.5)) ** 2
        field = np.maximum(field, 1 - q)
    edge = texture(rng, len(b.x), 9, 18, 36)
    return np.where(b.right == right, step(field - 0.3 + 0.15 * edge, 0.4), 0)


def _mottled(b: SimpleNamespace, rng) -> np.ndarray:
    """Uneven filling of the air spaces, around 0.8."""
    return np.clip(0.8 + 0.17 * texture(rng, len(b.x), 20, 40, 64), 0.2, 1.2)


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
    lobe = step(edge if rng.random() < 0.6 else -edge, 0.02) * (b.right == (rng.random() < 0.6))
    fade = 0.75 + 0.25 * np.tanh(texture(rng, len(b.x), 4, 8))
    return b.air * rng.uniform(0.35, 0.8) * lobe * fade * _mottled(b, rng)


def _edema(b: SimpleNamespace, rng) -> np.ndarray:
    """Haze that spreads from both hila, and swollen vessels."""
    haze = bump(1 - b.depth, 0.6) * bump(b.height - 0.6, 0.35) * _mottled(b, rng)
    return rng.uniform(0.15, 0.45) * b.air * haze + rng.uniform(0.2, 0.8) * b.vessels


def _effusion(b: SimpleNamespace, rng) -> np.ndarray:
    """Fluid in the angle above the diaphragm, drawn up along the ribs."""
    share = 0.0
    which = rng.choice(3)
    for right in (True, False):
        top = b.base + rng.uniform(-0.25, 0.13)
        fluid = step(b.y - top + 0.2 * np.exp(-b.depth / 0.12), 0.03)
        share = share + fluid * (b.right == right) * (which in (2, int(right)))
    return 0.9 * b.air * share


def _cardiomegaly(b: SimpleNamespace, rng) -> np.ndarray:
    return b.space * np.maximum(heart(b, b.heart * rng.uniform(1.2, 1.45)) - heart(b, b.heart), 0)


def _pneumothorax(b: SimpleNamespace, rng) -> np.ndarray:
    """Air without vessels outside the collapsed lung, whose edge is a fine line."""
    side = b.right == (rng.random() < 0.5)
    inside = b.depth - rng.uniform(0.15, 0.45) * (1 - b.height) ** 0.5
    outside = step(-inside, 0.01) * (b.height < 1)
    line = 0.12 * bump(inside, 0.02) * (b.air > 0.2) * (b.height < 0.9)
    return side * (line - (b.vessels + 0.12 * b.air) * outside)


def _lung_lesion(b: SimpleNamespace, rng) -> np.ndarray:
    """One to three round nodules."""
    total = np.zeros_like(b.x)
    for _ in range(rng.integers(1, 4)):
        off = (b.height - rng.uniform(0.1, 0.9)) ** 2 + (b.depth - rng.uniform(0.1, 0.8)) ** 2
        off += 9.0 * (b.right != (rng.random() < 0.5)) + 9.0 * ~b.lungs
        x, y, radius = b.x.flat[off.argmin()], b.y.flat[off.argmin()], rng.uniform(0.03, 0.085)
        total += (0.15 + 3 * radius) * ball(b, x, y, radius, radius)
    return total * step(b.space, 0.05)


def _atelectasis(b: SimpleNamespace, rng) -> np.ndarray:
    """Plates of collapsed lung: short slanting bands above the diaphragm."""
    t = np.linspace(-1, 1, 120)
    number = rng.integers(1, 4)
    side, reach = rng.choice([-1, 1], number)[:, None], rng.uniform(0.1, 0.2, number)[:, None]
    x = side * rng.uniform(0.36, 0.5, number)[:, None] + reach * t
    y = b.base - rng.uniform(0.03, 0.3, number)[:, None] + rng.normal(0, 0.06, number)[:, None] * t
    return strokes(b, x, y, rng.uniform(0.2, 0.5) * (1 - t**2), 0.012) * step(b.air - 0.1, 0.1)


def _devices(b: SimpleNamespace, rng) -> np.ndarray:
    """A breathing tube, a central line, leads with electrodes, or a pacemaker; often several."""
    t = np.linspace(0, 1, 400)
    wire = functools.partial(strokes, b)
    tube = wire(0.015 + 0.02 * np.array([[-1], [1]]), -1.1 + t * np.ones((2, 1)) * 0.72, 0.5, 0.005)
    line = wire(-0.5 + 0.38 * t**0.5, -0.62 + 0.75 * t**2 + 0.1 * t, 0.6, 0.006)
    spots = rng.uniform((-0.7, -0.5), (0.7, 0.5), (4, 2))
    ends = spots + rng.normal(0, 0.5, (4, 2)) + [0, 0.7]
    lead_x = spots[:, :1] + (ends - spots)[:, :1] * t + 0.1 * np.sin(3 * t)
    leads = wire(lead_x, spots[:, 1:] + (ends - spots)[:, 1:] * t, 0.4, 0.005)
    leads += sum(1.2 * step(ball(b, *spot, 0.03, 0.03) - 0.3, 0.2) for spot in spots)
    pacemaker = 1.6 * step(ball(b, 0.55, -0.45, 0.12, 0.1) - 0.2, 0.1)
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
