"""An audit from its first step to its last: a folder or table in, findings and verdict out."""

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from imageaudit import NOTICE, __version__, dataset
from imageaudit.errors import UserError, did_you_mean, escape_control_chars
from imageaudit.findings import FAIL_ON, KINDS, TEXTS, Finding, sentence, verdict


@dataclass
class Examined:
    """What an audit knows: `report` is its JSON; the rest is for the page."""

    report: dict
    findings: list[Finding]
    table: pd.DataFrame  # a row per image that was read; `patient` joins those of one radiograph
    pictures: np.ndarray  # (n, side, side) uint8
    signatures: list  # what each is recognised by
    duplicates: pd.DataFrame
    fitted: list = field(default_factory=list)  # Probe, CrossFit, TestResult
    other: pd.DataFrame | None = None  # the images of the dataset that it was held against
    columns: tuple[str, ...] = ()  # of the user's table

    @property
    def alarm(self) -> bool:
        return self.report["alarm"]


def examine(
    source: Path | str,
    options: dataset.Options = dataset.Options(),  # noqa: B008
    fail_on: tuple[str, ...] = FAIL_ON,
    cache: Path | None = None,
    say=print,
) -> Examined:
    """Audit a folder or a table of images; see `dataset` for what these are.

    `cache` is a folder for the facts of the images, so that a stopped audit goes on; `say` is told
    what was understood, before anything is computed. Raises
    UserError for what cannot be audited: unknown words, no images, one class, one patient.
    """
    began = time.monotonic()
    for kind in {*fail_on} - {*KINDS}:
        said = f"There is no finding {kind!r} to fail on.{did_you_mean(kind, KINDS)}"
        raise UserError(f"{said} There are: {', '.join(KINDS)}.")
    given = dataset.read(source, options)
    against = dataset.read_any(options.against) if options.against else None
    say(understood(given))
    # loaded once there is something to audit: what is refused is refused at once
    from imageaudit import collect, crossfit, duplicates, patients, relations

    table, pictures, signatures, refused = read_images(given, cache, say)
    if (alone := table.label.unique()).size < dataset.LEAST:
        raise UserError(f"All images that can be read are of one class, {alone[0]!r}.")
    pairs = duplicates.find_duplicates(table, signatures)
    table["patient"] = patients.join_duplicates(table.recorded, pairs)
    rows = crossfit.patient_rows(table)
    if not rows.targets:
        counts = table.groupby("label").patient.nunique().to_dict()
        raise UserError(sentence("too_few", table, counts, crossfit.FEW))
    fitted, left_out, rate = fit_probes(table, pictures, given, rows)
    given = with_unasked(given, left_out["columns"], say)
    search = duplicates.check_search(list(table.path), table, signatures)
    other, external = None, []
    if against:
        other, _, theirs, _ = read_images(against, cache, say)
        external = [collect.of_external(table, signatures, given.named_in, other, theirs, against)]
    findings = [
        *external,
        *collect.of_duplicates(table, pairs, search),
        *collect.of_patients(table),
        *collect.of_probes(fitted, rows, left_out),
        *relations.of_visible(fitted, table),
        *relations.of_shift(fitted, table, list(rows.classes)),
        *collect.of_files(table, given.missing, refused),
    ]
    report = summary(given, table, refused, rows, fitted, rate)
    alarm, words = verdict(findings, fail_on, report["chance"])
    report |= {"alarm": alarm, "verdict": words, "fail_on": list(fail_on)}
    report["findings"] = [
        {"kind": f.kind, "raised": f.raised, "counts": f.kind in fail_on, "words": f.words,
         "advice": TEXTS[f.kind]["advice"], "rows": f.rows, **f.more} for f in findings
    ]  # fmt: skip
    report["seconds"] = round(time.monotonic() - began, 1)
    return Examined(
        report, findings, table, pictures, signatures, pairs, fitted, other, given.columns
    )


def understood(given: dataset.Dataset) -> str:
    """What there is to audit, in a few lines."""
    table = given.table
    words = [f"{len(table)} images: " + each_of(table.label) + "."]
    if (table.split != "").any():
        words.append(f"Splits: {each_of(table.split)}.")
    named = table.patient[table.patient != ""]
    words.append(f"Patients known: {named.nunique()}, of {len(named)} of {len(table)} images.")
    if given.columns:
        words.append(f"Columns: {', '.join(given.columns)}.")
    if given.missing:
        words.append(f"Files that are not there: {len(given.missing)}.")
    return "\n".join([*words, *given.notes])


