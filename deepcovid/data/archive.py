"""Obtain the released archive of COVID-Xray-5k: download it, refuse a harmful one, unpack it."""

import shutil
import tarfile
import zipfile
from pathlib import Path

import pooch

from deepcovid.data.folders import CLASSES, SPLITS, made_whole, refuse_existing
from deepcovid.runs import UserError, escape_control_chars

# The authors' last release (v3). It may be dead by now; then another address or a local file does.
ADDRESS = "https://www.dropbox.com/s/9w8nmj791c9ogsx/data_upload_v3.zip?dl=1"
MAX_FILES, MAX_BYTES = 100_000, 10 * 2**30  # the release: 5,520 files, 0.4 GiB


def obtain(folder: Path, address: str | Path = ADDRESS) -> Path:
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


def fetch(address: str, target: Path, known_hash: str | None = None, tries: int = 3) -> Path:
    """Bring a file to `target`, whole or not at all; one that is there, with this hash, is kept.

    `known_hash` is pooch's: hex digits of SHA-256, or `md5:...`. Raises ValueError and OSError.
    """
    names = {target.name: known_hash}
    fetcher = pooch.create(target.parent, base_url="", registry=names, urls={target.name: address},
                           retry_if_failed=tries - 1)  # fmt: skip
    downloader = pooch.HTTPDownloader(timeout=60)
    return Path(fetcher.fetch(target.name, downloader=downloader))


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the release to `folder/train|test/covid|non`; `folder` appears once it is whole.

    A folder around these is dropped, other spellings (`Train`, `Non-COVID`) are set right.
    Raises UserError for a damaged, unsafe or huge archive and for one that holds something else.
    """
    with made_whole(Path(folder)) as whole:
        room = whole / ".unpacked"
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
            path.rename(whole / path.name)
        shutil.rmtree(room)
    return folder


def extract(archive: Path, room: Path) -> None:
    """Extract a zip or tar archive to `room`; nothing is written outside of it."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            refuse_huge([member.file_size for member in file.infolist()])
            file.extractall(room)  # which drops drives, leading slashes and `..`
    else:
        with tarfile.open(archive) as file:
            refuse_huge([member.size for member in file])
            file.extractall(room, filter="data")


def refuse_huge(sizes: list[int]) -> None:
    if len(sizes) > MAX_FILES or sum(sizes) > MAX_BYTES:
        raise UserError(f"{len(sizes):,} members of {sum(sizes):,} bytes in all are too many")


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
