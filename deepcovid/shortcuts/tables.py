"""What a reader of notebook 07 sees: the wing's files as tables, and each answer as a sentence."""

from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid.io import read_json, read_table
from deepcovid.metrics.intervals import format_ci, format_ci_from_row, proportion_interval
from deepcovid.shortcuts.alarm import BLIND, alarms
from deepcovid.shortcuts.columns import MENDING, SHORTCUTS


def interval(values, low, high) -> list[str]:
    """Values with their intervals, as text."""
    return [format_ci(*one) for one in zip(values, low, high, strict=True)]


# --- shortcuts ---


def read_shortcuts(path: Path) -> pd.DataFrame:
    """A `shortcuts.csv`; without rows where there is no such file. UserError if it lacks columns."""
    if not path.is_file():
        return pd.DataFrame(columns=list(SHORTCUTS))
    return read_table(path, SHORTCUTS)


def shortcut_table(table: pd.DataFrame) -> pd.DataFrame:
    """Some rows of a `shortcuts.csv`, each AUC with both intervals."""
    between = "{:.3f} to {:.3f}".format
    found = pd.DataFrame({
        "seen": table.seen, "told": table.told, "model": table.model,
        "area left": table.seen_share.map("{:.0%}".format, na_action="ignore").fillna(""),
        "ROC AUC": table.auc.map("{:.3f}".format),
        "by image": [*map(between, table.auc_low, table.auc_high)],
        "by patient": [*map(between, table.patient_low, table.patient_high)],
        "told + others": [f"{p:,} + {n:,}" for p, n in zip(table.positives, table.negatives, strict=True)],
    }).set_index("seen")  # fmt: skip
    alike = [name for name in ("told", "model") if found[name].nunique() < 2]
    return found.drop(columns=alike)


def read_alarms(path: Path) -> pd.DataFrame:
    """A table that `python -m deepcovid.shortcuts` writes; without rows where there is none."""
    return pd.read_csv(path) if path.is_file() else pd.DataFrame()


def calibration_table(found: pd.DataFrame) -> pd.DataFrame:
    """Of `calibrate`: what was planted, the AUC of each measurement, and how often it is raised.

    Beside the datasets with an alarm stands the exact 95% interval of their share.
    """
    keys = ["planted", "seed"]
    each = found.pivot_table(index=keys, columns="seen", values="auc", sort=False)
    each["alarms"] = found.groupby(keys, sort=False).alarm.any()
    groups = each.groupby("planted", sort=False)
    table = groups[list(BLIND)].mean().add_prefix("mean AUC, ").round(3)
    counts = [*zip(groups.alarms.sum().astype(int), groups.size(), strict=True)]
    return table.assign(datasets=groups.size(), alarms=[count_with_ci(*one) for one in counts])


def count_with_ci(count: int, n: int) -> str:
    """So many of n, with the share's exact (Clopper-Pearson) 95% interval, as text."""
    low, high = proportion_interval(count, n, "clopper_pearson")
    return f"{count} of {n:,} ({low:.1%} to {high:.1%})"


def levels_table(levels: pd.DataFrame) -> pd.DataFrame:
    """`calibration.levels` for a reader: how many honest datasets raise an alarm, with intervals."""
    columns = ["alarms", "counting images"]
    shown = {
        name: [count_with_ci(round(share * n), n) for share, n in zip(levels[name], levels.datasets, strict=True)]
        for name in columns
    }  # fmt: skip
    return levels[["images per patient"]].assign(**shown).set_index("images per patient")


def told_of(table: pd.DataFrame, kind: str, seen: str) -> str:
    """AUC and interval of the first row of a kind and what is seen, as text."""
    rows = table[(table.kind == kind) & (table.seen == seen)]
    if rows.empty:
        return "an AUC not measured"
    return interval(rows.auc, rows.auc_low, rows.auc_high)[0]


def shortcuts_answer(name: str, table: pd.DataFrame, calibration: pd.DataFrame) -> str:
    """What the instrument and a run `name` say of shortcuts, in Markdown."""
    each = calibration.groupby(["planted", "seed"]).alarm.any().reset_index()
    honest = each[each.planted == "nothing"].alarm
    planted = each[each.planted != "nothing"].alarm
    raised = alarms(table).alarm
    return (
        f"**▲ The instrument.** {planted.sum()} of {len(planted)} planted shortcuts were found, and "
        f"{honest.sum()} of {len(honest)} phantom datasets without any raised the alarm.\n\n"
        f"**▶ This run** (`{name}`): "
        + (f"alarm by {' and '.join(raised.index[raised])}." if raised.any() else "no alarm.")
        + f" The whole picture tells COVID-19 with ROC AUC {told_of(table, 'whole', 'whole picture')}."
    )


def real_answer(real: pd.DataFrame) -> str:
    """What the committed `shortcuts.csv` says, as a paragraph; `` where it has no rows."""
    if real.empty:
        return ""
    file, rim = map(told_of, [real] * 2, ("metadata", "border"), BLIND)
    return (
        "**■ Real radiographs.** Without looking at the lungs, COVID-19 is told with ROC AUC "
        f"{file} by the files' size and colour mode, {rim} by the {BLIND[1]}, and "
        f"{told_of(real, 'lungs', 'without wherever lungs may be')} with all places black where "
        f"lungs may be; the whole picture gives {told_of(real, 'whole', 'whole picture')}. A score "
        "no higher than what the border tells is no evidence that a model sees the disease."
    )


