"""The originals of all images of the study: where each is published, and how to bring them here.

`origins.csv` says of each origin its address, licence and citation; `packed.csv` lists each file that
the study used, its hash, and the original that it was made of.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from deepcovid.data import archive
from deepcovid.data.sources import known, listed
from deepcovid.runs import UserError, read_table

ORIGINS = Path(__file__).with_name("origins.csv")
PACKED = Path(__file__).with_name("packed.csv")


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
    packed_as = table.path[of].str.removeprefix("covid-xray-5k/")
    table.loc[of, "file"] = packed_as.where(
        packed_as.isin(names), packed_as.str.removesuffix(".jpg")
    )
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
                archive.obtain(place)
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
            archive.fetch(url + quote(file), folder / file)
        except (ValueError, OSError) as error:
            return f"{file} ({error})"

    with ThreadPoolExecutor(8) as pool:
        return [reason for reason in pool.map(bring, files) if reason]
