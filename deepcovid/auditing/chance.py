"""The alarm: is a question answered better than in relabelled copies of the same dataset?

All questions of a family are held together: the best answer of each copy, in its own spread, is what
chance gives (Westfall and Young 1993). So the more questions, the more is asked of each, and with
strongly dependent ones no more than needed.
"""

from typing import NamedTuple

import numpy as np

from deepcovid.auditing.measure import Measured

LEVEL = 0.01  # how often an honest dataset may raise the alarm
LARGE = 0.6  # ROC AUC of a mark that a fifth of one class bears, and nothing else; less is no alarm


class Answer(NamedTuple):
    """The verdict on one question."""

    told: int  # the class that is told best: its place among those that can be
    auc: float
    low: float
    high: float
    p: float  # of the family: that chance answers any of its questions so well
    smallest_auc: float  # that would be an alarm here; above 1 where none could be
    raised: bool


def answers(measured: list[Measured]) -> tuple[list[Answer], float]:
    """Each question's answer, and the share of relabelled copies that would raise the alarm."""
    if not measured:
        return [], 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        z = [np.nan_to_num((m.auc - 0.5) / m.chance) for m in measured]
    best = [part.argmax(axis=1) for part in z]
    top = np.stack([part.max(axis=1) for part in z], axis=1)
    at = np.arange(len(top))
    auc = np.stack([m.auc[at, k] for m, k in zip(measured, best, strict=True)], axis=1)
    middle, spread = top[1:].mean(0), top[1:].std(0)
    own = np.where(spread > 1e-9, (top - middle) / np.maximum(spread, 1e-9), 0)
    most = own[1:].max(axis=1)
    allowed = int(LEVEL * len(own)) - 1  # copies that may be as good
    limit = np.sort(most)[::-1][max(allowed, 0)]
    raised = (own > limit) & (auc >= LARGE)
    found = []
    for i, m in enumerate(measured):
        k = best[i][0]
        least = 0.5 + m.chance[0, k] * (middle[i] + spread[i] * limit)
        p = (1 + np.sum(most >= own[0, i])) / len(own)
        found.append(Answer(int(k), float(auc[0, i]), float(m.low[k]), float(m.high[k]), float(p),
                            float(max(LARGE, least)), bool(raised[0, i])))  # fmt: skip
    return found, float(raised[1:].any(axis=1).mean())