# --- another hospital ---


def read_external(folder: Path) -> dict:
    """The `external.json` in a folder of a run or of results; empty where there is none."""
    path = folder / "external.json"
    return read_json(path) if path.is_file() else {}


def external_table(found: dict) -> pd.DataFrame:
    """An `external.json`: a row for each model; 95% intervals resample patients.

    Sensitivity and specificity at the frozen threshold come first: an AUC compares the classes,
    and with them their sources where these coincide.

    Where the classes are not known: how many images are called COVID-19.
    """

    def judged(one: dict) -> dict:
        if "auc" not in one:
            said = one["called"]
            return {f"called {name}": f"{count:,}" for name, count in said.items()}
        names = {"sensitivity": "sensitivity outside", "specificity": "specificity outside",
                 "auc": "AUC outside"}  # fmt: skip
        return {
            name: format_ci(one[key], *one["by_patient"][key]) for key, name in names.items()
        } | {"with duplicates": format_ci_from_row(one["with_duplicates"], "auc")}

    rows = {
        f"{one['model']}, seed {one['seed']}": {
            "AUC on test": f"{one['internal_auc']:.3f}", **judged(one),
            "images": ", ".join(f"{n:,} {name}" for name, n in reversed(one["images"].items())),
            "duplicates dropped": one["duplicates_dropped"],
        }
        for one in found["models"]
    }  # fmt: skip
    return pd.DataFrame(rows).T


def external_answer(found: dict) -> str:
    """What a run's external folder says of its first model, in sentences."""
    counts, by = found["images"], found["by_patient"]
    said = {key: format_ci(found[key], *by[key]) for key in ("sensitivity", "specificity", "auc")}
    chance = "contains" if by["auc"][0] <= 0.5 <= by["auc"][1] else "does not contain"
    beside = ["class and source coincide there, so that it measures both"] * found.get(
        "class_and_source_coincide", False
    ) + [f"{name} reaches {format_ci(*of)}" for name, of in found.get("probes", {}).items()]
    return (
        f"At its frozen threshold {found['model']} has a sensitivity of {said['sensitivity']} on "
        f"{counts['COVID-19']:,} external COVID-19 images and a specificity of "
        f"{said['specificity']} on {counts['Non-COVID']:,} Non-COVID images (95%, patients "
        f"resampled; {found['duplicates_dropped']} duplicates dropped). ROC AUC is "
        f"{said['auc']}, an interval that {chance} chance, against {found['internal_auc']:.3f} on "
        f"test{': ' * bool(beside)}{'; '.join(beside)}."
    )


# --- mending ---


def read_mending(path: Path) -> pd.DataFrame:
    """A `mending.csv`; without rows where there is none."""
    return pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=list(MENDING))


def mending_table(table: pd.DataFrame) -> pd.DataFrame:
    """A `mending.csv`: the criterion first, then what it leads to."""
    plain = {
        name: table[column].map("{:.3f}".format)
        for name, column in {
            "cross-validated": "cv", "border only": "cv_border", "frame only": "cv_frame",
            "outside, border only": "external_border", "outside, frame only": "external_frame",
            "outside, with duplicates": "with_duplicates", "tells the source": "source",
        }.items()
    }  # fmt: skip
    found = pd.DataFrame({
        "step": table.step, "kept": np.where(table.chosen, "kept", ""), **plain,
        "gap": table.gap.map("{:+.3f}".format), **luck(table),
        "test": interval(table.test, table.test_low, table.test_high),
        "outside": interval(table.external, table.external_low, table.external_high),
    }).set_index("step")  # fmt: skip
    decides = ["kept", "cross-validated", "border only", "frame only", "gap", *luck(table)]
    leads_to = ["test", "outside", *(name for name in plain if name not in decides)]
    return found[decides + leads_to]


def luck(table: pd.DataFrame) -> dict[str, pd.Series]:
    """The gaps' intervals and how often each step is kept, of tables that have them."""
    if "wins" not in table:
        return {}
    between = [
        "{:+.3f} to {:+.3f}".format(*ends)
        for ends in zip(table.gap_low, table.gap_high, strict=True)
    ]
    return {"gap, 95% by patients": between, "kept in": table.wins.map("{:.0%}".format)}


def mending_answer(table: pd.DataFrame) -> str:
    """What the steps of a `mending.csv` got, in Markdown."""
    kept, before = table[table.chosen].iloc[0], table.iloc[0]
    best = table.loc[table.external.idxmax()]
    between = f"{kept.external_low:.3f} to {kept.external_high:.3f}"
    sure = ""
    if "wins" in table:
        sure = (
            f" The gap is {kept.gap:+.3f} ({kept.gap_low:+.3f} to {kept.gap_high:+.3f}, by patients), and "
            f"the widest in {kept.wins:.0%} of their resamples."
        )
    return (
        f"Of {len(table)} steps, *{kept.step}* gains most over what border and frame tell (cross-"
        f"validated {kept.cv:.3f}, border only {kept.cv_border:.3f}, which shows {kept.border_lung:.0%} "
        f"of the lungs, frame only {kept.cv_frame:.3f}).{sure} It takes ROC AUC outside from "
        f"{before.external:.3f} to {kept.external:.3f} ({between}) at {kept.test:.3f} on test. The best outside would have been *{best.step}* with {best.external:.3f}, where the "
        f"frame alone, without a pixel, gets {best.external_frame:.3f}."
    )
