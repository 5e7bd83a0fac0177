"""The phantom's findings: each gives the change of thickness that it makes to a patient.

A finding is mostly a share of the lungs' air that tissue or fluid has replaced. Strengths and
frequencies are invented.
"""

from types import SimpleNamespace

import numpy as np

from deepcovid.data.phantom_anatomy import bump, step, texture


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


def _edema(b: SimpleNamespace, rng) -> np.ndarray:
    """Haze that spreads from both hila, and swollen vessels."""
    haze = bump(1 - b.depth, 0.6) * bump(b.height - 0.6, 0.35) * _mottled(b, rng)
    return rng.uniform(0.15, 0.45) * b.air * haze + rng.uniform(0.2, 0.8) * b.vessels


# what each finding is drawn by, and how often it is met among Non-COVID patients
FINDINGS = {
    "COVID-19": (_covid, 0.0),
    "No Finding": (_no_finding, 0.4),
    "Edema": (_edema, 0.3),
    "Pneumonia": (_pneumonia, 0.3),
}
