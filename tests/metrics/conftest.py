"""Made-up scores that the tests of this wing share."""

import numpy as np
import pytest


def overlapping_scores(positives=30, negatives=120, digits=None):
    """Labels and scores that overlap; few digits make ties."""
    rng = np.random.default_rng(positives)
    label = np.r_[np.ones(positives, int), np.zeros(negatives, int)]
    score = np.r_[rng.beta(4, 2, positives), rng.beta(2, 4, negatives)]
    return label, score if digits is None else score.round(digits)


@pytest.fixture
def overlapping():
    return overlapping_scores