def with_unasked(given: dataset.Dataset, left_out: dict[str, str], say) -> dataset.Dataset:
    """The dataset with a note on the columns that are no probes, and why, which is said as well."""
    if not left_out:
        return given
    each = ", ".join(f"{name} ({why})" for name, why in left_out.items())
    note = f"Columns that are not asked about, since nothing can be told from them: {each}."
    note = escape_control_chars(note)
    say(note)
    return given._replace(notes=(*given.notes, note))


def each_of(values: pd.Series) -> str:
    each = values.value_counts().items()
    return ", ".join(f"{n} {escape_control_chars(name)}" for name, n in each)


def read_images(given: dataset.Dataset, cache: Path | None, say):
    """The table of all images that can be read, with their facts and patients (`recorded`); pictures;
    signatures; refusals."""
    from imageaudit import matching, patients
    from imageaudit.inspection import inspect

    facts, pictures, refused = inspect(list(given.table.path), cache)
    if facts.empty:
        raise UserError(f"None of {len(refused)} images can be read in {given.name}. {refused[0]}")
    if refused:
        say(f"Left out, since they cannot be read: {len(refused)}. The first: {refused[0]}")
    table = given.table.iloc[facts.index].join(facts.rename(columns={"patient": "number"}))
    table = table.reset_index(drop=True)
    signatures = [matching.signature(picture) for picture in pictures]
    return table.assign(recorded=patients.known(table)), pictures, signatures, refused


def fit_probes(table: pd.DataFrame, pictures: np.ndarray, given: dataset.Dataset, rows):
    """Probe, CrossFit and TestResult of each; by kind why a column is no probe; false-alarm rate."""
    from imageaudit import crossfit, permutation, probes

    own = table[[dataset.OWN + column for column in given.columns]]
    asked = probes.file_columns(table) | {"columns": own.set_axis(given.columns, axis=1)}
    every, left_out = [], {}
    for kind, columns in asked.items():
        found, left_out[kind] = probes.column_probes(kind, columns)
        every += found
    at = probes.sample(*(table[name].to_numpy() for name in ("label", "split", "patient")))
    every += probes.picture_probes(pictures, table, at)
    fitted = []
    for blind in (False, True):
        family = [probe for probe in every if (probe.kind in probes.BLIND) == blind]
        fits = [crossfit.cross_fit(p.values, rows, p.at, p.penalty) for p in family]
        tests, rate = permutation.max_statistic_test(fits)
        fitted += zip(family, fits, tests, strict=True)
    return fitted, left_out, rate  # of those that are blind to the disease


def summary(given, table, refused, rows, fitted, rate) -> dict:
    """What there is, and how the alarm is calibrated on it."""
    from imageaudit import crossfit, permutation, probes

    encoded = next((len(p.at) for p, _, _ in fitted if p.at is not None), len(table))
    least = [test.smallest_auc for p, _, test in fitted if p.kind in probes.BLIND]
    given_split = rows.fold.min() < 0
    tested = "given split" if given_split else f"{rows.fold.max() + 1} parts of the patients"
    several = len(rows.classes) > 2
    ranges = (table.tags.str["shown by"] == "range of values").sum() if "tags" in table else 0
    note = f"{ranges} DICOM pictures have no usable window: shown by their range of values."
    return {
        "dataset": given.name, "notice": NOTICE, "version": __version__,
        "images": len(table), "unreadable": len(refused), "missing": len(given.missing),
        "patients": int(table.patient.nunique()),
        "classes": {k: int(n) for k, n in table.label.value_counts().items()},
        "not judged": [c for i, c in enumerate(rows.classes) if several and i not in rows.targets],
        "splits": {k or "none": int(n) for k, n in table.split.value_counts().items()},
        "judged on": tested, "images encoded": encoded,
        "understood": understood(given).split("\n"), "notes": [*given.notes, *[note] * bool(ranges)],
        "chance": {"level": permutation.LEVEL, "relabelled copies": crossfit.COPIES,
                   "copies with alarm": round(rate * crossfit.COPIES), "questions": len(least),
                   "smallest_auc": round(float(np.median(least)), 4) if least else None,
                   "large": permutation.LARGE},
    }  # fmt: skip
