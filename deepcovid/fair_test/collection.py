"""The rest of the collection that the COVID-19 images come from: the fair negatives.

A collection is a folder `covid|non` with `metadata.csv`, of radiographs from the same publications as
a run's COVID-19 images. Cases, not images, are the unit: images of one published case, or of one
recorded patient, belong together, also across the collection and the run's own data.

A data folder can be made of it in which the source does not tell the class, to train and to be
judged on: both classes are of one collection, and cases that are held out judge.
"""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from deepcovid import io
from deepcovid.data import duplicates, manifest, records
from deepcovid.heatmaps import masks
from deepcovid.models.run import Run
from deepcovid.runs import UserError
from deepcovid.shortcuts import measure
from imageaudit import images, patients

REQUIRED = ("name", "finding", "patientid")
OPTIONAL = ("case", "view", "sex", "age", "published_at")
COLUMNS = ("image", "path", "sha1", "label", "finding", "patient", "case", "view", "sex", "age",
           "site", "part")  # fmt: skip


def outer(folder: Path) -> pd.DataFrame:
    """The images of a collection's folder, a row each; see COLUMNS. UserError where none fit, or where
    its `metadata.csv` is unfit."""
    about, rows = folder / "metadata.csv", []
    if not about.is_file():
        raise UserError(f"{about} is not there: a collection's folder has one; see docs/data.md.")
    known = records.read(about, REQUIRED)
    found = {path.relative_to(folder).as_posix(): (path, label)
             for name, label in manifest.CLASSES.items() for path in images.find(folder / name)}  # fmt: skip
    records.refuse_ambiguous(about, known, [*found])
    for image, (path, label) in found.items():
        if not (said := records.row_of(image, known)):
            raise UserError(f"{path} has no row in {about}.")
        rows.append({"image": f"collection/{image}", "path": path, "sha1": images.facts(path)["sha1"],
                     "label": label, "part": "collection",
                     **{column: said.get(column, "") for column in (*REQUIRED[1:], *OPTIONAL)}})  # fmt: skip
    if len({row["label"] for row in rows}) < 2:
        raise UserError(f"{folder} must hold images in `covid` and in `non`.")
    table = pd.DataFrame(rows).rename(columns={"published_at": "site"})
    patient = ("covid-chestxray " + table.patientid).where(table.patientid != "", "")
    return table.assign(patient=patient)[list(COLUMNS)]


def inner(run: Run) -> pd.DataFrame:
    """The run's own COVID-19 originals, as rows of the same kind; `part` is their split.

    View, sex and age as the run's metadata has them: where they were blank here and known in the
    collection, their absence would give the class away.
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
    return table.assign(group=groups(table, duplicates.twins(table, run.signatures)))


def with_trained(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """With `trained`: is an image, or one of its group, known to a model of the run? See `unseen`."""
    known = pd.concat([run.seen(*of) for of in run.profile.trainings]).drop_duplicates("image")
    same = table.sha1.isin(known.sha1)  # at these nobody needs to look
    found = duplicates.unseen(table[~same], known, run.signatures)
    trained = same | table.index.isin(found.index[found.reason != ""])
    return table.assign(trained=table.group.isin(table.group[trained]))


def groups(table: pd.DataFrame, twins: pd.DataFrame) -> np.ndarray:
    """A number for each image; images of one patient or one case, directly or not, share it.

    So do `twins`, pairs of rows (`one`, `other`, by position). An image of which nothing is known
    is a group of its own.
    """
    alone = [f"image {i}" for i in range(len(table))]
    case = table.case.reset_index(drop=True)
    first = case.index.to_series().groupby(case).transform("first")
    same = pd.DataFrame({"a": first, "b": case.index})[case != ""]
    pairs = pd.concat([same, twins.set_axis(["a", "b"], axis=1)])
    patient = table.patient.where(table.patient != "", alone)
    return pd.factorize(patients.join_duplicates(patient, pairs))[0]


def split(table: pd.DataFrame) -> pd.Series:
    """`train` or `test` for each image of `of`; a group of images is in one of them.

    A quarter of the images of each class is for testing, as nearly as groups allow.
    """
    parts = StratifiedGroupKFold(4, shuffle=True, random_state=0)
    _, held = next(parts.split(table, table.label, table.group))
    is_test = np.isin(np.arange(len(table)), held)
    return pd.Series(np.where(is_test, "test", "train"), table.index)


def fair_data(run: Run) -> Path:
    """Make `fair_data/` of a run anew, of its collection: `train|test / covid|non / collection`.

    `patients.csv` tells which images belong together, what they were called (`original`) and whose
    they are (`recorded`), so that twins elsewhere are known; masks that lie beside the run's images
    go with them.
    """
    table, target = of(run), run.folder / "fair_data"
    names = {label: name for name, label in manifest.CLASSES.items()}
    table["folder"] = split(table) + "/" + table.label.map(names) + "/collection"
    table["recorded"] = duplicates.known_only(table.patient)
    table["patient"] = "case " + table.group.astype(str)
    table["original"] = [path.name for path in table.path]
    number = [f"/{i:04}-" for i in range(len(table))]
    table["image"] = table.folder + number + table.original
    copies = dict(zip(table.image, table.path, strict=True))
    for name, path in list(copies.items()):
        if path.is_relative_to(run.data):
            beside = {f"{kind}-masks/{Path(name).with_suffix('.png')}":
                      masks.path_of(run, kind, path.relative_to(run.data)) for kind in masks.MASKS}  # fmt: skip
            copies |= {to: mask for to, mask in beside.items() if mask.is_file()}
    with io.atomic_folder(target, replace=True) as room:
        for name, path in copies.items():
            (room / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, room / name)
        columns = ["image", "patient", "original", "recorded"]
        table[columns].to_csv(room / "patients.csv", index=False)
    return target
