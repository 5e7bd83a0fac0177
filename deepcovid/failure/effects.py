"""What a table of the ablation says: effects of its factors, means over seeds, single changes."""

from itertools import combinations

import numpy as np
import pandas as pd
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from deepcovid import runs
from deepcovid.failure.arithmetic import MEASURES
from deepcovid.failure.design import FACTORS, FAILED, LEVELS


def at(table: pd.DataFrame, **fixed) -> pd.DataFrame:
    """The rows of an ablation with the given entries."""
    for name, value in fixed.items():
        table = table[table[name] == value]
    return table


def effects(table: pd.DataFrame, factors=FACTORS, outcome: str = "sensitivity") -> pd.DataFrame:
    """Main effects and two-way interactions of two-level factors on an outcome, largest first.

    `effect`: for a factor, the mean outcome at its second level less that at its first (levels as
    in `LEVELS`), whatever the others; for a pair, half of how much the one's effect changes with
    the other. 95% intervals by least squares, the residual being the spread over seeds and what
    higher interactions leave. `share` of the outcome's variance, which adds up over a balanced
    table (what is missing to 1 is the residual). An outcome that never changes has effects of 0; an
    empty table has no rows.
    """
    if table.empty:
        return pd.DataFrame(columns=["change", "effect", "low", "high", "p", "share"])
    factors = [f for f in factors if table[f].nunique() > 1]
    coded = pd.DataFrame({"outcome": table[outcome].to_numpy(dtype=float)})
    change = {}
    for factor in factors:
        known = LEVELS.get(factor, {})
        levels = [v for v in known if v in set(table[factor])] or sorted(table[factor].unique())
        if len(levels) != 2 or set(table[factor]) - set(levels):
            raise runs.UserError(f"Effects need two levels; {factor} has {', '.join(levels)}.")
        coded[factor] = np.where(table[factor] == levels[1], 1.0, -1.0)
        change[factor] = f"{levels[0]} -> {levels[1]}"
    if not factors:
        raise runs.UserError("Effects need two levels of a factor; no factor varies.")
    if coded.outcome.nunique() == 1:  # least squares would explain the noise of its own rounding
        terms = pd.Index([*factors, *map(" x ".join, combinations(factors, 2))], name="term")
        none = {"effect": 0.0, "low": 0.0, "high": 0.0, "p": 1.0, "share": 0.0}
        return pd.DataFrame({"change": [change.get(term, "") for term in terms]} | none, terms)
    fit = ols(f"outcome ~ ({' + '.join(factors)}) ** 2", coded).fit()
    squares = anova_lm(fit).sum_sq
    interval = fit.conf_int()
    rows = []
    for term in fit.params.index.drop("Intercept"):
        names = term.split(":")
        rows.append(
            {
                "term": " x ".join(names),
                "change": change[term] if len(names) == 1 else "",
                "effect": 2 * fit.params[term],
                "low": 2 * interval.loc[term, 0],
                "high": 2 * interval.loc[term, 1],
                "p": fit.pvalues[term],
                "share": squares[term] / squares.sum(),
            }
        )
    found = pd.DataFrame(rows).set_index("term")
    return found.loc[found.effect.abs().sort_values(ascending=False, kind="stable").index]


def replicates(table: pd.DataFrame, by, outcomes=("sensitivity", "auc")) -> pd.DataFrame:
    """Mean, lowest and highest of outcomes over the seeds of each cell, in the order of `LEVELS`."""
    groups = table.groupby(list(by))
    found = groups[list(outcomes)].agg(["mean", "min", "max"])
    found["trainings", ""] = groups.size()
    levels = {name: {v: i for i, v in enumerate(LEVELS.get(name, {}))} for name in by}
    return found.sort_index(
        key=lambda index: index.map(levels[index.name]) if levels[index.name] else index
    )


def mendings(table: pd.DataFrame, fixed: dict) -> pd.DataFrame:
    """The failed recipe and each change of one setting in it, by what they come to.

    `fixed` says which rows to compare (backbone, `after`, selection) and the settings of the
    failed recipe that differ from `FAILED`. Means over trainings; `least` and `most` sensitivity.
    What was not trained has no row.
    """
    part = at(table, **{k: v for k, v in fixed.items() if k in table and k not in LEVELS})
    base = {k: v for k, v in (FAILED | fixed).items() if k in LEVELS}
    rows = []
    for factor, levels in LEVELS.items():
        for level in levels:
            cells = at(part, **(base | {factor: level}))
            changed = level != base[factor]
            if cells.empty or (not changed and rows):
                continue
            name = f"{factor}: {level}" if changed else "the failed recipe"
            span = {"least": cells.sensitivity.min(), "most": cells.sensitivity.max()}
            means = cells[list(MEASURES)].mean()
            rows.append({"change": name, "trainings": len(cells), **means, **span})
    columns = ["change", "trainings", *MEASURES, "least", "most"]
    return pd.DataFrame(rows, columns=columns).set_index("change")


def whole_replicates(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of those seeds that lack no cell which another seed has, crossed: a balanced table.

    Levels of a factor that were not trained with all levels of the others are left out. UserError
    where every seed lacks a cell.
    """
    settings = [*FAILED, "backbone", "after", "selection"]
    settings = [name for name in settings if name in table]
    cells = {
        seed: set(part[settings].itertuples(index=False, name=None))
        for seed, part in table.groupby("seed")
    }
    every = set().union(*cells.values())
    whole = [seed for seed, found in cells.items() if found == every]
    if not whole and cells:
        lacking = "; ".join(f"seed {seed} {len(every - has)}" for seed, has in cells.items())
        raise runs.UserError(
            f"No seed has all {len(every)} cells of the factorial; missing are: {lacking}."
        )
    return crossed(table[table.seed.isin(whole)])


def crossed(table: pd.DataFrame, factors=FACTORS) -> pd.DataFrame:
    """The rows in which each level of a factor occurs with each combination of the others.

    The level that occurs with the fewest goes first, until that is so.
    """
    while True:
        varied = [factor for factor in factors if table[factor].nunique() > 1]
        cells = table[varied].drop_duplicates()
        if not varied or len(cells) == cells.nunique().prod():
            return table
        seen = {(f, v): n / len(cells) * cells[f].nunique() for f in varied
                for v, n in cells[f].value_counts().items()}  # fmt: skip
        factor, level = min(seen, key=seen.get)
        table = table[table[factor] != level]


def there(planned: list[dict], table: pd.DataFrame) -> pd.DataFrame:
    """How many of the planned trainings a table of the ablation holds, by backbone and kind."""
    names = ["backbone", "weights", "crop", "batch_norm", "epochs"]
    cells = pd.DataFrame(planned)
    known = table[list(cells)].drop_duplicates()
    found = cells.merge(known.assign(there=1), how="left", on=list(cells)).fillna({"there": 0})
    groups = found.groupby(names, sort=False)
    return groups.agg(planned=("seed", "size"), there=("there", "sum")).astype(int)
