"""Compare a copy of COVID-Xray-5k with the release, image by image."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from deepcovid.data.folders import CLASSES, SPLITS
from deepcovid.data.sources import blob_sha1, known, listed
from deepcovid.runs import UserError, shown
from imageaudit import images

MASK_LEVELS = 4  # a mask of lesions of two kinds has four grey levels, a radiograph far more


@dataclass(frozen=True)
class Verification:
    """A copy against the release. The first five lists hold `split/class/name` of the release and
    are its 5,520 images together; the others hold paths within the copy."""

    folder: Path
    present: list[str]  # byte for byte
    repacked: list[str]  # its name and shape, but downsized or encoded anew
    named: list[str]  # its name; nothing else is known of the original that could be compared
    changed: list[str]  # its name, but another or a broken picture
    missing: list[str]
    misplaced: list[str]  # not in the folder of its split and class
    twice: list[str]  # further copies of present images
    foreign: list[str]  # images that the release does not have

    @property
    def sound(self) -> bool:
        """Is every image of the release in its place, and no other among them?"""
        return not (self.missing + self.changed + self.misplaced + self.twice + self.foreign)

    def __str__(self) -> str:
        lists = (self.present, self.repacked, self.named, self.changed, self.missing)
        total = sum(map(len, lists))
        text = f"{shown(self.folder)}: {len(self.present):,} of the {total:,} images of "
        text += "COVID-Xray-5k are there, byte for byte."
        if self.repacked:
            text += (f"\nThis is a repacked copy: {len(self.repacked):,} images have the name and "
                     "shape of the release's, but were\ndownsized or encoded anew: their content "
                     "cannot be compared.")  # fmt: skip
        text += listed(self.named, "of which only the name could be compared: the original's "
                       "size is not on record")  # fmt: skip
        text += listed(self.missing, "missing")
        text += listed(self.changed, "changed (the release's name, another or a broken picture)")
        text += listed(self.misplaced, "not in the folder of their split and class")
        text += listed(self.twice, "there more than once")
        text += listed(self.foreign, "foreign (not in the release)")
        if self.sound and len(self.present) == total:
            text += "\nThis is the release, whole and unchanged."
        return text


def verify(folder: Path) -> Verification:
    """Compare what is below `folder` with the release: by content, wherever it lies and whatever
    it is called; by name where no file has the content. Raises UserError without a folder.

    Where there is a `train` or `test`, only images in them count by their name, twice or as
    foreign: masks beside them bear the same names.
    """
    folder = Path(folder)
    pictures = images.find(folder)
    if any(path.is_dir() and path.name.lower() in SPLITS for path in folder.iterdir()):
        pictures = [p for p in pictures if p.relative_to(folder).parts[0].lower() in SPLITS]
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    with ThreadPoolExecutor() as pool:
        sha1 = dict(zip(files, pool.map(blob_sha1, files), strict=True))
    place = {path: split_and_class(path.relative_to(folder)) for path in {*files, *pictures}}
    rows = {f"{row.split}/{row.label}/{row.name}": row for row in known().itertuples(index=False)}
    # some images of the release have the same content: place and name decide which is which
    found = matched(rows, files, {}, [
        (lambda r: (r.git_blob_sha1, f"{r.split}/{r.label}", r.name),
         lambda p: (sha1[p], place[p], p.name)),
        (lambda r: (r.git_blob_sha1, r.name), lambda p: (sha1[p], p.name)),
        (lambda r: r.git_blob_sha1, sha1.get),
    ])  # fmt: skip
    present = sorted(found)
    in_place = (lambda r: (f"{r.split}/{r.label}", r.name), lambda p: (place[p], p.name))
    by_name = (lambda r: r.name, lambda p: p.name)
    repacked_png = (lambda r: r.name + ".jpg", lambda p: p.name)
    found = matched(rows, pictures, found, [in_place, by_name, repacked_png])
    same, named, changed = compared({k: found[k] for k in found.keys() - {*present}}, rows)

    content = {row.git_blob_sha1 for row in rows.values()}
    spare = set(pictures) - set(found.values())
    laid_out = any(place[path] for path in found.values())
    astray = [path for key, path in found.items() if place[path] != key.rpartition("/")[0]]

    def inside(paths) -> list[str]:
        return sorted(path.relative_to(folder).as_posix() for path in paths)

    return Verification(
        folder=folder,
        present=present,
        repacked=same,
        named=named,
        changed=changed,
        missing=sorted(rows.keys() - found.keys()),
        misplaced=inside(astray if laid_out else ()),
        twice=inside(path for path in spare if sha1.get(path) in content),
        foreign=inside(path for path in spare if sha1.get(path) not in content),
    )


def split_and_class(path: Path) -> str:
    """`train/covid` of `any/Train/COVID/any/x.jpg`; empty where there is none."""
    folders = [part.lower() for part in path.parts[:-1]]
    pairs = (p for p in pairwise(folders) if p[0] in SPLITS and p[1] in CLASSES)
    return "/".join(next(pairs, ()))


def matched(rows: dict, files: list[Path], found: dict[str, Path], keys: list) -> dict[str, Path]:
    """`found`, and for each row that has no file yet one that is not given yet, by equal keys:
    `keys` are pairs of what to take of a row and of a file, the first pair first."""
    found = dict(found)
    for row_key, file_key in keys:
        free, given = {}, set(found.values())
        for path in (path for path in files if path not in given):
            free.setdefault(file_key(path), []).append(path)
        for place, row in rows.items():
            if place not in found and free.get(row_key(row)):
                found[place] = free[row_key(row)].pop()
    return found


def compared(found: dict[str, Path], rows: dict) -> tuple[list[str], list[str], list[str]]:
    """Which of the files that only have the name of an image are a repacked copy of it, which
    cannot be compared, and which are something else."""
    with ThreadPoolExecutor() as pool:
        scales = dict(zip(found, pool.map(lambda k: scale(found[k], rows[k]), found), strict=True))
    smaller = [place for place, by in scales.items() if by and by < 1]
    equal = [place for place, by in scales.items() if by == 1]
    # of the original size: encoded anew if most others are downsized, else tampered with
    repacked = smaller + equal if len(smaller) > len(equal) else smaller
    named = [place for place, by in scales.items() if by is None]
    return sorted(repacked), sorted(named), sorted(found.keys() - {*repacked, *named})


def scale(path: Path, row) -> float | None:
    """Width over the original's width, None where that is unknown; 0 for an unreadable picture,
    one of another shape, and a mask."""
    try:
        picture, fact = images.open_radiograph(path), images.facts(path)
    except UserError:
        return 0
    if picture.getcolors(MASK_LEVELS):
        return 0
    if not row.width:
        return None
    full_width, full_height = int(row.width), int(row.height)
    skew = abs(fact["width"] * full_height - fact["height"] * full_width)
    # sides are rounded to whole pixels
    return fact["width"] / full_width if skew <= max(full_width, full_height) else 0
