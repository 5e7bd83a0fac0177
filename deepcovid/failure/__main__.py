"""The ablation's steps, as the workflow's jobs call them."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from deepcovid import profiles, runs
from deepcovid.data import augmentation, manifest
from deepcovid.failure import ablation, design, effects
from deepcovid.models.run import Run


def part(text: str) -> tuple[int, int]:
    """`k/n` as two numbers, k from 1 to n."""
    try:
        k, n = map(int, text.split("/"))
    except ValueError:
        k = n = 0
    if not 1 <= k <= n:
        raise argparse.ArgumentTypeError(f"'{text}' is no k/n with k from 1 to n, as 2/8")
    return k, n


def of_ablation(name: str, overrides: dict) -> profiles.Profile:
    """A profile whose run lies in the ablation's own folder."""
    found = profiles.load(name, overrides, Path.cwd())
    study = name.partition("/")[0] + "/" if "/" in name else ""
    return replace(found, name=f"{study}ablation")


def prepared(profile: profiles.Profile, anew: bool = False) -> Run:
    """The opened run; its manifest and training table are made where they are missing, or anew.

    Images that are no longer those of the manifest are refused where they are read.
    """
    if anew or not (profile.folder / "manifest.csv").is_file():
        manifest.run(profile)
    if anew or not (profile.folder / "training.csv").is_file():
        augmentation.run(profile)
    return Run(profile)


def main(arguments: list[str] | None = None) -> int:
    """Prepare the images, train a part of the cells, or collect all."""
    parser = argparse.ArgumentParser(prog="python -m deepcovid.failure", description=main.__doc__)
    parser.add_argument("step", choices=["prepare", "train", "collect"])
    parser.add_argument("--profile", default="released")
    parser.add_argument("--overrides", default="{}", type=json.loads, help="JSON")
    parser.add_argument("--part", default="1/1", type=part, help="k/n: the k-th of n parts")
    parser.add_argument("--out", type=Path, default=runs.RESULTS / "ablation.csv")
    args = parser.parse_args(arguments)
    try:
        profile = of_ablation(args.profile, args.overrides)
        if args.step == "collect":
            table = ablation.collect(profile.folder / "cells")
            print(ablation.write(table, args.out))
            told = args.out.with_name(f"{args.out.stem}_effects.csv")
            print(ablation.write(effects.published(table), told))
            return 0
        run = prepared(profile, anew=args.step == "prepare")
        if args.step == "train":
            cells = design.part_of(design.plan(profile.models, profile.seeds), *args.part)
            print(len(ablation.ablate(run, cells)), "cells are there")
    except runs.UserError as error:
        print(f"deepcovid: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
