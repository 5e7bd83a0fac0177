"""A run's folder: where its files are, how they are written, what they were made from."""

import ast
import difflib
import hashlib
import json
import os
import platform
import subprocess
import tempfile
import tomllib
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = Path(os.environ.get("DEEPCOVID_RUNS") or ROOT / "runs").absolute()
RESULTS = ROOT / "results"
NOTICE = "Research software, not for clinical use."
PACKAGES = ("torch", "torchvision", "numpy", "pandas", "pillow", "scikit-learn", "scipy")


class UserError(Exception):
    """A mistake the user can mend: the message names the thing and says what to do."""


def near_miss(word, among) -> str:
    """` Did you mean x?` where one of `among` looks like `word`, else nothing."""
    found = difflib.get_close_matches(str(word).lower(), among, 1)
    return f" Did you mean {found[0]}?" if found else ""


def shown(text) -> str:
    """What a message may show of a file's name or content: line ends and terminal codes escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(text))


@contextmanager
def replacing(path: Path):
    """Yield a temporary path beside `path`, which it replaces only once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix=path.suffix)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write `text` so that a reader sees the old file or the new one, never a half."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def write_json(path: Path, data) -> Path:
    return write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path):
    """What a JSON file holds; UserError where it holds none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # also wrong encodings
        raise UserError(
            f"{path} is no whole JSON file ({shown(error)}): remove it, and run what made it again."
        ) from None


def read_table(path: Path, **how):
    """A CSV file as pandas' table, `how` as `pandas.read_csv` takes it; UserError where it is none."""
    import pandas as pd  # the command line asks for help without it

    try:
        return pd.read_csv(path, **how)
    except UnicodeDecodeError:
        reason = "it is not in UTF-8"
    except (ValueError, OSError, OverflowError) as error:
        reason = shown(" ".join(str(error).split()))
    raise UserError(f"{path} cannot be read as a table: {reason}.")


def digest(data) -> str:
    """Sixteen hex digits that stand for JSON-able `data`."""
    text = json.dumps(data, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def code_digest(*modules) -> str:
    """Stands for the code of `modules`; comments and layout do not count."""
    return digest([ast.dump(ast.parse(Path(m.__file__).read_text("utf-8"))) for m in modules])


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def done(path: Path, made_from: str) -> bool:
    """Is `path` there, and was it made from what `made_from` stands for?"""
    stamp = path.with_name(path.name + ".made-from")
    return path.exists() and stamp.exists() and stamp.read_text() == made_from


def mark_done(path: Path, made_from: str) -> None:
    write_text(path.with_name(path.name + ".made-from"), made_from)


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
