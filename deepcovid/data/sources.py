"""Obtain COVID-Xray-5k: the released archive, or its raw sources; verify a copy image by image.

Raw sources: `covid-chestxray-dataset` (Cohen et al. 2020) for COVID-19 and `CheXpert-v1.0-small`
(Irvin et al. 2019) for Non-COVID. `data/covid-xray-5k.csv` lists the 5,520 images of the release.
"""

import hashlib
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pandas as pd
import pooch

from deepcovid import runs
from deepcovid.data import images
from deepcovid.runs import UserError

# The authors' last release (v3). It may be dead by now; then another address or a local file does.
ADDRESS = "https://www.dropbox.com/s/9w8nmj791c9ogsx/data_upload_v3.zip?dl=1"
LIST = Path(__file__).with_name("covid-xray-5k.csv")
SPLITS, CLASSES = ("train", "test"), ("covid", "non")
MAX_FILES, MAX_BYTES = 100_000, 10 * 2**30  # the release: 5,520 files, 0.4 GiB

FINDINGS = ("Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema",
            "Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion",
            "Pleural Other", "Fracture", "Support Devices")  # fmt: skip
CHEXPERT_COLUMNS = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", "No Finding", *FINDINGS)
COVID_COLUMNS = ("patientid", "offset", "sex", "age", "finding", "survival", "view", "modality",
                 "date", "location", "license")  # fmt: skip
COVID_NEEDED = ("patientid", "finding", "view", "modality", "folder", "filename")
FRONTAL = ("PA", "AP", "AP Supine")  # the views of the release, which says that it has PA only
# An absolute path, a drive, or a way up
UNSAFE = re.compile(r"[/\\]|[A-Za-z]:|(.*[/\\])?\.\.([/\\]|$)")
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


# --- The released archive ---------------------------------------------------------------------


def download(address: str | Path, target: Path, sha256: str | None = None, tries: int = 3) -> Path:
    """Bring the archive at `address` to `target`; its path. A local `address` stays where it is.

    `target` appears once it is whole, with its SHA-256 in `<target>.sha256` beside it; a second
    call finds both and loads nothing. Raises UserError if the archive cannot be had, is none, or
    is not the one that `sha256` (64 hex digits) stands for.
    """
    if "://" not in str(address):
        archive = Path(address).expanduser()
        if not archive.is_file():
            raise UserError(f"There is no file {archive}: name the archive or an https address.")
        if sha256 and runs.file_digest(archive) != sha256:
            raise UserError(f"{archive} is another file than expected: its SHA-256 differs.")
        return refuse_no_archive(archive)
    target = Path(target)
    record = target.with_name(target.name + ".sha256")
    expected = sha256 or (record.read_text().split()[0] if record.is_file() else None)
    if expected and target.is_file() and runs.file_digest(target) == expected:
        return target
    whole = target.with_name(f".part-{target.name}")
    whole.unlink(missing_ok=True)
    fetcher = pooch.create(target.parent, base_url="", registry={whole.name: sha256},
                           urls={whole.name: str(address)}, retry_if_failed=tries - 1)  # fmt: skip
    try:
        fetcher.fetch(whole.name, downloader=pooch.HTTPDownloader(progressbar=True, timeout=60))
        refuse_no_archive(whole)
        runs.write_text(record, f"{runs.file_digest(whole)}  {target.name}\n")
        whole.replace(target)
    except (ValueError, OSError, UserError) as error:  # OSError: what requests raises as well
        raise UserError(
            f"{address} gave no archive ({error}). The address may be dead: bring the archive by "
            "another way and name its path instead, or build from the raw sources."
        ) from error
    finally:
        whole.unlink(missing_ok=True)
    return target


def refuse_no_archive(path: Path) -> Path:
    if not zipfile.is_zipfile(path) and not tarfile.is_tarfile(path):
        raise UserError(f"{path.name} is no whole zip or tar archive")
    return path


class Member(NamedTuple):
    """A file or folder in an archive; `plain` is False for links and devices."""

    name: str
    size: int
    folder: bool
    plain: bool
    open: Callable[[], BinaryIO]


