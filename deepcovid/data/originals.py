"""The originals of all images of the study: where each is published, and how to bring them here.

`origins.csv` says of each origin its address, licence and citation; `packed.csv` lists each file that
the study used, its hash, and the original that it was made of. The release of COVID-Xray-5k comes as an
archive: a harmful one is refused.
"""

import shutil
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pooch

from deepcovid.data.sources import CLASSES, SPLITS, known, listed
from deepcovid.io import atomic_folder, read_table, refuse_existing
from deepcovid.runs import UserError, escape_control_chars

ORIGINS = Path(__file__).with_name("origins.csv")
PACKED = Path(__file__).with_name("packed.csv")
# The authors' last release (v3). It may be dead by now; then another address or a local file does.
ADDRESS = "https://www.dropbox.com/s/9w8nmj791c9ogsx/data_upload_v3.zip?dl=1"
MAX_FILES, MAX_BYTES = 100_000, 10 * 2**30  # the release: 5,520 files, 0.4 GiB


def origins() -> pd.DataFrame:
    """A row for each origin, by its name: `url` (empty where it has to be brought by hand),
    `licence`, `citation`, `note`."""
    return read_table(ORIGINS, dtype=str, keep_default_na=False).set_index("name")


def packed() -> pd.DataFrame:
    """A row for each file used: `path` below the data folder, `git_blob_sha1`, `origin`, and `file`,
    the original's path there; empty where no recipe makes one of the other."""
    table = read_table(PACKED, dtype=str, keep_default_na=False)
    release = known()
    names = set(release["split"] + "/" + release.label + "/" + release["name"])
    of = table.origin == "release"
    place = table.path[of].str.removeprefix("covid-xray-5k/")
    table.loc[of, "file"] = place.where(place.isin(names), place.str.removesuffix(".jpg"))
    return table


def obtain(folder: Path, *names: str) -> str:
    """Download the originals to `folder/ORIGIN/FILE`; what of each origin is there now, in words.

    Of all origins without `names`. A file that is there is kept, so a second call goes on where the
    first was stopped. What cannot be had is listed, and the rest is downloaded all the same.
    """
    files, lines = packed(), []
    for origin in origins().loc[list(names) or slice(None)].itertuples():
        wanted = [file for file in files.file[files.origin == origin.Index].unique() if file]
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


def missing(url: str, files: list[str], folder: Path) -> list[str]:
    """Download `files` of an address to `folder`; those that could not be had, with the reason."""

    def bring(file: str) -> str | None:
        try:
            fetch(url + quote(file), folder / file)
        except (ValueError, OSError) as error:
            return f"{file} ({error})"

    with ThreadPoolExecutor(8) as pool:
        return [reason for reason in pool.map(bring, files) if reason]


def fetch(address: str, target: Path, tries: int = 3) -> Path:
    """Bring a file to `target`, whole or not at all; one that is there is kept.

    Raises ValueError and OSError.
    """
    fetcher = pooch.create(target.parent, base_url="", registry={target.name: None},
                           urls={target.name: address}, retry_if_failed=tries - 1)  # fmt: skip
    return Path(fetcher.fetch(target.name, downloader=pooch.HTTPDownloader(timeout=60)))


def obtain_release(folder: Path, address: str | Path = ADDRESS) -> Path:
    """Download the archive to `FOLDER.zip`, or take a local one, and unpack it to `folder`, its path.

    A `FOLDER.zip` that is there is taken for it. Raises UserError where the archive cannot be had,
    where something is in `folder`, and like `unpack`.
    """
    folder = Path(folder)
    refuse_existing(folder)
    if "://" not in str(address):
        return unpack(Path(address).expanduser(), folder)
    archive = folder.absolute().with_name(folder.absolute().name + ".zip")
    try:
        fetch(str(address), archive)
    except (ValueError, OSError) as error:  # OSError: what requests raises as well
        raise UserError(
            f"{address} gave no archive ({error}). The address may be dead: bring the archive by "
            "another way and name its path instead, or build from the raw sources."
        ) from error
    return unpack(archive, folder)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the release to `folder/train|test/covid|non`; `folder` appears once it is whole.

    A folder around these is dropped, other spellings (`Train`, `Non-COVID`) are set right.
    Raises UserError for a damaged, unsafe or huge archive and for one that holds something else.
    """
    with atomic_folder(Path(folder)) as partial:
        room = partial / ".unpacked"
        room.mkdir()
        try:
            extract(archive, room)
        except Exception as error:  # zipfile, tarfile and the decompressors raise nearly anything
            raise UserError(
                f"{escape_control_chars(archive)} cannot be unpacked: {escape_control_chars(error)}"
            ) from error
        inside = sorted((p for p in room.rglob("*") if p.is_dir()), key=lambda p: len(p.parts))
        release = next((path for path in (room, *inside) if set_right(path)), None)
        if release is None:
            raise UserError(
                f"{archive} does not hold train/covid, train/non, test/covid, test/non."
            )
        for path in list(release.iterdir()):
            path.rename(partial / path.name)
        shutil.rmtree(room)
    return folder


def extract(archive: Path, room: Path) -> None:
    """Extract a zip or tar archive to `room`; nothing is written outside of it.

    Raises UserError for one of too many files or bytes.
    """
    is_zip = zipfile.is_zipfile(archive)
    with zipfile.ZipFile(archive) if is_zip else tarfile.open(archive) as file:
        members = file.infolist() if is_zip else file.getmembers()
        size = sum(member.file_size if is_zip else member.size for member in members)
        if len(members) > MAX_FILES or size > MAX_BYTES:
            raise UserError(f"{len(members):,} members of {size:,} bytes in all are too many")
        # zipfile drops drives, leading slashes and `..` itself
        file.extractall(room, **({} if is_zip else {"filter": "data"}))


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
