"""The study on a graphics card, in parts that each have a time limit.

A card may be lent for minutes, on a machine without a network that lacks some packages. `pack` puts
these, the images at the size of the run, and weights into folders small enough to be sent one by one;
`run` measures there. A part that was cut goes on when `run` is called again on the same machine.
"""

import argparse
import gzip
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import psutil
import torch
from packaging.requirements import Requirement
from PIL import Image
from sklearn.metrics import roc_auc_score

from benchmarks.measure import RESULTS, Asked, Kept
from deepcovid import profiles, runs
from deepcovid.models import features, networks
from deepcovid.runs import ROOT, UserError

PLACE = runs.RUNS / "gpu"
SIZE = 224
SENT_MB = 62  # with the tracked files of the checkout, in one call
# seconds, `paper` for each network; `run --seconds` ends them all together
LIMITS = {"tests": 80, "tables": 80, "forward": 30, "notebook": 80, "paper": 55, "failed": 210}
CUDA_TESTS = "graphics_card"  # in the names of the tests that need one


# what travels
def pack(data: Path, weights_folder: Path | None, limit: int, python: str, quality: int) -> list[Path]:  # fmt: skip
    """Write `runs/gpu-1/`, `runs/gpu-2/`, ...: each of `limit` bytes at most; gives their archives."""
    groups, room = [], 0
    for name, content in sent(data, weights_folder, python, quality):
        size = len(content) + 1536  # with a member's header, and its last block
        if size > room:
            groups, room = [*groups, []], limit - 2**15
        groups[-1].append((name, content))
        room -= size
    for old in runs.RUNS.glob("gpu-*"):
        shutil.rmtree(old)
    archives = [runs.RUNS / f"gpu-{i}" / "pack.tar" for i in range(1, len(groups) + 1)]
    for path, group in zip(archives, groups, strict=True):
        path.parent.mkdir(parents=True)
        with tarfile.open(path, "w") as archive:
            for name, content in group:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return archives


def sent(data: Path, weights: Path | None, python: str, quality: int) -> Iterator[tuple[str, bytes]]:  # fmt: skip
    """Names and bytes: wheels, weights that compress well or are small, tables, images."""
    for wheel in wheels(python) if python else ():
        yield f"wheels/{wheel.name}", wheel.read_bytes()
    for path in sorted(weights.glob("*.pth")) if weights else ():
        content = gzip.compress(path.read_bytes(), 1)
        if len(content) < 2**23:
            yield f"weights/{path.name}.gz", content
    for path in sorted(data.glob("*.csv")):
        yield f"data/{path.name}", path.read_bytes()
    for path in sorted(p for s in ("train", "test") for p in (data / s).rglob("*.*")):
        yield f"data/{path.relative_to(data).as_posix()}", smaller(path, quality)


def smaller(path: Path, quality: int) -> bytes:
    """The image in grey, as large as a network's input, in the format of its name."""
    written = io.BytesIO()
    with Image.open(path) as image:
        grey = image.convert("L").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    kind = Image.registered_extensions()[path.suffix.lower()]
    grey.save(written, kind, **({"quality": quality} if kind == "JPEG" else {}))
    return written.getvalue()


def wheels(python: str) -> list[Path]:
    """The wheels of `gpu.txt`, pinned as in requirements.txt, for another Python on Linux."""
    names = (ROOT / "benchmarks" / "gpu.txt").read_text().splitlines()
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pinned = [Requirement(line.rstrip(" \\")) for line in lines if re.match(r"[a-z0-9-]+==", line)]
    pinned = [
        f"{one.name}{one.specifier}"
        for one in pinned
        if one.name in names and (not one.marker or one.marker.evaluate({"python_version": python}))
    ]
    folder = PLACE / "wheels"
    shutil.rmtree(folder, ignore_errors=True)
    systems = [f"--platform=manylinux{v}_x86_64" for v in ("_2_28", "_2_27", "_2_17", "2014", "1")]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", folder,
         f"--python-version={python}", "--implementation=cp", *systems, *pinned],
        check=True,
    )  # fmt: skip
    return sorted(folder.glob("*.whl"))


# what is measured
@dataclass(frozen=True)
class Job:
    """Where the parts work and go on, where their rows are written, what is set in every run."""

    place: Path
    out: Path
    settings: dict
    until: float  # time.monotonic() at which no part may run any more
    runs: str = "runs"  # the folder in `place` that runs are made in

    def keep(self, name: str, row: dict) -> None:
        kept = Kept(Asked(self.place, "", (), 0, 0, again=True, folder=self.place), "gpu")
        kept.add(name, lambda: row)
        if self.out != self.place:
            self.out.mkdir(parents=True, exist_ok=True)
            shutil.copy(kept.path, self.out)

    def done(self, name: str) -> bool:
        path = self.place / "gpu.json"
        rows = runs.read_json(path)["rows"] if path.is_file() else {}
        return rows.get(name, {}).get("ended") == "done"

    def weights(self, model: str) -> str:
        """The folder of weights that travelled, where it has the model's; else random ones."""
        folder = self.place / "weights"
        there = any(folder.glob(f"{networks.TORCHVISION[model]}*.pth"))
        return str(folder) if there else "random"

    def folder(self, recipe: str, model: str) -> Path:
        return self.place / self.runs / recipe / model / "seed0"

    def overrides(self, model: str) -> str:
        return json.dumps(self.settings | {"models": model, "weights": self.weights(model)})


