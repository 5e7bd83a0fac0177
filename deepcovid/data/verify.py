"""Compare a copy of COVID-Xray-5k with the release, image by image."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from deepcovid.data.folders import CLASSES, SPLITS
from deepcovid.data.sources import blob_sha1, known, listed
from deepcovid.runs import UserError, escape_control_chars
from imageaudit import images

MASK_LEVELS = 4  # a mask of lesions of two kinds has four grey levels, a radiograph far more


@dataclass(frozen=True)
class Verification:
    """A copy against the release. All lists but the last hold `split/class/name` of the release and
    are its 5,520 images together; `foreign` holds paths within the copy."""

    folder: Path
    present: list[str]  # byte for byte
    repacked: list[str]  # its name and shape, but downsized or encoded anew
    named: list[str]  # its name; nothing else is known of the original that could be compared
    changed: list[str]  # its name, but another or a broken picture
    missing: list[str]
    foreign: list[str]  # images that the release does not have, or not in this place

    @property
    def sound(self) -> bool:
        """Is every image of the release in its place, and no other among them?"""
        return not (self.missing + self.changed + self.foreign)

    def __str__(self) -> str:
        lists = (self.present, self.repacked, self.named, self.changed, self.missing)
        total = sum(map(len, lists))
        text = f"{escape_control_chars(self.folder)}: {len(self.present):,} of the {total:,} images of "
        text += "COVID-Xray-5k are there, byte for byte."
        if self.repacked:
            text += (f"\nThis is a repacked copy: {len(self.repacked):,} images have the name and "
                     "shape of the release's, but were\ndownsized or encoded anew: their content "
                     "cannot be compared.")  # fmt: skip
        text += listed(self.named, "of which only the name could be compared: the original's "
                       "size is not on record")  # fmt: skip
        text += listed(self.missing, "missing")
        text += listed(self.changed, "changed (the release's name, another or a broken picture)")
        text += listed(self.foreign, "foreign (not in the release, or not in this place)")
        if self.sound and len(self.present) == total:
            text += "\nThis is the release, whole and unchanged."
        return text


def verify(folder: Path) -> Verification:
    """Compare `folder/train|test/covid|non`, written in any case and with folders in them, with the
    release, by place and name: masks beside them bear the same names. UserError without a folder.
    """
    folder = Path(folder)
    places = {}
    for path in images.find(folder):
        if place := split_and_class(path.relative_to(folder)):
            places.setdefault(f"{place}/{path.name}", []).append(path)
    rows = {f"{row.split}/{row.label}/{row.name}": row for row in known().itertuples(index=False)}
    found = {}
    for place in rows:
        if paths := places.get(place) or places.get(f"{place}.jpg"):  # `.jpg`: packed anew
            found[place] = paths.pop(0)
    with ThreadPoolExecutor() as pool:
        sha1 = dict(zip(found, pool.map(blob_sha1, found.values()), strict=True))
    present = sorted(place for place in found if sha1[place] == rows[place].git_blob_sha1)
    others = {place: path for place, path in found.items() if place not in {*present}}
    repacked, named, changed = compared(others, rows)
    spare = (path.relative_to(folder).as_posix() for paths in places.values() for path in paths)
    missing = sorted(rows.keys() - found.keys())
    return Verification(folder, present, repacked, named, changed, missing, sorted(spare))


def split_and_class(path: Path) -> str:
    """`train/covid` of `Train/COVID/any/x.jpg`; empty outside of these folders."""
    split, kind = [part.lower() for part in (*path.parts[:-1], "", "")][:2]
    return f"{split}/{kind}" if split in SPLITS and kind in CLASSES else ""


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
