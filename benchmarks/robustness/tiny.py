"""The smallest run that is one: a few drawn radiographs, one network trained on images; no workflow."""

import faulthandler
import multiprocessing
import os
import resource
import signal
import traceback
from pathlib import Path

from deepcovid.runs import ROOT, file_digest

SETTINGS = {
    "models": "squeezenet", "image_size": 32, "epochs": 6, "augment_positives": 2, "batch_size": 8,
    "trainable": "all", "train_crop": "affine", "learning_rate": 1e-3, "device": "cpu",
}  # fmt: skip


def draw(folder: Path) -> Path:
    """Images below `folder/data`, unless they are there; the folder."""
    from deepcovid.data import phantom

    if not (folder / "data").is_dir():
        phantom.write(folder / "data", 0, dict.fromkeys(phantom.GROUPS, 12), 48)
    return folder


def overrides(folder: Path, **more) -> dict:
    return SETTINGS | {"data": str(folder / "data")} | more


def compute(name: str, settings: dict) -> Path:
    """Manifest, training table, training, scores and metrics of a profile; the run's folder."""
    from deepcovid.data import augmentation, manifest
    from deepcovid.metrics import run as metrics
    from deepcovid.models import fitting, scoring, training
    from deepcovid.models.run import Run

    fitting.SAVE_EVERY = 0  # after each epoch: a stopped training has something to go on from
    opened = Run.open(name, settings)
    manifest.run(opened.profile)
    augmentation.run(opened.profile)
    for model in opened.profile.models:
        for seed in opened.profile.seeds:
            training.run(opened, model, seed)
            scoring.run(opened, model, seed)
    profile = opened.profile
    metrics.evaluate(opened.folder, profile.models, profile.seeds, profile.threshold)
    return opened.folder


# forks of a process that has the libraries loaded and no threads: a fork of one that has can hang
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__, "deepcovid.models.scoring", "deepcovid.models.training"])
LIMIT = 600  # seconds: less than a test may take, which then says where the fork was


def apart(runs: Path, name: str, settings: dict, before=None) -> tuple:
    """Begin to compute in a process and group of its own; the process, and the file of its errors.

    `before`, a function of a module, is called there first.
    """
    told = runs.with_name(f"{runs.name}-{name}.told")
    told.parent.mkdir(parents=True, exist_ok=True)
    told.write_text("")
    process = FORKS.Process(target=_apart, args=(runs, name, settings, before, told))
    process.start()
    return process, told


def _apart(runs: Path, name: str, settings: dict, before, told: Path) -> None:
    from deepcovid import profiles

    status = 1
    try:
        os.setsid()
        os.dup2(os.open(told, os.O_WRONLY), 2)
        profiles.RUNS = runs
        if before:
            before()
        faulthandler.dump_traceback_later(LIMIT, exit=True)
        compute(name, settings)
        status = 0
    except BaseException:
        told.write_text(traceback.format_exc())
    finally:
        os._exit(status)


def fill_disk() -> None:
    """From here on no file of this process may grow beyond 200 kB."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))


def made(folder: Path) -> dict[str, str]:
    """The SHA-256 of a run's scores and metrics."""
    paths = [*sorted(folder.glob("*/seed*/scores.csv")), folder / "metrics.csv"]
    return {
        path.relative_to(folder).as_posix(): file_digest(path) for path in paths if path.is_file()
    }


def around(runs: Path, **more) -> dict[str, str]:
    """The environment of a process that writes its runs to a folder of its own."""
    ours = {"DEEPCOVID_RUNS": str(runs), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return os.environ | ours | more