def limited(job: Job, words: list, seconds: float) -> dict:
    """Run a program in a process of its own until its limit: how long it took, how it ended."""
    start, end = time.perf_counter(), min(seconds, job.until - time.monotonic())
    if end <= 1:
        return {"seconds": 0.0, "ended": "no time left"}
    env = os.environ | {"DEEPCOVID_RUNS": str(job.place / job.runs), "TQDM_MININTERVAL": "30"}
    with (job.place / "log.txt").open("ab") as log:
        process = psutil.Popen(list(map(str, words)), stdout=log, stderr=log, cwd=ROOT, env=env)
        try:
            ended = "failed" if process.wait(end) else "done"
        except psutil.TimeoutExpired:
            # a notebook's kernel is a process of its own, which would go on
            started = [*process.children(recursive=True), process]
            for one in started:
                one.kill()
            psutil.wait_procs(started, timeout=10)
            ended = "cut"
    return {"seconds": round(time.perf_counter() - start, 1), "ended": ended}


def step(job: Job, recipe: str, model: str, *files: str) -> list:
    given = ["--overrides", job.overrides(model)]
    return [sys.executable, "-m", "deepcovid.steps", recipe, *files, *given]


def tables(job: Job, recipe: str, model: str) -> None:
    """What a training needs and is not measured: the run's manifest and its training images."""
    limited(job, step(job, recipe, model, "manifest.csv", "training.csv"), LIMITS["tables"])


def tests(job: Job) -> None:
    """The tests that are skipped where there is no card."""
    report = job.place / "tests.xml"
    report.unlink(missing_ok=True)
    row = limited(job, [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/models",
                        "-k", CUDA_TESTS, f"--junit-xml={report}"], LIMITS["tests"])  # fmt: skip
    if report.is_file():
        suite = pd.read_xml(report, xpath=".//testsuite", parser="etree").iloc[0]
        row |= {key: int(suite[key]) for key in ("tests", "skipped", "failures", "errors")}
    job.keep("tests", row)


@torch.inference_mode()
def forward(job: Job) -> None:
    """Images a second through each frozen backbone alone."""
    device = networks.device_of(job.settings["device"])
    end, size = time.monotonic() + LIMITS["forward"], job.settings["image_size"]
    batch, repeats = (256, 13) if device.type == "cuda" else (2, 5)
    wait = torch.cuda.synchronize if device.type == "cuda" else int
    for model in profiles.MODELS:
        backbone = networks.fuse_batch_norm(networks.build(model)[0].backbone)
        backbone = features.to_device(backbone, device)
        x = torch.rand(batch, 3, size, size, device=device).to(memory_format=torch.channels_last)
        for half in (False, True):
            took = []
            for _ in range(repeats):
                wait()
                start = time.perf_counter()
                networks.forward_backbone(backbone, x, half)
                wait()
                took.append(time.perf_counter() - start)
            rate = batch / statistics.median(took[3:])
            name = f"forward: {model}, {'bfloat16' if half else 'float32'}"
            job.keep(name, {"seconds": round(sum(took), 2), "ended": "done", "images_per_second": round(rate, 1)})  # fmt: skip
            if time.monotonic() > min(end, job.until):
                return


def notebook(job: Job) -> None:
    """Notebook 03 by papermill, which trains what it shows."""
    model = "resnet18"
    own = replace(job, runs="notebook")  # else `paper` would find it trained
    tables(own, "paper", model)
    shown = job.place / "03_training.ipynb"
    parameters = json.dumps({"study": "runs/paper", "overrides": json.loads(job.overrides(model))})
    row = limited(
        own,
        [sys.executable, "-m", "deepcovid.papermill", ROOT / "notebooks" / "03_training.ipynb", shown,
         "-k", "python3", "--cwd", ROOT / "notebooks", "--no-progress-bar", "-y", parameters],
        LIMITS["notebook"],
    )  # fmt: skip
    job.keep(f"notebook 03: {model}", row | trained(own.folder("paper", model)))


def paper(job: Job) -> None:
    """The paper's recipe with each of the four networks."""
    if not all(job.done(f"paper: {model}") for model in profiles.MODELS):
        tables(job, "paper", "resnet18")
    for model in profiles.MODELS:
        name = f"paper: {model}"
        if not job.done(name):
            words = step(job, "paper", model, f"{model}/seed0/scores.csv")
            row = limited(job, words, LIMITS["paper"])
            job.keep(name, row | {"weights": Path(job.weights(model)).name} | trained(job.folder("paper", model)))  # fmt: skip


def failed(job: Job) -> None:
    """150 epochs of the failed recipe, whose crops are new in every epoch."""
    model = "resnet18"
    words = step(job, "failed", model, f"{model}/seed0/scores.csv")
    tables(job, "failed", model)
    row = limited(job, words, LIMITS["failed"])
    job.keep(f"failed: {model}", row | {"weights": Path(job.weights(model)).name} | trained(job.folder("failed", model)))  # fmt: skip


