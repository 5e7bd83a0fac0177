"""What COVID-Xray-5k consists of, and how to build it from its raw sources by the release's own lists.

Raw sources: `covid-chestxray-dataset` (Cohen et al. 2020) for COVID-19 and `CheXpert-v1.0-small`
(Irvin et al. 2019) for Non-COVID. `data/covid-xray-5k.csv` lists the 5,520 images of the release.
"""

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from deepcovid.io import atomic_folder, read_table, refuse_existing, write_csv
from deepcovid.runs import UserError, escape_control_chars
from imageaudit import images

LIST = Path(__file__).with_name("covid-xray-5k.csv")
SPLITS, CLASSES = ("train", "test"), ("covid", "non")  # the release's folders

FINDINGS = ("Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
            "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
            "Pleural Other", "Fracture", "Support Devices")  # fmt: skip
CHEXPERT_COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "No Finding", *FINDINGS)
COVID_COLUMNS = ("patientid", "offset", "sex", "age", "finding", "survival", "view", "modality",
                 "date", "location", "license")  # fmt: skip
COVID_NEEDED = ("patientid", "finding", "view", "modality", "folder", "filename")


def known() -> pd.DataFrame:
    """The 5,520 images of the release, all columns text, empty where unknown.

    `source` is the path within the raw source, empty for the release's own augmented copies.
    Facts are of the original files; five of them are known by name and hash only.
    """
    return pd.read_csv(LIST, dtype=str, keep_default_na=False)


def blob_sha1(path: Path) -> str:
    """The hash under which git stores a file: SHA-1 of `blob <size>`, a zero byte, the bytes."""
    with path.open("rb") as file:
        begun = hashlib.sha1(b"blob %d\0" % os.fstat(file.fileno()).st_size)
        return hashlib.file_digest(file, lambda: begun).hexdigest()


def build(covid_chestxray: Path, chexpert: Path, folder: Path) -> str:
    """Build `folder/train|test/covid|non`, the release's images, from a covid-chestxray-dataset
    checkout and a CheXpert-v1.0-small folder; what was built, in words.

    Beside the images come `covid-metadata.csv` and `chexpert-metadata.csv`, what the sources'
    tables say of each. Raises UserError that lists everything that is missing or unreadable.
    """
    refuse_existing(Path(folder))
    roots = {"covid": Path(covid_chestxray), "non": Path(chexpert)}
    tables = read_tables(*roots.values())
    plan = known()
    plan = plan[plan.source != ""]
    plan = plan.assign(
        place=plan.split + "/" + plan.label + "/" + plan["name"],
        path=[roots[row.label] / row.source for row in plan.itertuples()],
    )
    with ThreadPoolExecutor() as pool:
        refusals = list(pool.map(images.refusal, plan.path))
    missing = [f"{place}: {why}" for place, why in zip(plan.place, refusals, strict=True) if why]
    if missing:
        raise UserError(
            f"{len(missing)} of {len(plan)} images cannot be built; bring them:\n  "
            + "\n  ".join(map(escape_control_chars, missing))
        )
    changed = []
    with atomic_folder(Path(folder)) as partial:
        for row in plan.itertuples():
            target = partial / row.place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(row.path, target)
            if blob_sha1(target) != row.git_blob_sha1:
                changed.append(row.place)
        for file, table in zip(("covid", "chexpert"), tables, strict=True):
            columns = [c for c in table if c in COVID_COLUMNS + CHEXPERT_COLUMNS]
            table = table[["source", *columns]].drop_duplicates("source")
            rows = plan[["split", "name", "source"]].merge(table, on="source")
            write_csv(partial / f"{file}-metadata.csv", rows.drop(columns="source"))
    counts = (plan.split + "/" + plan.label).value_counts(sort=False)
    built = ", ".join(f"{count:,} {place}" for place, count in counts.items())
    return (
        f"Built {folder}: {built}.\nThe release's augmented copies are in no raw source: use "
        "augment_positives 5, not release."
        + listed(changed, "built, but not from the bytes of the release")
    )


def read_tables(covid_chestxray: Path, chexpert: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both sources' tables, all text, with `source` (path in the source).

    Raises one UserError for all files and columns that are missing.
    """
    wrong, tables = [], []
    if not (covid_chestxray / "images").is_dir():
        wrong.append(f"{covid_chestxray / 'images'} is not there.")
    needed = {
        covid_chestxray / "metadata.csv": COVID_NEEDED,
        chexpert / "train.csv": CHEXPERT_COLUMNS,
        chexpert / "valid.csv": CHEXPERT_COLUMNS,
    }
    for path, columns in needed.items():
        if path.name == "valid.csv" and not path.is_file():
            continue
        try:
            tables.append(read_table(path, columns, dtype=str, keep_default_na=False))
        except UserError as error:
            wrong.append(str(error))
    if wrong:
        raise UserError("The raw sources are not whole:\n  " + "\n  ".join(wrong))
    covid, film = tables[0], pd.concat(tables[1:], ignore_index=True)
    film["source"] = film.Path.str.partition("/")[2]  # without CheXpert-v1.0-small
    return covid.assign(source=covid.folder + "/" + covid.filename), film


def listed(items: list[str], what: str, limit: int = 10) -> str:
    """A line `12 what:` and the first of them, a line each; empty without items."""
    more = [f"... and {len(items) - limit:,} more"] if len(items) > limit else []
    first = map(escape_control_chars, items[:limit])
    return "\n  ".join([f"\n{len(items):,} {what}:", *first, *more]) if items else ""