@contextmanager
def opened(archive: Path) -> Iterator[list[Member]]:
    """The members of a zip or tar archive, readable while it is open."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            kinds = [stat.S_IFMT(i.external_attr >> 16) for i in file.infolist()]
            plain = [kind in (0, stat.S_IFREG, stat.S_IFDIR) for kind in kinds]
            yield [Member(i.filename, i.file_size, i.is_dir(), ok, partial(file.open, i))
                   for i, ok in zip(file.infolist(), plain, strict=True)]  # fmt: skip
    else:
        with tarfile.open(archive) as file:
            yield [Member(m.name, m.size, m.isdir(), m.isdir() or m.isreg(),
                          partial(file.extractfile, m)) for m in file]  # fmt: skip


def refuse_unsafe(members: list[Member]) -> None:
    """Raise one UserError for all members that lead elsewhere, and for too many or too large."""
    if bad := [m.name for m in members if UNSAFE.match(m.name) or not m.plain]:
        raise UserError("it has paths out of its folder, links or devices: " + ", ".join(bad[:10]))
    size = sum(member.size for member in members)
    if len(members) > MAX_FILES or size > MAX_BYTES:
        raise UserError(f"{len(members):,} members of {size:,} bytes in all are too many")


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the release to `folder/train|test/covid|non`; `folder` appears once it is whole.

    A folder around these is dropped, other spellings (`Train`, `Non-COVID`) are set right.
    Raises UserError for a damaged, unsafe or huge archive and for one that holds something else.
    """
    with room_beside(folder) as room:
        try:
            with opened(archive) as members:
                refuse_unsafe(members)
                for member in (m for m in members if not m.folder):
                    place = room / member.name.replace("\\", "/")
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with member.open() as source, place.open("wb") as target:
                        shutil.copyfileobj(source, target)
        except Exception as error:  # zipfile, tarfile and the decompressors raise nearly anything
            raise UserError(f"{archive} cannot be unpacked: {error}") from error
        inside = sorted((p for p in room.rglob("*") if p.is_dir()), key=lambda p: len(p.parts))
        release = next((path for path in (room, *inside) if set_right(path)), None)
        if release is None:
            raise UserError(
                f"{archive} does not hold train/covid, train/non, test/covid, test/non."
            )
        become(release, folder)
    return Path(folder)


def set_right(folder: Path, names: tuple[str, ...] = SPLITS) -> bool:
    """Are the split folders, with a folder for each class, in `folder`? Then name them right."""
    found = {}
    for name in names:
        fitting = [p for p in folder.iterdir() if p.is_dir() and p.name.lower().startswith(name)]
        if len(fitting) != 1 or (names == SPLITS and not set_right(fitting[0], CLASSES)):
            return False
        found[name] = fitting[0]
    for name, path in found.items():
        path.rename(folder / name)
    return True