def trained(folder: Path) -> dict:
    """What a training's files say, also of one that was cut: epochs, images a second, test images."""
    note, resume = folder / "training.json", folder / "resume.pt"
    if not note.is_file():
        kept = torch.load(resume, "cpu", weights_only=True) if resume.is_file() else {"epoch": 0}
        return {"epochs": kept["epoch"]}
    note = runs.read_json(note)
    epochs = int(pd.read_csv(folder / "history.csv").epoch.max())
    cached, took = note["cached"]["train"], note["seconds"]
    images, seconds = sum(note["images"].values()), took["inputs" if cached else "training"]
    found = {"epochs": epochs, "images": images, "training_seconds": took["training"],
             "images_per_second": round(images * (1 if cached else epochs) / max(seconds, 0.1), 1)}  # fmt: skip
    if (folder / "scores.csv").is_file():
        scores = pd.read_csv(folder / "scores.csv").query("split == 'test'")
        positive = scores.label == 1
        found |= {
            "auc": round(float(roc_auc_score(scores.label, scores.score)), 4),
            "test_covid": int(positive.sum()), "test_non": int((~positive).sum()),
            "covid_found_at_half": int((scores.score[positive] >= 0.5).sum()),
        }  # fmt: skip
    return found


PARTS = {"tests": tests, "forward": forward, "notebook": notebook, "paper": paper, "failed": failed}


def job_of(args: argparse.Namespace) -> Job:
    """UserError where there is no card to measure, or no images to measure with."""
    until = time.monotonic() + args.seconds
    if args.try_:
        place = PLACE / "try"
        settings = {"data": "phantom", "device": "cpu", "image_size": 64, "epochs": 2, "augment_positives": 1,
                    "external": "none", "collection": "none", "severity": "none"}  # fmt: skip
        place.mkdir(parents=True, exist_ok=True)
        return Job(place, args.out or place, settings, until)
    if not torch.cuda.is_available():
        raise UserError("PyTorch finds no CUDA GPU here, so nothing was measured. `benchmarks/gpu.sh "
                        "run --try` goes through all parts on the CPU, with drawn images.")  # fmt: skip
    data = args.data.absolute() if args.data else PLACE / "data"
    if not data.is_dir() and {*(args.parts or PARTS)} - {"tests", "forward"}:
        raise UserError("There are no images: bring what `pack` wrote, or name a folder: --data.")
    PLACE.mkdir(parents=True, exist_ok=True)
    return Job(PLACE, args.out or RESULTS, {"data": str(data), "device": "cuda", "image_size": SIZE}, until)  # fmt: skip


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="benchmarks/gpu.sh",
        description="Measure the study on a graphics card, in less than ten minutes.\n\n"
        "  pack DATA     here: put what such a machine lacks into runs/gpu-1, runs/gpu-2, ...\n"
        "  run           there, once these folders are in runs/: measure, write gpu.json\n\n"
        "parts of run (default: all):\n"
        + "\n".join(f"  {name:12}{part.__doc__.splitlines()[0]}" for name, part in PARTS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = found.add_subparsers(dest="command", required=True)
    one = commands.add_parser("pack", help="write what travels")
    one.add_argument("data", type=Path, help="a data folder, train|test / covid|non")
    one.add_argument("--weights", type=Path, help="a folder of .pth files; large ones stay behind")
    one.add_argument("--python", default="3.12", help="of that machine; '': no wheels")
    one.add_argument("--quality", type=int, default=75, help="of JPEG, 1 to 95 (default: 75)")
    one.add_argument("--megabytes", type=float, help="of a folder (default: with the checkout, 62)")
    two = commands.add_parser("run", help="measure")
    two.add_argument("parts", nargs="*", metavar="PART")
    two.add_argument("--try", action="store_true", dest="try_", help="drawn images, on the CPU")
    two.add_argument("--data", type=Path, help="a data folder (default: what travelled)")
    two.add_argument("--out", type=Path, help="of gpu.json (default: results/benchmarks)")
    two.add_argument("--seconds", type=float, default=570, help="for all parts (default: 570)")
    return found


def tracked_mb() -> float:
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)
    return sum((ROOT / name).lstat().st_size for name in listed.split("\0")[:-1]) / 2**20


def main(words: list[str] | None = None) -> int:
    args = parser().parse_args(words)
    try:
        if args.command == "pack":
            room = args.megabytes or SENT_MB - tracked_mb()
            for path in pack(args.data, args.weights, int(room * 2**20), args.python, args.quality):
                print(f"{path.parent}: {path.stat().st_size / 2**20:.1f} MB")
            return 0
        if unknown := [part for part in args.parts if part not in PARTS]:
            raise UserError(f"There is no part {unknown[0]}. There are: {', '.join(PARTS)}.")
        job = job_of(args)
        for part in args.parts or PARTS:
            PARTS[part](job)
    except UserError as error:
        print(f"deepcovid: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
