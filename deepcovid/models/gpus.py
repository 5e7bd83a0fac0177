"""Which GPU a job takes, where a machine has several: the one with the fewest jobs on it.

    python -m deepcovid.models.gpus COMMAND...

runs a command that sees one GPU only. A job holds a lock on its GPU, which ends with it, however it
ends. What a scheduler such as Slurm gives a job is all that is chosen from. No torch.
"""

import getpass
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout

VISIBLE = "CUDA_VISIBLE_DEVICES"
PLACE = Path(tempfile.gettempdir(), f"deepcovid-gpus-{getpass.getuser()}")


def visible() -> list[str]:
    """The GPUs that a process may use, as CUDA_VISIBLE_DEVICES would name them."""
    if VISIBLE in os.environ:
        return [name for name in os.environ[VISIBLE].split(",") if name.strip()]
    try:
        told = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    except OSError:
        return []
    return [str(i) for i, line in enumerate(told.stdout.splitlines()) if line.startswith("GPU ")]


@contextmanager
def taken(names: list[str], place: Path = PLACE) -> Iterator[str]:
    """Hold one of the GPUs `names`: one that no other job holds, else one that fewest hold."""
    place.mkdir(parents=True, exist_ok=True)
    for turn in count():
        for name in names:
            lock = FileLock(place / f"{name.replace('/', '_')}.{turn}.lock", blocking=False)
            try:
                lock.acquire()
            except Timeout:
                continue
            with lock:
                yield name
            return


def main(command: list[str]) -> int:
    """Run a command on one GPU; on a machine without any, run it as it is."""
    names = visible()
    if not names:
        return subprocess.run(command).returncode
    with taken(names) as name:
        return subprocess.run(command, env=os.environ | {VISIBLE: name}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
