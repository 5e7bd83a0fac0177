"""Obtain the released archive of COVID-Xray-5k: download it, refuse a harmful one, unpack it."""

import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pooch

from deepcovid import runs
from deepcovid.data.folders import CLASSES, SPLITS, made_whole, refuse_existing
from deepcovid.runs import UserError, shown

# The authors' last release (v3). It may be dead by now; then another address or a local file does.
ADDRESS = "https://www.dropbox.com/s/9w8nmj791c9ogsx/data_upload_v3.zip?dl=1"
MAX_FILES, MAX_BYTES = 100_000, 10 * 2**30  # the release: 5,520 files, 0.4 GiB


def obtain(folder: Path, address: str | Path = ADDRESS) -> Path:
    """Download the archive to `FOLDER.zip`, or take a local one, and unpack it to `folder`, its path.

    Raises UserError like `download` and `unpack`; what is in the way is refused before all else.
    """
    folder = Path(folder)
    refuse_existing(folder)
    place = folder.absolute()
    return unpack(download(address, place.with_name(place.name + ".zip")), folder)


def download(address: str | Path, target: Path, sha256: str | None = None, tries: int = 3) -> Path:
    """Bring the archive at `address` to `target`; its path. A local `address` stays where it is.

    `target` appears once it is whole, with its address and SHA-256 in `<target>.sha256` beside it;
    a second call with the same address finds both and loads nothing. Raises UserError if the
    archive cannot be had, is none, is not the one that `sha256` (64 hex digits) stands for, or
    where another file is in the way.
    """
    if "://" not in str(address):
        archive = Path(address).expanduser()
        if not archive.is_file():
            raise UserError(
                f"There is no file {shown(archive)}: name the archive or an https address."
            )
        if sha256 and runs.file_digest(archive) != sha256:
            raise UserError(f"{archive} is another file than expected: its SHA-256 differs.")
        return refuse_no_archive(archive)
    target = Path(target)
    record = target.with_name(target.name + ".sha256")
    if target.exists() and whence(target, record, sha256) in (str(address), sha256):
        return target
    whole = target.with_name(f".part-{target.name}")
    whole.unlink(missing_ok=True)
    fetcher = pooch.create(target.parent, base_url="", registry={whole.name: sha256},
                           urls={whole.name: str(address)}, retry_if_failed=tries - 1)  # fmt: skip
    try:
        fetcher.fetch(whole.name, downloader=pooch.HTTPDownloader(progressbar=True, timeout=60))
        refuse_no_archive(whole)
        digest = runs.file_digest(whole)
        whole.replace(target)
        runs.write_text(record, f"# {address}\n{digest}  {target.name}\n")
    except (ValueError, OSError, UserError) as error:  # OSError: what requests raises as well
        raise UserError(
            f"{address} gave no archive ({error}). The address may be dead: bring the archive by "
            "another way and name its path instead, or build from the raw sources."
        ) from error
    finally:
        whole.unlink(missing_ok=True)
    return target


def whence(target: Path, record: Path, sha256: str | None) -> str:
    """The address that an earlier download came from, or `sha256` if `target` is what it stands for.

    Raises UserError for a file that is neither: it is not ours to replace.
    """
    digest = runs.file_digest(target) if target.is_file() else ""
    if digest and digest == sha256:
        return sha256
    lines = record.read_text("utf-8").splitlines() if record.is_file() else []
    if not digest or digest not in (line.partition(" ")[0] for line in lines):
        raise UserError(
            f"{shown(target)} is in the way, and not what an earlier download left there: name it "
            "as the archive, or move it."
        )
    return next((line.removeprefix("# ") for line in lines if line.startswith("# ")), "")


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


def leads_out(name: str) -> bool:
    """Is it an absolute path, one with a drive, or one with a way up?"""
    return bool(re.match(r"[/\\]|[A-Za-z]:", name)) or ".." in re.split(r"[/\\]", name)


def refuse_unsafe(members: list[Member]) -> None:
    """Raise one UserError for all members that lead elsewhere, and for too many or too large."""
    if bad := [shown(m.name) for m in members if leads_out(m.name) or not m.plain]:
        raise UserError("it has paths out of its folder, links or devices: " + ", ".join(bad[:10]))
    size = sum(member.size for member in members)
    if len(members) > MAX_FILES or size > MAX_BYTES:
        raise UserError(f"{len(members):,} members of {size:,} bytes in all are too many")


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the release to `folder/train|test/covid|non`; `folder` appears once it is whole.

    A folder around these is dropped, other spellings (`Train`, `Non-COVID`) are set right.
    Raises UserError for a damaged, unsafe or huge archive and for one that holds something else.
    """
    folder = Path(folder)
    with made_whole(folder) as whole:
        room = whole / ".unpacked"
        room.mkdir()
        try:
            with opened(archive) as members:
                refuse_unsafe(members)
                for member in (m for m in members if not m.folder):
                    place = room / member.name.replace("\\", "/")
                    place.parent.mkdir(parents=True, exist_ok=True)
                    with member.open() as source, place.open("wb") as target:
                        shutil.copyfileobj(source, target)
        except Exception as error:  # zipfile, tarfile and the decompressors raise nearly anything
            raise UserError(f"{shown(archive)} cannot be unpacked: {error}") from error
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
