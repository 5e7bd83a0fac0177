"""Tables, settings, notes, checkpoints and archives with something wrong in them.

    python -m benchmarks.robustness.damage [--each 500] [--seed 0]

Each file is changed at random (bytes turned, cut, doubled, lines and values swapped for nasty ones)
and read as a run reads it. It is read, or refused by a message for its user; all else is a fault.
"""

import argparse
import io
import json
import random
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pandas as pd
import torch
import yaml

from benchmarks.robustness import figures
from deepcovid import profiles, runs
from deepcovid.data import manifest, originals, phantom, records
from deepcovid.fair_test import collection
from deepcovid.fair_test import severity as severities
from deepcovid.metrics import evaluation
from deepcovid.models import networks
from deepcovid.runs import UserError

NASTY = [b"", b"\0", b"\xff\xfe", b"nan", b"-1", b"1e999", b"99999999999999999999", b"../../x", b"\r",
         b'"', b",", b"\n", b"\x1b[31m", b"\xe2\x80\xae", b"{", b"[", b"null", b"true", b"1.5",
         b"!!python/object:os.system x", b"&a [*a, *a]", b"<script>", b"=cmd()"]  # fmt: skip


def damaged(data: bytes, rng: random.Random) -> bytes:
    """`data` with one to three things wrong."""
    for _ in range(rng.randint(1, 3)):
        data = worse(data, rng)
    return data


def worse(data: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    lines = data.split(b"\n")
    line = rng.randrange(len(lines))
    return rng.choice([
        lambda: data[:start],
        lambda: data[:start] + data[end:],
        lambda: data[:start] + bytes([rng.randrange(256)]) + data[start + 1 :],
        lambda: data[:start] + rng.choice(NASTY) + data[start + rng.randrange(8) :],
        lambda: data[:end] + data[start:end] + data[end:],
        lambda: b"\n".join([*lines[:line], *lines[line + 1 :]]),
        lambda: b"\n".join([*lines, lines[line]]),
        lambda: b"\n".join([*lines[:line], in_cell(lines[line], rng), *lines[line + 1 :]]),
    ])()  # fmt: skip


def in_cell(line: bytes, rng: random.Random) -> bytes:
    cells = line.split(b",")
    cells[rng.randrange(len(cells))] = rng.choice(NASTY)
    return b",".join(cells)


def subjects(room: Path) -> dict[str, tuple[bytes, Path, Callable[[Path], object]]]:
    """By name: whole bytes, where they are read, and how."""
    data = phantom.write(room / "data", 0, dict.fromkeys(phantom.GROUPS, 3), 32)
    table = manifest.make(data, 0)
    names = table.image.str.rpartition("/")[2]
    rows = pd.DataFrame({"image": table.image, "split": table.split, "label": table.label,
                         "score": 0.5, "patient": table.patient})  # fmt: skip
    grades = pd.DataFrame({"image": table.image, "S-Global": 3, "J-Global": 4})
    covid = pd.DataFrame(dict.fromkeys(records.TABLES["covid"][1], names))
    state, wrapped = io.BytesIO(), io.BytesIO()
    torch.save({"a": torch.zeros(3), "b.c": torch.ones(2, 2)}, state)
    torch.save({"epoch": 3, "state_dict": {"a": torch.zeros(3)}}, wrapped)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(data.rglob("*.png")):
            file.write(path, path.relative_to(data.parent))
    settings = {"like": "demo", "epochs": 3, "models": ["resnet18"], "data": "phantom"}
    rest = phantom.write(room / "rest" / "x", 1, dict.fromkeys(phantom.GROUPS, 2), 32) / "train"
    there = sorted(path.name for path in rest.rglob("*.png"))
    beside = pd.DataFrame({"name": there, "finding": "x", "patientid": "7"})
    opened = SimpleNamespace(profile=SimpleNamespace(severity=room / "brixia.csv"), folder=room)
    located = table.assign(path=[str(data / image) for image in table.image])

    ours = Path(shutil.copytree(profiles.PROFILES, room / "profiles"))

    def csv(frame):
        return frame.to_csv(index=False).encode()

    return {
        "manifest.csv": (csv(table), room / "manifest.csv", manifest.read),
        "scores.csv": (csv(rows), room / "scores.csv", scores),
        "brixia.csv": (csv(grades), room / "brixia.csv", lambda _: severities.graded(opened, located)),
        "patients.csv": (csv(pd.DataFrame({"name": names, "patient": "p"})), data / "patients.csv",
                         lambda _: manifest.make(data, 0)),
        "covid-metadata.csv": (csv(covid), data / "covid-metadata.csv", lambda _: manifest.make(data, 0)),
        "metadata.csv": (csv(beside), rest / "metadata.csv", lambda _: collection.outer(rest)),
        "profile.yaml": (yaml.safe_dump(settings).encode(), ours / "own.yaml", profile),
        "note.json": (json.dumps({"made_from": {"a": [1, "x"]}}).encode(), room / "x.json", runs.read_json),
        "state.pth": (state.getvalue(), room / "x.pth", networks.load_state),
        "checkpoint.pt": (wrapped.getvalue(), room / "x.pt", networks.load_state),
        "archive.zip": (packed.getvalue(), room / "x.zip", lambda path: unpacked(path, room / "new")),
    }  # fmt: skip


def scores(path: Path):
    """Read scores and say what they are worth, as notebook 04 does."""
    table = evaluation.read_scores(path)
    return evaluation.summary(table, 0.5)


def profile(path: Path):
    with mock.patch.object(profiles, "PROFILES", path.parent):
        return profiles.load(path.stem)


def unpacked(path: Path, target: Path):
    shutil.rmtree(target, ignore_errors=True)
    return originals.unpack(path, target)


def run(each: int, seed: int) -> dict:
    """What came of `each` damaged files of every kind; faults by name, with their error."""
    found, faults = {}, []
    with tempfile.TemporaryDirectory() as place:
        for name, (data, path, read) in subjects(Path(place)).items():
            rng, came = random.Random(f"{seed} {name}"), Counter()
            path.write_bytes(data)
            for _ in range(each):
                path.write_bytes(damaged(data, rng))
                try:
                    read(path)
                    came["read"] += 1
                except UserError as error:
                    came["refused"] += 1
                    if not str(error).replace("\n", "").isprintable():
                        faults.append(f"{name}: {error!r} is not safe to show")
                except Exception as error:
                    came["faults"] += 1
                    faults.append(f"{name}: {type(error).__name__}: {error}"[:300])
            path.write_bytes(data)
            if path.parent.name == "data":
                path.unlink()
            found[name] = dict(sorted(came.items()))
    return {"each": each, "seed": seed, "files": found, "faults": sorted(set(faults))}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--each", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    found = run(args.each, args.seed)
    figures.keep("damage", found)
    print(json.dumps(found, indent=1))
