"""Compare a copy of COVID-Xray-5k with the release, image by image."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from deepcovid.data import images
from deepcovid.data.folders import CLASSES, SPLITS
from deepcovid.data.sources import blob_sha1, known, listed


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
