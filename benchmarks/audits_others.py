"""What CleanVision, Datalab, fastdup and imagededup say of the datasets of audits.py; run in their
environment: those that are installed there.

    python benchmarks/audits_others.py ROOM ANSWERS.json

Each folder in ROOM is a dataset with a subfolder per class, perhaps below train and test. Written is,
for each and each tool, which images it flags for which reason, and of what it says that it goes with
the label.
"""

import contextlib
import importlib.util
import io
import json
import os
import resource
import sys
import tempfile
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
os.environ["SENTRY_OPT_OUT"] = "True"  # fastdup reports its use otherwise

NEAR, DARK, LIGHT, BLURRY = 0.96, 13, 220.5, 50  # fastdup's, in its tutorials


def paths(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.png"))


def flagged(issues, names) -> dict[str, list[str]]:
    """The images of each kind of issue in a table with a column `is_..._issue` for each."""
    columns = [column for column in issues if column.startswith("is_")]
    return {c[3:-6]: [str(name) for name, on in zip(names, issues[c], strict=True) if on]
            for c in columns}  # fmt: skip


def cleanvision(folder: Path) -> tuple[dict, list[str]]:
    from cleanvision import Imagelab

    lab = Imagelab(filepaths=[str(path) for path in paths(folder)])
    lab.find_issues(n_jobs=1, verbose=False)
    return flagged(lab.issues, lab.issues.index), []


def datalab(folder: Path) -> tuple[dict, list[str]]:
    from cleanlab import Datalab
    from datasets import Dataset, Features, Image, Value

    found = paths(folder)
    data = {"image": [str(p) for p in found], "label": [p.parent.name for p in found]}
    features = Features({"image": Image(), "label": Value("string")})
    lab = Datalab(Dataset.from_dict(data, features=features), label_name="label", image_key="image")
    lab.find_issues()
    told = lab.get_info("spurious_correlations")
    table = told["correlations_df"]
    return flagged(lab.get_issues(), found), list(table.property[table.score < told["threshold"]])


def fastdup(folder: Path) -> tuple[dict, list[str]]:
    import fastdup as library

    with tempfile.TemporaryDirectory() as room:
        lab = library.create(work_dir=room, input_dir=str(folder))
        lab.run(num_threads=1, overwrite=True, verbose=False)
        pairs, facts = lab.similarity(), lab.img_stats()
    near = pairs[pairs.distance >= NEAR]
    whole = {path.relative_to(folder.parent).as_posix(): path for path in paths(folder)}

    def full(names) -> list[str]:
        return [str(whole[name[name.index(folder.name) :]]) for name in names]

    return {
        "near_duplicates": full({*near.filename_from, *near.filename_to}),
        "dark": full(facts.filename[facts["mean"] < DARK]),
        "light": full(facts.filename[facts["mean"] > LIGHT]),
        "blurry": full(facts.filename[facts.blur < BLURRY]),
    }, []


def imagededup(folder: Path) -> tuple[dict, list[str]]:
    from imagededup.methods import PHash

    method = PHash(verbose=False)
    codes = method.encode_images(image_dir=folder, recursive=True, num_enc_workers=0)
    pairs = method.find_duplicates(encoding_map=codes, num_dist_workers=0)
    return {"near_duplicates": [str(folder / name) for name, others in pairs.items() if others]}, []


TOOLS = {
    "cleanvision": cleanvision,
    "cleanlab": datalab,
    "fastdup": fastdup,
    "imagededup": imagededup,
}


def seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def main(room: str, answers: str) -> None:
    rows = []
    tools = [tool for package, tool in TOOLS.items() if importlib.util.find_spec(package)]
    folders = sorted(path for path in Path(room).iterdir() if path.is_dir())
    for tool in tools:
        for number, folder in enumerate([folders[0], *folders]):
            began = seconds()
            with contextlib.redirect_stdout(io.StringIO()):
                kinds, related = tool(folder)
            if not number:  # libraries were loaded
                continue
            kinds = {kind: [str(Path(name).relative_to(folder)) for name in names]
                     for kind, names in kinds.items() if names}  # fmt: skip
            used = seconds() - began
            rows.append([str(folder), tool.__name__,
                         {"flagged": kinds, "label": related, "cpu_seconds": used}])  # fmt: skip
        print(tool.__name__, flush=True)
    Path(answers).write_text(json.dumps(rows), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
