"""Build COVID-Xray-5k from its raw sources: the release's own lists, or a new draw by its rule.

Raw sources: `covid-chestxray-dataset` (Cohen et al. 2020) for COVID-19 and `CheXpert-v1.0-small`
(Irvin et al. 2019) for Non-COVID. `data/covid-xray-5k.csv` lists the 5,520 images of the release.
"""

import hashlib
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from deepcovid.data.folders import made_whole, refuse_existing
from deepcovid.runs import UserError, shown
from imageaudit import images

LIST = Path(__file__).with_name("covid-xray-5k.csv")

FINDINGS = ("Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
            "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
            "Pleural Other", "Fracture", "Support Devices")  # fmt: skip
CHEXPERT_COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "No Finding", *FINDINGS)
COVID_COLUMNS = ("patientid", "offset", "sex", "age", "finding", "survival", "view", "modality",
                 "date", "location", "license")  # fmt: skip
COVID_NEEDED = ("patientid", "finding", "view", "modality", "folder", "filename")
FRONTAL = ("PA", "AP", "AP Supine")  # the views of the release, which says that it has PA only
# Images per split: COVID-19, No Finding, each of the 13 findings
RULE = {"train": (84, 700, 100), "test": (100, 1700, 100)}


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
    missing: list[str]  # left out, with the reason (only with allow_missing)
    changed: list[str]  # built, but not the bytes of the release
    without_row: list[str]  # images that their source's table does not know
    augmented: int  # the release's own augmented copies, which no raw source holds

    def __str__(self) -> str:
        built = ", ".join(f"{count:,} {place}" for place, count in self.counts.items())
        text = f"Built {self.folder}: {built}."
        if self.augmented:
            text += (f"\nThe release's {self.augmented} augmented copies are in no raw source: use "
                     "augment_positives 5, not release.")  # fmt: skip
        text += listed(self.missing, "could not be built")
        text += listed(self.changed, "built, but not from the bytes of the release")
        return text + listed(self.without_row, "without a row in their source's table")


def build(covid_chestxray: Path, chexpert: Path, folder: Path, release: bool = True, seed: int = 0,
          rule: dict[str, tuple[int, int, int]] = RULE, allow_missing: bool = False,
          link: bool = False) -> Build:  # fmt: skip
    """Build `folder/train|test/covid|non` from a covid-chestxray-dataset checkout and a
    CheXpert-v1.0-small folder: exactly the release's images, or a `seed`'s draw by its `rule`.

    Beside the images come `covid-metadata.csv` and `chexpert-metadata.csv`, what the sources'
    tables say of each. `link` makes hard links instead of copies. Raises UserError that lists
    everything that is missing or unreadable, unless `allow_missing`, which builds the rest.
    """
    refuse_existing(Path(folder))
    roots = {"covid": Path(covid_chestxray), "non": Path(chexpert)}
    tables = read_tables(*roots.values())
    plan = planned_release() if release else drawn(*tables, rule, seed)
    plan["place"] = plan.split + "/" + plan.label + "/" + plan["name"]
    plan["path"] = [roots[row.label] / row.source for row in plan.itertuples()]
    with ThreadPoolExecutor() as pool:
        plan["refusal"] = list(pool.map(images.refusal, plan.path))
    lost = plan[plan.refusal.notna()]
    missing = [f"{shown(row.place)}: {row.refusal}" for row in lost.itertuples()]
    if missing and not allow_missing:
        raise UserError(
            f"{len(missing)} of {len(plan)} images cannot be built; bring them, or leave them out "
            "with allow_missing:\n  " + "\n  ".join(missing)
        )
    kept = plan[plan.refusal.isna()]
    with made_whole(Path(folder)) as room:
        changed = bring(kept, room, link)
        for file, table in zip(("covid", "chexpert"), tables, strict=True):
            columns = [c for c in table if c in COVID_COLUMNS + CHEXPERT_COLUMNS]
            table = table[["source", *columns]].drop_duplicates("source")
            rows = kept[["split", "name", "source"]].merge(table, on="source")
            rows.drop(columns="source").to_csv(
                room / f"{file}-metadata.csv", index=False, lineterminator="\n"
            )
    seen = {f"images/{p.name}" for p in (roots["covid"] / "images").iterdir()
            if p.suffix.lower() in images.SUFFIXES}  # fmt: skip
    unlisted = (seen | {*kept.source}) - {*tables[0].source, *tables[1].source}
    counts = (kept.split + "/" + kept.label).value_counts(sort=False).to_dict()
    copies = int((known().source == "").sum()) if release else 0
    return Build(Path(folder), counts, missing, changed, sorted(unlisted), copies)


