"""The ablation's steps, as the workflow's jobs call them."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from deepcovid import profiles, runs
from deepcovid.data import augmentation, manifest
from deepcovid.failure import ablation, auc_search, design
from deepcovid.models.opened import Run


def main(arguments: list[str] | None = None) -> int:
    """Prepare the images, train a part of the cells, collect all, or search for the reported AUC."""
    parser = argparse.ArgumentParser(prog="python -m deepcovid.failure", description=__doc__)
    parser.add_argument("step", choices=["prepare", "train", "collect", "search"])
    parser.add_argument("--profile", default="released")
    parser.add_argument("--overrides", default="{}", help="JSON")
    parser.add_argument("--part", default="1/1", help="k/n: the k-th of n parts of the cells")
    parser.add_argument("--out", type=Path, default=runs.RESULTS / "ablation.csv")
    args = parser.parse_args(arguments)
    try:
        profile = profiles.load(args.profile, json.loads(args.overrides), Path.cwd())
        profile = replace(profile, name="ablation")  # a folder of its own
        if args.step == "collect":
            print(ablation.write(ablation.collect(profile.folder / "cells"), args.out))
            return 0
        if not (profile.folder / "manifest.csv").is_file():
            manifest.run(profile)
        if not (profile.folder / "training.csv").is_file():
            augmentation.run(profile)
        if args.step == "prepare":
            return 0
        run = Run(profile)
        if args.step == "search":
            table = auc_search.auc_search(run)
            print(ablation.write(table, args.out.with_name("auc_search.csv")))
            return 0
        part, parts = map(int, args.part.split("/"))
        backbones = tuple(m for m in ("squeezenet", "resnet50") if m in profile.models)
        cells = design.plan(backbones, profile.seeds)
        print(len(ablation.ablate(run, cells[part - 1 :: parts])), "cells are there")
    except runs.UserError as error:
        print(f"deepcovid: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
