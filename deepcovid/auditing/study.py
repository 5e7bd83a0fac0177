"""An audit from its first step to its last: a folder or table in, findings and verdict out."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

import deepcovid
from deepcovid.auditing import chance, listing, measure, pairs, people, questions, seeing
from deepcovid.auditing.untrained import Untrained
from deepcovid.auditing.verdict import FAIL_ON, KINDS, Finding, verdict
from deepcovid.runs import NOTICE, UserError, near_miss, shown


@dataclass
class Examined:
    """What an audit knows: `told` is its JSON; the rest is for the page."""

    told: dict
    findings: list[Finding]
    table: pd.DataFrame  # a row per image that was read; `patient` joins those of one radiograph
    pictures: np.ndarray  # (n, SIDE, SIDE) uint8
    doubles: pd.DataFrame
    asked: list = field(default_factory=list)  # Question, Measured, Answer

    @property
    def alarm(self) -> bool:
        return self.told["alarm"]


def examine(
    source: Path | str,
    classes: tuple[str, ...] = (),
    ignore: tuple[str, ...] = (),
    fail_on: tuple[str, ...] = FAIL_ON,
    keep: Path | None = None,
) -> Examined:
    """Audit a folder or a table of images; see `listing` for what these are.

    `keep` is a folder for what was seen of the images, so that a stopped audit goes on. Raises
    UserError for what cannot be audited: unknown words, no images, one class, one patient.
    """
    began = time.monotonic()
    for kind in fail_on:
        if kind not in KINDS:
            raise UserError(
                f"There is no finding {kind!r} to fail on.{near_miss(kind, KINDS)} "
                f"There are: {', '.join(KINDS)}."
            )
    given = listing.read(source, classes, ignore)
    table, pictures, refused = opened(given, keep)
    found = pairs.doubles(table, pictures)
    recorded = people.known(table)
    table = table.assign(recorded=recorded, patient=pairs.joined(recorded, found))
    by = measure.units(table)
    if not by.told:
        raise UserError(too_few(table))
    asked, left = questions_of(table, pictures, given)
    measured = [measure.measure(q.values, by, q.at, q.penalty) for q in asked]
    answered, rates = [None] * len(asked), {}
    for blind in (True, False):
        family = [i for i, q in enumerate(asked) if (q.kind in questions.BLIND) == blind]
        some, rate = chance.answers([measured[i] for i in family])
        rates[blind] = rate
        for i, answer in zip(family, some, strict=True):
            answered[i] = answer
    asked = list(zip(asked, measured, answered, strict=True))
    findings = [
        *of_pairs(table, found, pairs.tried(list(table.path), table, pictures)),
        *of_people(table),
        *of_questions(asked, by, left),
        *of_files(table, given.missing, refused),
    ]
    told = summary(given, table, refused, by, asked, rates[True])
    alarm, said = verdict(findings, fail_on, told["chance"])
    told |= {"alarm": alarm, "verdict": said, "fail_on": list(fail_on)}
    told["findings"] = [
        {"kind": f.kind, "raised": f.raised, "counts": f.kind in fail_on, "words": f.words,
         "advice": f.advice, "rows": f.rows, **f.more} for f in findings
    ]  # fmt: skip
    told["seconds"] = round(time.monotonic() - began, 1)
    return Examined(told, findings, table, pictures, found, asked)


def opened(given: listing.Dataset, keep: Path | None):
    """The table of all images that can be read, with their facts; pictures; refusals."""
    facts, pictures, refused = seeing.seen(list(given.table.path), keep)
    if facts.empty:
        raise UserError(f"None of {len(refused)} images can be read. {refused[0]}")
    table = given.table.iloc[facts.index].reset_index(drop=True)
    facts = facts.reset_index(drop=True).rename(columns={"patient": "number"})
    table = pd.concat([table, facts], axis=1)
    if (alone := table.label.unique()).size < listing.LEAST:
        raise UserError(f"All images that can be read are of one class, {alone[0]!r}.")
    return table, pictures, refused


def too_few(table: pd.DataFrame) -> str:
    if table.patient.nunique() == 1 < table.recorded.nunique():
        return (
            f"All {len(table)} images show one and the same radiograph: there is nothing to audit."
        )
    if table.patient.nunique() == 1:
        return (
            f"All {len(table)} images are of one patient ({table.patient[0]}): what tells the classes "
            "apart cannot be told from chance. Give a table with a column 'patient' if they are not."
        )
    count = table.groupby("label").patient.nunique().to_dict()
    return (
        f"An audit needs images of at least {measure.FEW} patients in two classes. There are: "
        + ", ".join(f"{n} of {shown(name)}" for name, n in count.items())
        + ". Images that are one radiograph count as one patient."
    )


def questions_of(table: pd.DataFrame, pictures: np.ndarray, given: listing.Dataset):
    """All questions, and by kind why a column has none."""
    asked, left = questions.of_files(table)
    tags, no_tags = questions.of_tags(table)
    own = table[[listing.OWN + column for column in given.columns]]
    columns, no_columns = questions.of_columns("columns", own.set_axis(given.columns, axis=1))
    at = questions.sample(*(table[name].to_numpy() for name in ("label", "split", "patient")))
    seen = questions.of_pictures(pictures, table, at, Untrained())
    return [*asked, *tags, *columns, *seen], {
        "properties": left,
        "tags": no_tags,
        "columns": no_columns,
    }


def of_pairs(table: pd.DataFrame, found: pd.DataFrame, tried: dict) -> list[Finding]:
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
    few = " It misses doubles among these images." if tried["found"] < 0.9 * tried["tried"] else ""
    return (
        f"The search was tried on {tried['tried']} of the images, cropped, shrunk and compressed: "
        f"{tried['found']} are recognised.{few}"
    )


def counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' if number != 1 else ''}"


def both(one: str, other: str) -> str:
    return one if one == other else f"{one}, {other}"


def of_people(table: pd.DataFrame) -> list[Finding]:
    rows = people.worth(table)
    alone = int((table.recorded == "image " + table.image).sum())
    several = people.several(table.assign(patient=table.recorded), "split")
    mixed = people.several(table, "label")
    known = (
        f"Nothing says whose {alone} of {len(table)} images are: each counts as a patient of its own, "
        "and where that is wrong, intervals are too narrow and chance is underrated."
        if alone
        else "The patient of every image is known."
    )
    words = f"Patients with images in several splits: {len(several):,}. " if len(several) else ""
    words += f"Patients with images in several classes: {len(mixed):,}. " if len(mixed) else ""
    more = {"worth": rows, "patients in several classes": mixed.to_dict("records")}
    return [
        Finding("patients", bool(len(several)), words + known, several.to_dict("records"), more)
    ]


def of_questions(asked: list, by: measure.Units, left: dict) -> list[Finding]:
    """A finding for each kind of question."""
    result = []
    for kind in (*questions.BLIND, "little"):
        rows = []
        for question, measured, answer in asked:
            if question.kind != kind:
                continue
            each = {
                by.classes[c]: round(float(measured.auc[0, i]), 4) for i, c in enumerate(by.told)
            }
            rows.append({
                "seen": question.seen, "class": by.classes[by.told[answer.told]],
                "auc": round(answer.auc, 4), "low": finite(answer.low), "high": finite(answer.high),
                "p": round(answer.p, 4), "smallest_auc": round(answer.smallest_auc, 4),
                "alarm": answer.raised, "auc of each class": each,
            })  # fmt: skip
        rows.sort(key=lambda row: -row["auc"])
        raised = [row for row in rows if row["alarm"]]
        if not rows:
            continue
        words = f"{len(raised)} of {len(rows)} tell a class from the rest better than chance does."
        words += f" Best: {rows[0]['seen']}, ROC AUC {rows[0]['auc']:.3f}." if raised else ""
        result.append(Finding(kind, bool(raised), words, rows, {"not asked": left.get(kind, {})}))
    return result


def finite(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None


def of_files(table: pd.DataFrame, missing: tuple[str, ...], refused: list[str]) -> list[Finding]:
    """Tags that name people, and files that are missing, broken or without content."""
    result = []
    naming = table.naming.dropna() if "naming" in table else pd.Series(dtype=object)
    count = naming.explode().dropna().value_counts().to_dict()
    if count:
        number = int((naming.map(len) > 0).sum())
        words = (
            f"Tags that may name people, in {counted(number, 'DICOM file')}: {', '.join(count)}."
        )
        rows = [{"tag": tag, "images": int(n)} for tag, n in count.items()]
        result.append(Finding("names", True, words, rows))
    empty = [f"{image}: it is one even grey" for image in table.image[table["empty"].astype(bool)]]
    away = [f"{name}: named in the table, and not there" for name in missing]
    if problems := [*away, *refused, *empty]:
        words = (
            f"{len(away)} files are missing, {len(refused)} cannot be read, {len(empty)} are empty."
        )
        result.append(Finding("unread", True, words, [{"image": told} for told in problems]))
    return result


def summary(given, table, refused, by, asked, rate) -> dict:
    """What there is, and how the alarm is calibrated on it."""
    looked = next((len(q.at) for q, _, _ in asked if q.at is not None), len(table))
    least = [a.smallest_auc for q, _, a in asked if q.kind in questions.BLIND]
    judged = "given split" if by.fold.min() < 0 else f"{by.fold.max() + 1} parts of the patients"
    return {
        "dataset": given.name, "notice": NOTICE, "version": deepcovid.__version__,
        "images": len(table), "unreadable": len(refused), "missing": len(given.missing),
        "patients": int(table.patient.nunique()),
        "classes": {k: int(n) for k, n in table.label.value_counts().items()},
        "not judged": [c for i, c in enumerate(by.classes) if i not in by.told and len(by.classes) > 2],
        "splits": {k or "none": int(n) for k, n in table.split.value_counts().items()},
        "judged on": judged, "looked at by the network": looked, "notes": list(given.notes),
        "chance": {"level": chance.LEVEL, "relabelled copies": measure.DRAWS,
                   "copies with alarm": round(rate * measure.DRAWS), "questions": len(least),
                   "smallest_auc": round(float(np.median(least)), 4) if least else None,
                   "large": chance.LARGE},
    }  # fmt: skip
