"""TODO: what shortcuts/tables is."""

from pathlib import Path

import pandas as pd

from deepcovid.runs import UserError
from deepcovid.shortcuts.alarm import BLIND, alarms
from deepcovid.shortcuts.measure import COLUMNS


def calibration_table(found: pd.DataFrame) -> pd.DataFrame:
    """Of `calibrate`: what was planted, the AUC of each measurement, datasets, those with alarm."""
    keys = ["planted", "seed"]
    each = found.pivot_table(index=keys, columns="seen", values="auc", sort=False)
    each["alarms"] = found.groupby(keys, sort=False).alarm.any()
    groups = each.groupby("planted", sort=False)
    table = groups[list(BLIND)].mean().add_prefix("mean AUC, ").round(3)
    return table.assign(datasets=groups.size(), alarms=groups.alarms.sum())


def read(path: Path) -> pd.DataFrame:
    """A `shortcuts.csv`; without rows where there is no such file. UserError if it lacks columns."""
    if not path.is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.read_csv(path)
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}: run notebook 07 again.")
    return table


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """Some rows of a `shortcuts.csv` for a reader, each AUC with both intervals."""
    interval = "{:.3f} to {:.3f}".format
    found = pd.DataFrame({
        "seen": table.seen, "told": table.told, "model": table.model,
        "area left": table.seen_share.map("{:.0%}".format, na_action="ignore").fillna(""),
        "ROC AUC": table.auc.map("{:.3f}".format),
        "by image": [*map(interval, table.auc_low, table.auc_high)],
        "by patient": [*map(interval, table.patient_low, table.patient_high)],
        "told + others": [f"{p:,} + {n:,}" for p, n in zip(table.positives, table.negatives, strict=True)],
    }).set_index("seen")  # fmt: skip
    alike = [name for name in ("told", "model") if found[name].nunique() < 2]
    return found.drop(columns=alike)


def told_of(table: pd.DataFrame, kind: str, seen: str) -> str:
    """AUC and interval of the first row of a kind and what is seen, as text."""
    rows = table[(table.kind == kind) & (table.seen == seen)]
    if rows.empty:
        return "an AUC not measured"
    row = rows.iloc[0]
    return f"{row.auc:.3f} ({row.auc_low:.3f} to {row.auc_high:.3f})"


def answer(name: str, table: pd.DataFrame, calibration: pd.DataFrame, real: pd.DataFrame) -> str:
    """Notebook 07's answer, in Markdown."""
    each = calibration.groupby(["planted", "seed"]).alarm.any().reset_index()
    honest = each[each.planted == "nothing"].alarm
    planted = each[each.planted != "nothing"].alarm
    raised = alarms(table).alarm
    said = [
        f"**The instrument**: {planted.sum()} of {len(planted)} planted shortcuts were found, and "
        f"{honest.sum()} of {len(honest)} phantom datasets without any raised the alarm.",
        f"**This run** (`{name}`): "
        + (f"alarm by {' and '.join(raised.index[raised])}." if raised.any() else "no alarm.")
        + f" The whole picture tells COVID-19 with ROC AUC {told_of(table, 'whole', 'whole picture')}.",
    ]
    if len(real):
        file, rim = (
            told_of(real, kind, seen)
            for kind, seen in zip(("metadata", "border"), BLIND, strict=True)
        )
        said.append(
            "**The real images**: without looking at the lungs, COVID-19 is told with ROC AUC "
            f"{file} by the files' size and colour mode, {rim} by the {BLIND[1]}, and "
            f"{told_of(real, 'lungs', 'without wherever lungs may be')} with all places black where "
            f"lungs may be; the whole picture gives {told_of(real, 'whole', 'whole picture')}. So a "
            "score near 1 on this dataset is no evidence that a model sees the disease."
        )  # fmt: skip
    return "\n\n".join(said)
