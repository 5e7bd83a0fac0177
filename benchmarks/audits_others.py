"""What CleanVision, Datalab and imagededup say of the datasets of audits.py; run in their environment.

Each dataset is a folder `FAULT-SEED` with a subfolder per class, perhaps below train and test. A
fault of one class is found where a tool flags at least half of that class and at most a tenth of the
other, or says itself that something goes with the label; images in two places are found where the
tool names a copy as a double.
"""

import contextlib
import csv
import io
import resource
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

from cleanlab import Datalab  # noqa: E402
from cleanvision import Imagelab  # noqa: E402
from datasets import Dataset, Features, Image, Value  # noqa: E402
from imagededup.methods import PHash  # noqa: E402

COPY = "also-"  # how the copies of an image are called
ILL = "covid"


def paths(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.png"))


def told_apart(flagged: list[str], folder: Path) -> bool:
    """Do the flagged images stand for one class?"""
    every = [str(path) for path in paths(folder)]
    share = []
    for ill in (True, False):
        own = [path for path in every if (Path(path).parent.name == ILL) == ill]
        share.append(len({*own} & {*flagged}) / len(own))
    return max(share) >= 0.5 and min(share) <= 0.1


def cleanvision(folder: Path) -> tuple[list[str], list[str]]:
    """Kinds of issue that stand for a class, and the doubles."""
    lab = Imagelab(filepaths=[str(path) for path in paths(folder)])
    lab.find_issues(n_jobs=1, verbose=False)
    kinds = [column[3:-6] for column in lab.issues if column.endswith("_issue")]
    apart, doubles = [], []
    for kind in kinds:
        flagged = list(lab.issues.index[lab.issues[f"is_{kind}_issue"]])
        if "duplicates" in kind:
            doubles += flagged
        elif told_apart(flagged, folder):
            apart.append(kind)
    return apart, doubles


def datalab(folder: Path) -> tuple[list[str], list[str]]:
    """Properties that it says go with the label, and the doubles."""
    found = paths(folder)
    data = {"image": [str(p) for p in found], "label": [p.parent.name for p in found]}
    features = Features({"image": Image(), "label": Value("string")})
    lab = Datalab(Dataset.from_dict(data, features=features), label_name="label", image_key="image")
    lab.find_issues()
    told = lab.get_info("spurious_correlations")
    table, limit = told["correlations_df"], told["threshold"]
    apart = list(table.loc[table.score < limit, "property"])
    issues = lab.get_issues()
    columns = [c for c in issues if c.endswith("duplicates_issue")]
    doubles = [str(found[i]) for i in range(len(found)) if issues[columns].iloc[i].any()]
    return apart, doubles


def imagededup(folder: Path) -> tuple[list[str], list[str]]:
    method = PHash(verbose=False)
    codes = method.encode_images(image_dir=folder, recursive=True, num_enc_workers=0)
    pairs = method.find_duplicates(encoding_map=codes, num_dist_workers=0)
    return [], [name for name, others in pairs.items() if others]


def seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main(room: str, table: str) -> None:
    rows = []
    for folder in sorted(path for path in Path(room).iterdir() if path.is_dir()):
        fault = folder.name.rpartition("-")[0]
        for tool in (cleanvision, datalab, imagededup):
            began = seconds()
            with contextlib.redirect_stdout(io.StringIO()):
                apart, doubles = tool(folder)
            copies = [name for name in doubles if COPY in name or name.endswith("-2.png")]
            placed = fault in ("leak", "conflict", "patients")
            found = bool(copies) if placed else bool(apart) and fault != "nothing"
            said = " ".join([*apart, f"{len(doubles)}-doubles"])
            rows.append([fault, tool.__name__, found, bool(apart or doubles), said,
                         round(seconds() - began, 1)])  # fmt: skip
            print(rows[-1], flush=True)
    with Path(table).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["fault", "tool", "found", "alarm", "said", "cpu_seconds"])
        writer.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
