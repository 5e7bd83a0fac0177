"""The originals of all images of the study: where each is published, and how to bring them here.

`covid-xray-5k.csv` lists the 5,520 images of the release, `origins.csv` says of each origin its address,
licence and citation; `packed.csv` lists each file that the study used, its hash, and the original that it
was made of. The release of COVID-Xray-5k comes as an archive: a harmful one is refused.
"""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pooch

from deepcovid.io import atomic_folder, read_table, refuse_existing
from deepcovid.runs import UserError, escape_control_chars
from imageaudit.io import expand

LIST = Path(__file__).with_name("covid-xray-5k.csv")
ORIGINS = Path(__file__).with_name("origins.csv")
PACKED = Path(__file__).with_name("packed.csv")
# The authors' last release (v3). It may be dead by now; then another address or a local file does.
ADDRESS = "https://www.dropbox.com/s/9w8nmj791c9ogsx/data_upload_v3.zip?dl=1"
MAX_BYTES = 10 * 2**30  # the release: 0.4 GiB
FOLDERS = ("train/covid/", "train/non/", "test/covid/", "test/non/")  # of the release
RAW = {"covid": "covid-chestxray/", "non": "chexpert/"}  # origins that the release was made of


def known() -> pd.DataFrame:
    """The 5,520 images of the release, all columns text, empty where unknown.

    `source` is the path within the raw source, empty for the release's own augmented copies.
    Facts are of the original files; five of them are known by name and hash only. The index is
    `split/label/name`.
    """
    table = read_table(LIST, dtype=str, keep_default_na=False)
    return table.set_index(table.split + "/" + table.label + "/" + table["name"])


def origins() -> pd.DataFrame:
    """A row for each origin, by its name: `url` (empty where it has to be brought by hand),
    `licence`, `citation`, `note`."""
    return read_table(ORIGINS, dtype=str, keep_default_na=False).set_index("name")


def packed() -> pd.DataFrame:
    """A row for each file used: `path` below the data folder, `git_blob_sha1`, `origin`, and `file`,
    the original's path there; empty where no recipe makes one of the other.

    `raw` is where an image of the release is in the raw sources, `ORIGIN/PATH`, or empty.
    """
    table, release = read_table(PACKED, dtype=str, keep_default_na=False), known()
    raw = (release.label.map(RAW) + release.source).where(release.source != "", "")
    of = table.origin == "release"
    place = table.path[of].str.removeprefix("covid-xray-5k/")
    table.loc[of, "file"] = place.where(place.isin(raw.index), place.str.removesuffix(".jpg"))
    return table.assign(raw=table.file.where(of).map(raw).fillna(""))


def blob_sha1(path: Path) -> str:
    """The hash under which git stores a file: SHA-1 of `blob <size>`, a zero byte, the bytes."""
    with path.open("rb") as file:
        begun = hashlib.sha1(b"blob %d\0" % os.fstat(file.fileno()).st_size)
        return hashlib.file_digest(file, lambda: begun).hexdigest()


def listed(items: list[str], what: str, limit: int = 10) -> str:
    """A line `12 what:` and the first of them, a line each; empty without items."""
    more = [f"... and {len(items) - limit:,} more"] if len(items) > limit else []
    first = map(escape_control_chars, items[:limit])
    return "\n  ".join([f"\n{len(items):,} {what}:", *first, *more]) if items else ""


def obtain(folder: Path, *names: str) -> str:
    """Download the originals to `folder/ORIGIN/FILE`; what of each origin is there now, in words.

    Of all origins without `names`. A file that is there is kept, so a second call goes on where the
    first was stopped. What cannot be had is listed, and the rest is downloaded all the same.
    """
    files, lines = packed(), []
    for origin in origins().loc[list(names) or slice(None)].itertuples():
        wanted = files.file[(files.origin == origin.Index) & (files.file != "")].unique()
        place = folder / origin.Index
        lost = missing(origin.url, wanted, place) if origin.url else []
        if origin.Index == "release" and not place.exists():
            try:
                obtain_release(place)
            except UserError as error:
                lost = [str(error)]
        there = sum((place / file).is_file() for file in wanted)
        lines.append(
            f"{origin.Index}: {there:,} of {len(wanted):,} files are in {place}. Licence: {origin.licence}. "
            f"{origin.citation}." + f"\n  {origin.note}" * bool(origin.note and there < len(wanted))
            + listed(lost, "could not be had")
        )  # fmt: skip
    return "\n".join(lines)


def missing(url: str, files: Iterable[str], folder: Path) -> list[str]:
    """Download `files` of an address to `folder`; those that could not be had, with the reason."""

    def bring(file: str) -> str | None:
        try:
            fetch(url + quote(file), folder / file)
        except (ValueError, OSError) as error:
            return f"{file} ({error})"

    with ThreadPoolExecutor(8) as pool:
        return [reason for reason in pool.map(bring, files) if reason]


def fetch(address: str, target: Path) -> Path:
    """Bring a file to `target`, whole or not at all, in three tries; one that is there is kept.

    Raises ValueError and OSError.
    """
    fetcher = pooch.create(target.parent, base_url="", registry={target.name: None},
                           urls={target.name: address}, retry_if_failed=2)  # fmt: skip
    return Path(fetcher.fetch(target.name, downloader=pooch.HTTPDownloader(timeout=60)))


def obtain_release(folder: Path, address: str | Path = ADDRESS) -> Path:
    """Download the archive to `FOLDER.zip`, or take a local one, and unpack it to `folder`, its path.

    A `FOLDER.zip` that is there is taken for it. Raises UserError where the archive cannot be had,
    where something is in `folder`, and like `unpack`.
    """
    refuse_existing(folder)
    archive = expand(address)
    if "://" in str(address):
        archive = folder.absolute().with_name(f"{folder.absolute().name}.zip")
        try:
            fetch(str(address), archive)
        except (ValueError, OSError) as error:  # OSError: what requests raises as well
            raise UserError(
                f"{address} gave no archive ({error}). The address may be dead: bring the archive by "
                "another way and name its path instead, or pack the raw sources (docs/data.md)."
            ) from error
    return unpack(archive, folder)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the release to `folder/train|test/covid|non`; `folder` appears once it is whole.

    A folder around these is dropped. Raises UserError for an archive that is damaged, no zip, or
    huge, and for one that holds something else.
    """
    with atomic_folder(folder) as partial:
        room = partial / ".unpacked"
        try:
            with zipfile.ZipFile(archive) as file:
                if sum(member.file_size for member in file.infolist()) > MAX_BYTES:
                    raise UserError("it holds too many bytes")
                file.extractall(room)  # drops drives, leading slashes and `..` itself
        except Exception as error:  # zipfile and the decompressors raise nearly anything
            raise UserError(
                f"{escape_control_chars(archive)} cannot be unpacked: {escape_control_chars(error)}"
            ) from error
        above = [path.parent for path in room.rglob("train")]
        above = [path for path in above if all((path / name).is_dir() for name in FOLDERS)]
        if not above:
            raise UserError(f"{archive} does not hold {', '.join(FOLDERS)}.")
        for path in list(min(above, key=lambda path: len(path.parts)).iterdir()):
            path.rename(partial / path.name)
        shutil.rmtree(room)
    return folder
