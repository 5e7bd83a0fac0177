"""Which file each name of a table means: by path, by the end of a path, by name, with or without
ending."""

import itertools
import os
import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from imageaudit import folders, images

FILES = "files of the folder"  # the column that `by_folder` adds


class Index(NamedTuple):
    """The images below a folder, by their names in small letters, with and without ending."""

    folder: Path
    paths: list[Path]
    known: dict[str, list[Path]]
    inside: dict[Path, set[str]]  # the folders that each lies in, below this one
    rooms: set[str]  # all folders, also those without images


def index(folder: Path) -> Index:
    known, inside, paths = {}, {}, images.find(folder)
    for path in paths:
        name = path.name.lower()
        for key in {name, stem(name)}:
            known.setdefault(key, []).append(path)
        inside[path] = {*map(str.lower, path.relative_to(folder).parts[:-1])}
    rooms = {name.lower() for _, names, _ in os.walk(folder) for name in names}
    return Index(folder, paths, known, inside, rooms.union(*inside.values()))


def by_folder(given: pd.DataFrame, among: Index, columns) -> tuple[pd.DataFrame, str]:
    """A row for each image of the folders that one of the columns names: of a patient, a study (MIMIC's
    `s5000`), in FILES.

    Of several such columns the one with the fewest images a row; `` where there is none.
    """
    rooms = {}
    for path in among.paths:
        inside = path.relative_to(among.folder)
        if folders.is_mask(inside):
            continue
        for part in {*map(str.lower, inside.parts[:-1])}:
            for name in {part, *re.findall(r"^(?:sub-|ses-|[ps])(\d+)$", part)}:
                rooms.setdefault(name, []).append(inside.as_posix())
    tried = {c: given[c].str.lower().map(lambda name: rooms.get(name, [])) for c in columns}
    number = {c: files.map(len) for c, files in tried.items()}
    named = {c: (int((n > 0).sum()), -int(n.sum())) for c, n in number.items()}
    best = max(named, key=named.get, default="")
    if not best or not named[best][0]:
        return given, ""
    return given.assign(**{FILES: tried[best]}).explode(FILES).fillna(""), best


def with_folders(given: pd.DataFrame, column: str, among: Index) -> pd.Series:
    """The names of a column; before those that several files have, the folder that another column says.

    Of several such columns, the label or the split among them, the one that says most.
    """
    names = given[column].str.replace("\\", "/")
    several = names[names.map(lambda name: stands_for(name, among) > 1)]
    best = names
    for other in given.columns.drop(column):
        tried = given.loc[several.index, other] + "/" + several
        tried = tried[tried.map(lambda name: one(name, among)[1] > 1)]
        if len(tried) > (best != names).sum():
            best = names.mask(names.index.isin(tried.index), tried)
    return best


def stands_for(name: str, among: Index) -> int:
    """How many files fit a name equally well."""
    return len(fitting(name, among)[0])


def stem(name: str) -> str:
    whole, dot, ending = name.rpartition(".")
    return whole if dot and f".{ending}" in (*images.SUFFIXES, ".dicom", ".gz") else name


def locate(names: list[str], among: Index) -> list[Path | None]:
    """The file of each name, None where there is none, or more than one that fits as well.

    A file that two names mean is that of the name that it fits better.
    """
    found = [one(name, among) for name in names]
    best = {}
    for path, fit in found:
        best[path] = max(best.get(path, 0), fit)
    return [path if fit == best[path] else None for path, fit in found]


def places(paths) -> list[str]:
    """Where files are, however their folders are named: `../x`, or from the root."""
    rooms = {room: os.path.realpath(room) for room in {path.parent for path in paths}}
    return [os.path.join(rooms[path.parent], path.name) for path in paths]  # noqa: PTH118


def one(name: str, among: Index) -> tuple[Path | None, int]:
    """The file, and how many parts of the paths agree from the end."""
    best, most = fitting(name, among)
    return (best[0], most) if len(best) == 1 else (None, 0)


def fitting(name: str, among: Index) -> tuple[list[Path], int]:
    """The files that fit a name best, and how well.

    A file lies in all folders that the name says and that there are: `covid/1.png` is not `normal/1.png`.
    One in a folder of masks is found where the name says that folder.
    """
    direct = among.folder / name
    parts = [part.lower() for part in name.split("/") if part not in ("", ".", "..")]
    if os.path.isfile(direct):  # noqa: PTH113 (Path raises where a name is too long)
        return [direct], len(parts) + 1
    if not parts:
        return [], 0
    there = among.known.get(parts[-1]) or among.known.get(stem(parts[-1]), [])
    said = {*parts[:-1]}
    there = [path for path in there if said & among.rooms <= among.inside[path]
             and not any(map(folders.MASK.search, among.inside[path] - said))]  # fmt: skip
    fits = [(common_end(parts, path.parts), path) for path in there]
    most = max((fit for fit, _ in fits), default=0)
    return [path for fit, path in fits if fit == most], most


def common_end(name: list[str], path: tuple[str, ...]) -> int:
    """How many parts agree, from the file on, which does."""
    ends = zip(name[-2::-1], path[-2::-1], strict=False)
    return 1 + len([*itertools.takewhile(lambda pair: pair[0] == pair[1].lower(), ends)])
