"""From what was measured to findings, each with a sentence and the rows of its table."""

import numpy as np
import pandas as pd

from imageaudit import patients, probes
from imageaudit.crossfit import PatientRows
from imageaudit.findings import Finding
from imageaudit.permutation import TestResult


def of_duplicates(table: pd.DataFrame, found: pd.DataFrame, tried: dict) -> list[Finding]:
    """Doubles across splits, across classes, and the others."""
    if len(found) == 0:
        words = f"No radiograph is there twice. {recognised(tried)}"
        return [Finding("doubles", False, words, more={"doctored": tried})]
    a, b = (table.loc[found[c].to_numpy(int)].reset_index(drop=True) for c in ("a", "b"))
    apart = {"leak": (a.split != b.split).to_numpy(), "conflict": (a.label != b.label).to_numpy()}
    apart["doubles"] = ~(apart["leak"] | apart["conflict"])
    where = {"leak": "in different splits", "conflict": "in different classes",
             "doubles": "within a split and class"}  # fmt: skip
    result = []
    for kind, these in apart.items():
        if not these.any():
            continue
        rows = [
            {"a": a.image[i], "b": b.image[i], "agreement": round(float(found.agreement[i]), 3),
             "same file": bool(found.exact[i]), "classes": both(a.label[i], b.label[i]),
             "splits": both(a.split[i], b.split[i])} for i in np.flatnonzero(these)
        ]  # fmt: skip
        number = len({*a.image[these], *b.image[these]})
        equal = int(found.exact[these].sum())
        words = (
            f"{counted(len(rows), 'pair')} {where[kind]} show one radiograph ({number} images; of the "
            f"pairs {equal} are equal files). {recognised(tried)}"
        )
        result.append(Finding(kind, True, words, rows, {"doctored": tried}))
    return result


def recognised(tried: dict) -> str:
    words = (
        "The search was tried on {tried} of the images, cropped, shrunk and compressed: {found} "
    )
    few = " It misses doubles among these images." if tried["found"] < 0.9 * tried["tried"] else ""
    return f"{words.format(**tried)}are recognised.{few}"


def counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' if number != 1 else ''}"


def both(one: str, other: str) -> str:
    return one if one == other else f"{one}, {other}"


def of_patients(table: pd.DataFrame) -> list[Finding]:
    worth = patients.effective_sizes(table)
    alone = int((table.recorded == "image " + table.image).sum())
    several = patients.in_several(table.assign(patient=table.recorded), "split")
    mixed = patients.in_several(table, "label")
    known = (
        f"Nothing says whose {alone} of {len(table)} images are: each counts as a patient of its own, "
        "and where that is wrong, intervals are too narrow and chance is underrated."
        if alone
        else "The patient of every image is known."
    )
    words = f"Patients with images in several splits: {len(several):,}. " if len(several) else ""
    words += f"Patients with images in several classes: {len(mixed):,}. " if len(mixed) else ""
    more = {"worth": worth, "patients in several classes": mixed.to_dict("records")}
    rows = several.to_dict("records")
    return [Finding("patients", bool(rows), words + known, rows, more)]


def of_probes(fitted: list, rows: PatientRows, left_out: dict) -> list[Finding]:
    """A finding for each kind of probe; `fitted` has Probe, CrossFit and TestResult of each."""
    result = []
    for kind in (*probes.BLIND, "little"):
        table = []
        for probe, fit, test in fitted:
            if probe.kind != kind:
                continue
            each = {rows.classes[c]: round(float(fit.auc[0, i]), 4)
                    for i, c in enumerate(rows.targets)}  # fmt: skip
            smallest = {"smallest_auc": round(test.smallest_auc, 4), "alarm": test.alarm}
            table.append(answer(probe, rows, test) | smallest | {"auc of each class": each})
        if not table:
            continue
        table.sort(key=lambda row: -row["auc"])
        raised = [row for row in table if row["alarm"]]
        words = f"{len(raised)} of {len(table)} tell a class from the rest better than chance does."
        words += f" Best: {table[0]['seen']}, ROC AUC {table[0]['auc']:.3f}." if raised else ""
        more = {"not asked": left_out.get(kind, {})}
        result.append(Finding(kind, bool(raised), words, table, more))
    return result


def answer(probe: probes.Probe, rows: PatientRows, test: TestResult) -> dict:
    """The class that a probe tells best, its ROC AUC with interval, and p."""
    return {
        "seen": probe.seen, "class": str(rows.classes[rows.targets[test.class_index]]),
        "auc": round(test.auc, 4), "low": finite(test.low), "high": finite(test.high),
        "p": round(test.p, 4),
    }  # fmt: skip


def finite(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


def of_files(table: pd.DataFrame, missing: tuple[str, ...], refused: list[str]) -> list[Finding]:
    """Tags that name people, and files that are missing, broken or without content."""
    result = []
    naming = table.naming.dropna() if "naming" in table else pd.Series(dtype=object)
    count = naming.explode().dropna().value_counts().to_dict()
    if count:
        number = int((naming.map(len) > 0).sum())
        tags, number = ", ".join(count), counted(number, "DICOM file")
        words = f"Tags that may name people, in {number}: {tags}."
        rows = [{"tag": tag, "images": int(n)} for tag, n in count.items()]
        result.append(Finding("names", True, words, rows))
    empty = [f"{image}: it is one even grey" for image in table.image[table["empty"].astype(bool)]]
    away = [f"{name}: named in the table, and not there" for name in missing]
    if problems := [*away, *refused, *empty]:
        numbers = len(away), len(refused), len(empty)
        words = "{} files are missing, {} cannot be read, {} are empty.".format(*numbers)
        result.append(Finding("unread", True, words, [{"image": problem} for problem in problems]))
    return result
