"""Where runs and results lie, what their files are like now, and what they were computed with."""

import os
import platform
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

from deepcovid.io import (  # noqa: F401
    atomic_write,
    code_digest,
    digest,
    file_digest,
    is_fresh,
    read_json,
    read_table,
    write_csv,
    write_json,
    write_stamp,
    write_text,
)  # fmt: skip
from imageaudit import NOTICE  # noqa: F401
from imageaudit.errors import UserError, did_you_mean, escape_control_chars  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent
RUNS = Path(os.environ.get("DEEPCOVID_RUNS") or ROOT / "runs").absolute()
RESULTS = ROOT / "results"
PACKAGES = ("torch", "torchvision", "numpy", "pandas", "pillow", "scikit-learn", "scipy")


def state(*places: Path | str) -> str:
    """Stands for all files in folders: names, sizes and times of change, without reading them.

    Also the time that nobody sets, which a copy with kept times changes.

    What is not there, and hidden files, count as nothing. 5,520 files take less than 0.1 s.
    """

    def told(folder: str, above: frozenset):
        here = Path(folder).stat()
        within = above | {(here.st_dev, here.st_ino)}
        if within == above:  # a link back to where we came from
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    yield from told(entry.path, within)
                else:
                    broken = entry.is_symlink() and not Path(entry.path).exists()
                    of = entry.stat(follow_symlinks=not broken)
                    yield entry.path, of.st_size, of.st_mtime_ns, of.st_ctime_ns

    found = []
    for place in map(Path, filter(None, places)):
        if place.is_dir():
            start = len(str(place))
            found.append(
                sorted((path[start:], *rest) for path, *rest in told(str(place), frozenset()))
            )
        elif place.is_file():
            of = place.stat()
            found.append([place.name, of.st_size, of.st_mtime_ns, of.st_ctime_ns])
    return digest(found)


def git_revision() -> str:
    """The commit of the code, with `+changes` where files differ from it; `unknown` without git."""

    def git(*words):
        return subprocess.run(
            ["git", "-C", ROOT, *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def environment() -> dict:
    """What a run's numbers may depend on besides its profile: versions, machine, code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {
        "deepcovid": project["version"],
        "git": git_revision(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "packages": {name: version(name) for name in PACKAGES},
    }
