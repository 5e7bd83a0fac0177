"""The rest of the collection that the COVID-19 images come from: the fair negatives.

A collection is a folder `covid|non` with `metadata.csv`, of radiographs from the same publications as
a run's COVID-19 images. Cases, not images, are the unit: images of one published case, or of one
recorded patient, belong together, also across the collection and the run's own data.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from deepcovid.data import manifest
from deepcovid.models import seen
from deepcovid.models.run import Run
from deepcovid.runs import UserError, escape_control_chars, read_table
from deepcovid.shortcuts import measure
from imageaudit import images

NEEDED = ("name", "finding", "patientid")
TOLD = ("case", "view", "sex", "age", "published_at")  # where known
COLUMNS = ("image", "path", "sha1", "label", "finding", "patient", "case", "view", "sex", "age",
           "site", "part")  # fmt: skip


def metadata(folder: Path) -> pd.DataFrame:
    """The rows of a collection's `metadata.csv`, text, by image name; UserError where it is unfit."""
    path = folder / "metadata.csv"
    if not path.is_file():
        raise UserError(f"{path} is not there: a collection's folder has one; see docs/data.md.")
    table = read_table(path, dtype=str, keep_default_na=False)
    if missing := [name for name in NEEDED if name not in table]:
        raise UserError(f"{path} lacks the columns {', '.join(missing)}.")
    if table.name.duplicated().any():
        raise UserError(
            f"{path} names {escape_control_chars(table.name[table.name.duplicated()].iloc[0])} twice."
        )
    for name in TOLD:
        if name not in table:
            table[name] = ""
    return table.set_index("name")


def outer(folder: Path) -> pd.DataFrame:
    """The images of a collection's folder, a row each; see COLUMNS. UserError where none fit."""
    known, rows = metadata(folder), []
    for name, label in manifest.CLASSES.items():
        for path in images.find(folder / name):
            if path.name not in known.index:
                raise UserError(f"{path} has no row in {folder / 'metadata.csv'}.")
            row = known.loc[path.name]
            rows.append({
                "image": f"collection/{path.relative_to(folder).as_posix()}", "path": path,
                "sha1": images.facts(path)["sha1"], "label": label, "finding": row.finding,
                "patient": f"covid-chestxray {row.patientid}" if row.patientid else "",
                "case": row.case, "view": row["view"], "sex": row.sex, "age": row.age,
                "site": row.published_at, "part": "collection",
            })  # fmt: skip
    if not rows or len({row["label"] for row in rows}) < 2:
        raise UserError(f"{folder} must hold images in `covid` and in `non`.")
    return pd.DataFrame(rows, columns=COLUMNS)


def inner(run: Run) -> pd.DataFrame:
    """The run's own COVID-19 originals, as rows of the same kind; `part` is their split.

    View, sex and age as the run's metadata has them: where they were blank here and known in the
    collection, not to be told would tell the class.
    """
    own = measure.collection(run.manifest, run.data)
    own = own[own.label == 1]
    age = own.age.map(lambda years: "" if pd.isna(years) else f"{years:g}")
    table = own.assign(part=own.split, finding="COVID-19", case="", site="", age=age)
    return table[list(COLUMNS)].reset_index(drop=True)


def of(run: Run) -> pd.DataFrame:
    """All images of the collection, those in the run's data among them, with their `group`.

    `group` numbers what belongs together: images that share a patient or a case, and twins.
    """
    folder = run.profile.collection
    if folder is None:
        raise UserError("This run names no collection: -p collection FOLDER; see docs/data.md.")
    table = pd.concat([inner(run), outer(Path(folder))], ignore_index=True)
    table = table[~table.sha1.duplicated()].reset_index(drop=True)
    table["view"] = table["view"].str.replace(r"^AP\b.*", "AP", regex=True)  # supine ones as well
    return table.assign(group=groups(table, seen.twins(table, run.signatures)))


def with_trained(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """With `trained`: is an image, or one of its group, known to a model of the run? See `unseen`."""
    models = [(name, seed) for name in run.profile.models for seed in run.profile.seeds]
    known = pd.concat([run.seen(*model) for model in models]).drop_duplicates("image")
    found = seen.unseen(table, known, run.signatures)
    return table.assign(trained=table.group.isin(table.group[found.reason != ""]))


def groups(table: pd.DataFrame, twins: pd.DataFrame) -> np.ndarray:
    """A number for each image; images of one patient or one case, directly or not, share it.

    So do `twins`, pairs of rows (`one`, `other`, by position). An image of which nothing is known
    is a group of its own.
    """
    rows, columns, names = [], [], {}
    for i, (one, other) in enumerate(zip(twins.one, twins.other, strict=True)):
        rows += [one, other]
        columns += [names.setdefault(("twins", i), len(names))] * 2
    for i, (patient, case) in enumerate(zip(table.patient, table.case, strict=True)):
        for kind, name in (("patient", patient), ("case", case)):
            if name:
                rows.append(i)
                columns.append(names.setdefault((kind, name), len(names)))
    n = len(table)
    links = coo_array(
        (np.ones(len(rows)), (rows, np.array(columns, int) + n)), (n + len(names),) * 2
    )
    return connected_components(links, directed=False)[1][:n]
