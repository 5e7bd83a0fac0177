"""The alarm: is a probe better than in relabelled copies of the same dataset?

All probes of a family are held together: the best of each copy, in its own spread, is what chance
gives (the maximum statistic of Westfall and Young 1993). So the more probes, the more is asked of
each, and with strongly dependent ones no more than needed.
"""

from typing import NamedTuple

import numpy as np

from imageaudit.crossfit import CrossFit

LEVEL = 0.01  # how often an honest dataset may raise the alarm
LARGE = 0.6  # ROC AUC of a mark that a fifth of one class bears, and nothing else; less is no alarm


class TestResult(NamedTuple):
    """The verdict on one probe."""

    class_index: int  # the class that is classified best: its place among the targets
    auc: float
    low: float
    high: float
    p: float  # of the family: that chance makes any of its probes so good
    smallest_auc: float  # that would be an alarm here; above 1 where none could be
    alarm: bool


def max_statistic_test(fits: list[CrossFit]) -> tuple[list[TestResult], float]:
    """Each probe's result, and the share of relabelled copies that would raise the alarm."""
    if not fits:
        return [], 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        z = [np.nan_to_num((fit.auc - 0.5) / fit.null_error) for fit in fits]
    best = [part.argmax(axis=1) for part in z]
    top = np.stack([part.max(axis=1) for part in z], axis=1)
    copy = np.arange(len(top))
    auc = np.stack([fit.auc[copy, k] for fit, k in zip(fits, best, strict=True)], axis=1)
    middle, spread = top[1:].mean(0), top[1:].std(0)
    scaled = np.where(spread > 1e-9, (top - middle) / np.maximum(spread, 1e-9), 0)
    most = scaled[1:].max(axis=1)
    allowed = int(LEVEL * len(scaled)) - 1  # copies that may be as good
    limit = np.sort(most)[::-1][max(allowed, 0)]
    alarm = (scaled > limit) & (auc >= LARGE)
    results = []
    for i, fit in enumerate(fits):
        k = best[i][0]
        least = 0.5 + fit.null_error[0, k] * (middle[i] + spread[i] * limit)
        p = (1 + np.sum(most >= scaled[0, i])) / len(scaled)
        results.append(TestResult(
            int(k), float(auc[0, i]), float(fit.low[k]), float(fit.high[k]), float(p),
            float(max(LARGE, least)), bool(alarm[0, i]),
        ))  # fmt: skip
    return results, float(alarm[1:].any(axis=1).mean())
