"""A folder of images as a table: a subfolder per class, with splits above or below the classes."""

import re
from collections import Counter
from pathlib import Path

import pandas as pd

from imageaudit import images, patients
from imageaudit.errors import UserError, did_you_mean, escape_control_chars
from imageaudit.labels import MANY
from imageaudit.tables import NAMES

SPLIT_OF = {word: split for split in ("train", "validation", "test") for word in NAMES[split]}
MASK = re.compile(
    r"(^|[^a-z])(masks?|segmentations?(?![ _-]*data)|seg|gt|ground[ _-]?truths?|annotations?)([^a-z]|$)",
    re.IGNORECASE,
)
TABLES = (".csv", ".tsv", ".txt", ".xlsx")
KNOWN = (*TABLES, ".json", ".xml", ".md", ".html", ".yaml", ".yml", ".db", ".ini")  # beside images
NOTE = re.compile(r"read[ _-]?me|licen[cs]e|citation|changes|changelog", re.IGNORECASE)


def read_folder(source: Path, classes: tuple[str, ...]) -> tuple[pd.DataFrame, list[str]]:
    """`path`, `label` and `split` of each image, and what was left out.

    Raises UserError where there are no two classes, and names the folder inside that has them.
    """
    notes = []
    splits = {p: split_in([p.name]) for p in folders(source) if split_in([p.name])}
    others = [escape_control_chars(p.name) for p in folders(source) if p not in splits]
    if splits and others:
        there = ", ".join(sorted({*splits.values()}))
        notes.append(f"Beside {there}, left out: {', '.join(others)}.")
    rows, names = [], {}
    for room, split in (splits or {source: ""}).items():
        for folder in folders(room):
            name = names.setdefault(folder.name.lower(), escape_control_chars(folder.name))
            if name not in classes and (classes or MASK.search(name)):
                why = "Not asked for" if classes else "Masks are no images"
                notes.append(f"{why}, left out: {relative(folder, source)}.")
                continue
            found, told = of_class(folder, source, bool(classes and MASK.search(name)))
            rows += [(path, name, split) for path in found]
            notes += told
        if loose := [p for p in images.find(room) if p.parent == room]:
            first = escape_control_chars(loose[0].name)
            notes.append(f"{len(loose)} images lie in no class, left out: {first} ...")
    table = pd.DataFrame(rows, columns=["path", "label", "split"])
    if table.label.nunique() < 2 and (inside := deeper(source)):
        where, better = escape_control_chars(source), escape_control_chars(inside)
        raise UserError(f"{where} has no classes itself, but {better} has: audit that.")
    refuse_unknown(classes, list(names.values()))
    if not classes:
        refuse_patients(table, source)
    if not splits and not classes:
        notes += refuse_datasets(source)
    return table, notes


def of_class(folder: Path, source: Path, masks: bool) -> tuple[list[Path], list[str]]:
    """The images of a class at any depth, and what else there is: masks, files that are no images
    (tables and notes are not counted)."""
    name, notes = relative(folder, source), []
    files = [path for path in images.walk(folder) if path.name != "DICOMDIR"]
    found = sorted(filter(images.is_image, files))
    here = [p for p in found if masks or not is_mask(p.relative_to(folder))]
    if apart := len(found) - len(here):
        notes.append(f"Masks are no images, left out: {apart} in {name}.")
    count = Counter(map(ending, files)) - Counter(map(ending, found))
    if other := Counter({e: n for e, n in count.items() if e not in KNOWN}):
        endings = ", ".join(f"{n} {e or 'without an ending'}" for e, n in other.most_common(5))
        notes.append(f"Of no known format, left out: {endings} in {name}.")
    if not here:
        notes.append(f"There is no image in {name}: it is no class.")
    return here, notes


def ending(path: Path) -> str:
    """`.png`, `.nii.gz`, `` for none."""
    return "".join(path.suffixes[-2 if path.suffix == ".gz" else -1 :]).lower()


def is_mask(inside: Path) -> bool:
    """Does a path below a class, or a file's name, say that it is a mask?"""
    return any(MASK.search(part) for part in (*inside.parts[:-1], inside.stem))


def split_in(parts) -> str:
    """The split that a folder's name says, `train`, `Training Set` or `stage_2_test_images`."""
    for part in parts:
        words = set(re.findall(r"[a-z]+", part.lower())) - {*NAMES["beside"]}
        if len(words) == 1 and (split := SPLIT_OF.get(words.pop())):
            return split
    return ""


def refuse_patients(table: pd.DataFrame, source: Path) -> None:
    """Raise UserError where the folders are patients or parts of an archive, and no classes."""
    labels = table.label.unique()
    part = re.compile(r"(images?|part|batch|set)?[ _-]*\d+", re.IGNORECASE)
    parts = all(map(part.fullmatch, labels))
    people = all(patients.by_name(f"{name}/x") for name in labels)
    if len(labels) >= 2 and (len(labels) > MANY or people or (parts and tables_in(source))):
        raise UserError(
            f"{escape_control_chars(source)} has {len(labels)} subfolders, such as {labels[0]!r}, which "
            f"are no classes: name those that count with --classes A,B, or give a table.{tables_in(source)}"
        )


def tables_in(source: Path) -> str:
    found = sorted(
        p.name for p in source.iterdir()
        if p.suffix.lower() in TABLES and p.is_file() and not NOTE.match(p.name)
    )  # fmt: skip
    names = ", ".join(map(escape_control_chars, found[:8]))
    return f" It holds tables, which may say the classes: {names}." if found else ""


def refuse_datasets(source: Path) -> list[str]:
    """Raise UserError where folders hold splits with classes of their own; a note where they may.

    COVID-QU-Ex has two such, for infections and for lungs, and the one's images are in the other too.
    """
    inside = {top: names_in(top) for top in folders(source)}
    apart = {top: [names_in(p) for p in folders(top) if split_in([p.name])] for top in inside}
    found = [p for p, each in apart.items() if each[1:] and len(set.intersection(*each)) > 1]
    if found:
        names = ", ".join(map(escape_control_chars, found))
        raise UserError(
            f"{escape_control_chars(source)} has folders with splits and classes of their own: {names}. "
            "Audit one of them, --against another; or name the folders that are classes with --classes A,B."
        )
    common = set.intersection(*inside.values()) if len(inside) > 1 else set()
    common = sorted(name for name in common if not split_in([name]))
    if len(common) < 2:
        return []
    said = "if these are the classes, audit each alone."
    return [f"Each class has the folders {', '.join(common)}: {said}"]


def names_in(folder: Path) -> set[str]:
    """The folders in one, but for masks and patients, as names that are shown."""
    names = {escape_control_chars(p.name) for p in folders(folder) if not MASK.search(p.name)}
    return {name for name in names if not patients.by_name(f"{name}/x")}


def deeper(source: Path) -> Path | None:
    """The folder inside that has classes, where a folder holds but one other with images."""
    found, inside = source, [source]
    while len(inside) == 1:
        (found,) = inside
        inside = [p for p in folders(found) if not MASK.search(p.name) and images.find(p)]
    return found if inside and found != source else None


def folders(of: Path) -> list[Path]:
    return sorted(p for p in of.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def relative(path: Path, source: Path) -> str:
    """A path below the folder as it is shown; bytes that are no UTF-8 are escaped."""
    return escape_control_chars(path.relative_to(source).as_posix())


def refuse_unknown(classes: tuple[str, ...], there: list[str]) -> None:
    for name in classes:
        if name not in there:
            known = did_you_mean(name, there) or f" There are: {', '.join(there[:MANY])}."
            raise UserError(f"There is no class {name!r}.{known}")
