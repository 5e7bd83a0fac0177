"""Build COVID-Xray-5k from its raw sources, by the release's own lists.

Raw sources: `covid-chestxray-dataset` (Cohen et al. 2020) for COVID-19 and `CheXpert-v1.0-small`
(Irvin et al. 2019) for Non-COVID. `data/covid-xray-5k.csv` lists the 5,520 images of the release.
"""

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from deepcovid.data.folders import made_whole, refuse_existing
from deepcovid.runs import UserError, escape_control_chars, write_csv
from imageaudit import images

LIST = Path(__file__).with_name("covid-xray-5k.csv")

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


@dataclass(frozen=True)
class Build:
    """What was built. Lists hold `split/class/name`, `without_row` paths in the source."""

    folder: Path
    counts: dict[str, int]  # images per split/class
    changed: list[str]  # built, but not the bytes of the release
    without_row: list[str]  # images that their source's table does not know

    def __str__(self) -> str:
        built = ", ".join(f"{count:,} {place}" for place, count in self.counts.items())
        text = (
            f"Built {self.folder}: {built}.\nThe release's augmented copies are in no raw source: "
        )
        text += "use augment_positives 5, not release."
        text += listed(self.changed, "built, but not from the bytes of the release")
        return text + listed(self.without_row, "without a row in their source's table")


def build(covid_chestxray: Path, chexpert: Path, folder: Path) -> Build:
    """Build `folder/train|test/covid|non`, the release's images, from a covid-chestxray-dataset
    checkout and a CheXpert-v1.0-small folder.

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
    if missing := [
        f"{escape_control_chars(p)}: {why}"
        for p, why in zip(plan.place, refusals, strict=True)
        if why
    ]:
        raise UserError(
            f"{len(missing)} of {len(plan)} images cannot be built; bring them:\n  "
            + "\n  ".join(missing)
        )
    with made_whole(Path(folder)) as room:
        changed = bring(plan, room)
        for file, table in zip(("covid", "chexpert"), tables, strict=True):
            columns = [c for c in table if c in COVID_COLUMNS + CHEXPERT_COLUMNS]
            table = table[["source", *columns]].drop_duplicates("source")
            rows = plan[["split", "name", "source"]].merge(table, on="source")
            write_csv(room / f"{file}-metadata.csv", rows.drop(columns="source"))
    seen = {f"images/{path.name}" for path in images.find(roots["covid"] / "images")}
    unlisted = (seen | {*plan.source}) - {*tables[0].source, *tables[1].source}
    counts = (plan.split + "/" + plan.label).value_counts(sort=False).to_dict()
    return Build(Path(folder), counts, changed, sorted(unlisted))


def bring(plan: pd.DataFrame, folder: Path) -> list[str]:
    """Copy each `path` to its `place`; the places whose bytes are not the release's."""
    changed = []
    for row in plan.itertuples():
        target = folder / row.place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(row.path, target)
        if blob_sha1(target) != row.git_blob_sha1:
            changed.append(row.place)
    return changed


def read_tables(covid_chestxray: Path, chexpert: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both sources' tables, all text, with `source` (path in the source).

    Raises one UserError for all files and columns that are missing.
    """
    wrong = []

    def read(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
        if not path.is_file():
            wrong.append(f"{path}: not there")
            return pd.DataFrame()
        try:
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
        except ValueError as error:  # pandas' own errors and wrong encodings
            wrong.append(f"{path}: {error}")
            return pd.DataFrame()
        if missing := [column for column in needed if column not in table]:
            wrong.append(f"{path}: without the columns {', '.join(missing)}")
        return table

    if not (covid_chestxray / "images").is_dir():
        wrong.append(f"{covid_chestxray / 'images'}: not there")
    covid = read(covid_chestxray / "metadata.csv", COVID_NEEDED)
    films = [read(chexpert / "train.csv", CHEXPERT_COLUMNS)]
    if (chexpert / "valid.csv").is_file():
        films.append(read(chexpert / "valid.csv", CHEXPERT_COLUMNS))
    if wrong:
        raise UserError("The raw sources are not whole:\n  " + "\n  ".join(wrong))
    film = pd.concat(films, ignore_index=True)
    film["source"] = film.Path.str.partition("/")[2]  # without CheXpert-v1.0-small
    return covid.assign(source=covid.folder + "/" + covid.filename), film


def listed(items: list[str], what: str, limit: int = 10) -> str:
    """A line `12 what:` and the first of them, a line each; empty without items."""
    more = [f"... and {len(items) - limit:,} more"] if len(items) > limit else []
    first = map(escape_control_chars, items[:limit])
    return "\n  ".join([f"\n{len(items):,} {what}:", *first, *more]) if items else ""