def bring(plan: pd.DataFrame, folder: Path, link: bool) -> list[str]:
    """Copy or link each `path` to its `place`; the places whose bytes are not the release's."""
    changed = []
    for row in plan.itertuples():
        target = folder / row.place
        target.parent.mkdir(parents=True, exist_ok=True)
        (linked if link else shutil.copyfile)(row.path, target)
        if row.git_blob_sha1 and blob_sha1(target) != row.git_blob_sha1:
            changed.append(row.place)
    return changed


def linked(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:  # on another disk, or on one that knows no links
        shutil.copyfile(path, target)


def planned_release() -> pd.DataFrame:
    table = known()
    return table[table.source != ""].copy()


def read_tables(covid_chestxray: Path, chexpert: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both sources' tables, all text, with `source` (path in the source) and `patient`.

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
    film["patient"] = film.source.str.extract(r"(patient\d+)")[0]
    return covid.assign(source=covid.folder + "/" + covid.filename, patient=covid.patientid), film


def drawn(covid: pd.DataFrame, film: pd.DataFrame, rule: dict, seed: int) -> pd.DataFrame:
    """A sample by the release's rule: frontal images, of CheXpert those with exactly one positive
    finding (as all 5,000 of the release), no patient in two splits.

    Raises UserError that lists all kinds of which there are too few.
    """
    shuffle = np.random.default_rng(seed)
    fits = covid.finding.str.contains("COVID-19") & covid.view.isin(FRONTAL)
    covid = covid[fits & (covid.modality == "X-ray")].assign(kind="covid").drop_duplicates("source")
    positive = film[["No Finding", *FINDINGS]].isin(("1.0", "1"))
    film = film[(film["Frontal/Lateral"] == "Frontal") & (positive.sum(axis=1) == 1)]
    film = film.assign(kind=positive.idxmax(axis=1)).drop_duplicates("source")
    split_of, chosen, short = {}, [], []  # split_of a patient
    # rare kinds choose first, lest their patients be taken
    for kind, table in sorted([("covid", covid), *film.groupby("kind")], key=lambda k: len(k[1])):
        table = table.iloc[shuffle.permutation(len(table))]
        if kind == "covid":  # few patients with several images: use one up before the next
            table = table.sort_values("patient", key=lambda p: pd.factorize(p)[0], kind="stable")
        for split, (positives, none, each) in rule.items():
            count = {"covid": positives, "No Finding": none}.get(kind, each)
            free = table[table.patient.map(lambda p, s=split: split_of.get(p, s) == s).astype(bool)]
            free = free.head(count)
            split_of.update(dict.fromkeys(free.patient, split))
            chosen.append(free.assign(split=split))
            if len(free) < count:
                short.append(f"{split}: {len(free)} of {count} images of {kind}")
    absent = [k for k in ("No Finding", *FINDINGS) if k not in set(film.kind)]
    if short or absent:
        short += [f"no image of {kind}" for kind in absent]
        raise UserError("The raw sources are too small for this rule:\n  " + "\n  ".join(short))
    plan = pd.concat(chosen, ignore_index=True)
    names = plan.source.str.split("/").str[1:].str.join("-")
    named = (plan.kind != "covid") & (plan.split == "train")  # the release names the finding there
    plan["name"] = (plan.kind + "-").where(named, "") + names
    plan["label"] = np.where(plan.kind == "covid", "covid", "non")
    return plan.assign(git_blob_sha1="")[["split", "label", "name", "source", "git_blob_sha1"]]


def listed(items: list[str], what: str, limit: int = 10) -> str:
    """A line `12 what:` and the first of them, a line each; empty without items."""
    more = [f"... and {len(items) - limit:,} more"] if len(items) > limit else []
    first = map(shown, items[:limit])
    return "\n  ".join([f"\n{len(items):,} {what}:", *first, *more]) if items else ""