@contextmanager
def room_beside(folder: Path) -> Iterator[Path]:
    """A temporary folder on the disk of `folder`, which must not be there yet, or be empty."""
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UserError(f"{folder} is there already: remove it or name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    room = tempfile.mkdtemp(dir=folder.parent, prefix=".part-")
    try:
        yield Path(room)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def become(whole: Path, folder: Path) -> None:
    whole.chmod(0o755)  # a temporary folder is its owner's alone
    whole.replace(folder)


# --- The raw sources --------------------------------------------------------------------------


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
    roots = {"covid": Path(covid_chestxray), "non": Path(chexpert)}
    tables = read_tables(*roots.values())
    plan = planned_release() if release else drawn(*tables, rule, seed)
    plan["place"] = plan.split + "/" + plan.label + "/" + plan["name"]
    plan["path"] = [roots[row.label] / row.source for row in plan.itertuples()]
    with ThreadPoolExecutor() as pool:
        plan["refusal"] = list(pool.map(images.refusal, plan.path))
    lost = plan[plan.refusal.notna()]
    missing = (lost.place + ": " + lost.refusal).tolist()
    if missing and not allow_missing:
        raise UserError(
            f"{len(missing)} of {len(plan)} images cannot be built; bring them, or leave them out "
            "with allow_missing:\n  " + "\n  ".join(missing)
        )
    kept, changed = plan[plan.refusal.isna()], []
    with room_beside(folder) as room:
        for row in kept.itertuples():
            target = room / row.place
            target.parent.mkdir(parents=True, exist_ok=True)
            (linked if link else shutil.copyfile)(row.path, target)
            if row.git_blob_sha1 and blob_sha1(target) != row.git_blob_sha1:
                changed.append(row.place)
        for file, table in zip(("covid", "chexpert"), tables, strict=True):
            columns = [c for c in table if c in COVID_COLUMNS + CHEXPERT_COLUMNS]
            table = table[["source", *columns]].drop_duplicates("source")
            rows = kept[["split", "name", "source"]].merge(table, on="source")
            rows.drop(columns="source").to_csv(
                room / f"{file}-metadata.csv", index=False, lineterminator="\n"
            )
        become(room, folder)
    seen = {f"images/{p.name}" for p in (roots["covid"] / "images").iterdir()
            if p.suffix.lower() in images.SUFFIXES}  # fmt: skip
    unlisted = (seen | {*kept.source}) - {*tables[0].source, *tables[1].source}
    counts = (kept.split + "/" + kept.label).value_counts(sort=False).to_dict()
    copies = int((known().source == "").sum()) if release else 0
    return Build(Path(folder), counts, missing, changed, sorted(unlisted), copies)


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


# --- Verification -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Verification:
    """A copy against the release. The first four lists hold `split/class/name` of the release and
    are its 5,520 images together; the others hold paths within the copy."""

    folder: Path
    present: list[str]  # byte for byte
    repacked: list[str]  # its name and shape, but downsized or encoded anew
    changed: list[str]  # its name, but another or a broken picture
    missing: list[str]
    misplaced: list[str]  # in the folder of another split or class
    twice: list[str]  # further copies of present images
    foreign: list[str]  # images that the release does not have

    def __str__(self) -> str:
        total = sum(map(len, (self.present, self.repacked, self.changed, self.missing)))
        text = f"{self.folder}: {len(self.present):,} of the {total:,} images of COVID-Xray-5k "
        text += "are there, byte for byte."
        if self.repacked:
            text += (f"\nThis is a repacked copy: {len(self.repacked):,} images have the name and "
                     "shape of the release's, but were\ndownsized or encoded anew: their content "
                     "cannot be compared.")  # fmt: skip
        text += listed(self.missing, "missing")
        text += listed(self.changed, "changed (the release's name, another or a broken picture)")
        text += listed(self.misplaced, "in the folder of another split or class")
        text += listed(self.twice, "there more than once")
        text += listed(self.foreign, "foreign (not in the release)")
        if len(self.present) == total and not self.misplaced + self.twice + self.foreign:
            text += "\nThis is the release, whole and unchanged."
        return text


def report(found: Verification | Build) -> str:
    """What was found or built, a few lines for the terminal."""
    return str(found)


def verify(folder: Path) -> Verification:
    """Compare what is below `folder` with the release: by content, wherever it lies and whatever
    it is called; by name where no file has the content. Raises UserError without a folder.

    Where there are `train` and `test`, images outside them (masks, say) do not count as foreign.
    """
    folder = Path(folder)
    pictures = images.find(folder)
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    with ThreadPoolExecutor() as pool:
        sha1 = dict(zip(files, pool.map(blob_sha1, files), strict=True))
    rows = {f"{row.split}/{row.label}/{row.name}": row for row in known().itertuples(index=False)}
    found: dict[str, Path] = {}

    def match(files: list[Path], row_key: Callable, file_key: Callable) -> None:
        """Give each image that has no file yet one that is not given yet, by equal keys."""
        free, given = {}, set(found.values())
        for path in (path for path in files if path not in given):
            free.setdefault(file_key(path), []).append(path)
        for place, row in rows.items():
            if place not in found and free.get(row_key(row)):
                found[place] = free[row_key(row)].pop()

    # some images of the release have the same content: place and name decide which is which
    match(files, lambda r: (r.git_blob_sha1, r.split, r.label, r.name),
          lambda p: (sha1[p], *p.parts[-3:]))  # fmt: skip
    match(files, lambda r: (r.git_blob_sha1, r.name), lambda p: (sha1[p], p.name))
    match(files, lambda r: r.git_blob_sha1, sha1.get)
    present = list(found)
    match(pictures, lambda r: r.name, lambda p: p.name)
    match(pictures, lambda r: r.name + ".jpg", lambda p: p.name)  # as a repacked PNG is called
    named = list(found)[len(present) :]
    with ThreadPoolExecutor() as pool:
        scales = list(pool.map(lambda place: scale(found[place], rows[place]), named))
    smaller = [place for place, by in zip(named, scales, strict=True) if 0 < by < 1]
    equal = [place for place, by in zip(named, scales, strict=True) if by == 1]
    # of the original size: encoded anew if most others are downsized, else tampered with
    repacked = smaller + equal if len(smaller) > len(equal) else smaller

    content = {row.git_blob_sha1 for row in rows.values()}
    spare = set(files) - set(found.values())
    two_splits = all((folder / split).is_dir() for split in SPLITS)
    foreign = [p for p in pictures if p in spare and sha1[p] not in content]
    foreign = [p for p in foreign if not two_splits or p.relative_to(folder).parts[0] in SPLITS]
    there = {place: "/".join(path.parts[-3:-1]) for place, path in found.items()}
    places = {f"{split}/{label}" for split in SPLITS for label in CLASSES}
    astray = [found[p] for p, at in there.items() if at in places and not p.startswith(f"{at}/")]

    def inside(paths) -> list[str]:
        return sorted(path.relative_to(folder).as_posix() for path in paths)

    return Verification(
        folder=folder,
        present=sorted(present),
        repacked=sorted(repacked),
        changed=sorted(set(named) - set(repacked)),
        missing=sorted(set(rows) - set(found)),
        misplaced=inside(astray),
        twice=inside(path for path in spare if sha1[path] in content),
        foreign=inside(foreign),
    )


def scale(path: Path, row) -> float:
    """Width over the original's width, 0 for an unreadable picture or one of another shape."""
    if not row.width or images.refusal(path):
        return 0
    fact, full_width, full_height = images.facts(path), int(row.width), int(row.height)
    skew = abs(fact["width"] * full_height - fact["height"] * full_width)
    # sides are rounded to whole pixels
    return fact["width"] / full_width if skew <= max(full_width, full_height) else 0


def listed(items: list[str], what: str, limit: int = 10) -> str:
    """A line `12 what:` and the first of them, a line each; empty without items."""
    more = [f"... and {len(items) - limit:,} more"] if len(items) > limit else []
    return "\n  ".join([f"\n{len(items):,} {what}:", *items[:limit], *more]) if items else ""
