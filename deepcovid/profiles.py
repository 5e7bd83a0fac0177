"""A profile says how one run differs from another: a YAML file, checked, then frozen.

A profile with `runs` is a study: its runs are called STUDY/RUN, and lie in the study's folder.
"""

import dataclasses
import os
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from deepcovid.runs import ROOT, RUNS, UserError, did_you_mean, escape_control_chars

PROFILES = ROOT / "profiles"
# the networks, and what torchvision calls them
TORCHVISION = {"resnet18": "resnet18", "resnet50": "resnet50", "squeezenet": "squeezenet1_1",
               "densenet121": "densenet121"}  # fmt: skip
MODELS = tuple(TORCHVISION)
# a relative path is taken from where it was written
PATHS = ("data", "external", "collection", "severity", "weights")
PHANTOMS = {"phantom": False, "phantom-honest": True}  # drawn data, and whether it is honest
WORDS = (*PHANTOMS, "imagenet", "random", "none")  # that stand in the place of a path
# what is drawn beside drawn data, and where: see `data.miniature`
BESIDE = {"external": "external", "collection": "collection", "severity": "severity.csv"}


def split_commas(value):
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return value if isinstance(value, list | tuple) else [value]


def differ(values: tuple) -> tuple:
    if len(set(values)) < len(values) or not values:
        raise ValueError("entries must differ" if values else "none is given")
    return values


def number(kind: type, low: float, high: float):
    """The type of a whole number or a float from `low` to `high`."""
    return Annotated[kind, Field(ge=low, le=high)]


Text = Annotated[str, Field(min_length=1)]
Folder = Annotated[str | None, BeforeValidator(lambda v: None if v in ("none", "") else v)]
SEVERAL = BeforeValidator(split_commas), AfterValidator(differ)
Model = Literal[MODELS]
Step = Literal["none", "crop_lungs", "downsample", "equalise", "mask_lungs", "grey"]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Profile:
    """The settings of a run, and what each may be. `profiles/paper.yaml` explains them."""

    name: str
    data: Text
    external: Folder
    collection: Folder
    severity: Folder
    models: Annotated[tuple[Model, ...], *SEVERAL]
    weights: Text
    image_size: number(int, 32, 1024)
    seeds: Annotated[tuple[number(int, 0, 2**31 - 1), ...], *SEVERAL]
    device: Literal["auto", "cpu", "cuda"]
    precision: Literal["float32", "bfloat16"]
    validation_fraction: number(float, 0, 0.5)
    optimizer: Literal["adam", "sgd"]
    learning_rate: number(float, 1e-8, 10)
    momentum: number(float, 0, 0.999)
    schedule: Literal["constant", "step", "step_first"]
    epochs: number(int, 1, 10_000)
    batch_size: number(int, 1, 4096)
    trainable: Literal["head", "all"]
    preprocessing: Annotated[tuple[Step, ...], *SEVERAL]
    augment_positives: number(int, 1, 100) | Literal["release"]
    train_crop: Literal["none", "random", "affine"]
    batch_norm: Literal["eval", "train"]
    class_weights: Literal["none", "balanced", "sampled", "sources", "views"]
    selection: Literal["last", "test_accuracy"]
    threshold: number(float, 0, 1) | Annotated[str, Field(pattern=r"^sensitivity_\d\d$")]
    ablation_negatives: number(int, 100, 100_000) | Literal["all"]
    map_images: number(int, 1, 100_000) | Literal["all"]

    @property
    def folder(self) -> Path:
        """Where this run writes."""
        return RUNS / self.name

    @property
    def features(self) -> Path:
        """Where what backbones make of images is kept, for all runs."""
        return RUNS / "features"

    @property
    def data_folder(self) -> Path:
        """Where the images are; drawn ones lie in the run itself."""
        return self.folder / self.data / "data" if self.drawn else Path(self.data)

    @property
    def drawn(self) -> bool:
        """Are the images phantoms that the run draws?"""
        return self.data in PHANTOMS

    @property
    def trainings(self) -> list[tuple[str, int]]:
        """Each model and seed."""
        return list(product(self.models, self.seeds))

    def settings(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


# what the trained weights depend on, besides the images, the seed and the first weights
RECIPE = (
    "preprocessing", "image_size", "precision", "optimizer", "learning_rate", "momentum", "schedule",
    "epochs", "batch_size", "trainable", "train_crop", "batch_norm", "class_weights", "selection",
)  # fmt: skip
SETTINGS = tuple(field.name for field in dataclasses.fields(Profile))[1:]  # all but the name


def weights_file(path: Path, model: str) -> Path:
    """The file of a model's weights: `path` itself, or in that folder the one that starts with
    torchvision's name of the model. Raises UserError when there is none, or several.
    """
    wanted = f"{TORCHVISION[model]}*.pth"
    found = [path] if path.is_file() else sorted(path.glob(wanted))
    if len(found) != 1:
        raise UserError(
            f"{path} is no file of weights for {model}, nor a folder with one file {wanted}; there is "
            f"{', '.join(p.name for p in found) or 'none'}: -p weights VALUE, or run the models whose "
            "weights are there: -p models NAME."
        )
    return found[0]


def names() -> list[str]:
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def runs_of(study: str) -> dict[str, dict]:
    """The runs that a study is made of, in order, with their settings; none where it is no study."""
    return {run: entry or {} for run, entry in (read_yaml(study).get("runs") or {}).items()}


def chosen_runs(study: str, overrides: dict) -> dict[str, str]:
    """What is made of each run of a study, a run a name; of those with a model that is named."""
    named = {*split_commas(overrides.get("models", MODELS))}
    return {run: entry.get("make", "metrics.csv") for run, entry in runs_of(study).items()
            if named & {*split_commas(read(f"{study}/{run}")["models"][0])}}  # fmt: skip


def goals(made: str) -> list[str]:
    return made.replace(",", " ").split()


def shown(runs: dict[str, str]) -> list[str]:
    """The files of a study's runs, of `chosen_runs`, that its notebooks wait for; paths in its folder.

    The steps' tables stand behind `run.json`, which is made of all of a whole run.
    """
    files = []
    for run, made in runs.items():
        own = ["run.json" if goal == "results" else goal for goal in goals(made)]
        files += [f"{run}/{file}" for file in ["metrics.csv"] * (run != "ablation") + own]
    return list(dict.fromkeys(files))


def of_run(overrides: dict, given: dict[str, tuple[Any, str]]) -> dict:
    """Of a study's overrides those for one of its runs, whose settings are `given`.

    `models` are those of the run that are named. Folders and files that it or its recipe sets stay.
    """
    overrides = {key: value for key, value in overrides.items()
                 if key not in PATHS or given[key][1] == "paper.yaml"}  # fmt: skip
    if "models" in overrides:
        named = split_commas(overrides["models"])
        own = [model for model in split_commas(given["models"][0]) if model in named]
        overrides["models"] = own or named  # with none of them it is not run
    return overrides


def read_yaml(name: str) -> dict[str, Any]:
    """What is written in `profiles/NAME.yaml`; UserError where it is not there, or no settings."""
    if name not in names():
        known = did_you_mean(name, names()) + f" There are: {', '.join(names())}."
        raise UserError(f"There is no profile '{name}'.{known}")
    path = PROFILES / f"{name}.yaml"
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, ValueError, OSError) as error:
        reason = escape_control_chars(" ".join(str(error).split()))
        raise UserError(f"{path.name} cannot be read as YAML: {reason}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path.name} must hold lines such as 'epochs: 10', not {values!r}.")
    return values


def read(name: str, above: tuple[str, ...] = ()) -> dict[str, tuple[Any, str]]:
    """The settings of a profile, or of a study's run, each with the file that sets it.

    They stand on top of those that it is `like`; `above` are the profiles that are, one after the
    other, like this one. Raises UserError.
    """
    study, _, run = name.partition("/")
    values, origin = read_yaml(study), f"{study}.yaml"
    if name in above:
        raise UserError(f"{origin} is like itself: {' > '.join((*above, name))}")
    if run:
        entries = runs_of(study)
        if run not in entries:
            raise UserError(
                f"There is no run '{run}' in {origin}. There are: {', '.join(entries)}."
            )
        values = {"like": run} | entries[run]
    elif runs := values.get("runs"):
        raise UserError(f"{origin} is a study of several runs: {', '.join(runs)}.")
    values.pop("make", "")
    like = values.pop("like", "")
    settings = read(str(like), (*above, name)) if like else {}
    own = check(values, origin, RUNS / study if run else ROOT)
    return settings | {key: (value, origin) for key, value in own.items()}


def check(values: dict[str, Any], origin: str, base: Path) -> dict[str, Any]:
    """Known settings, relative paths taken from `base`; UserError for an unknown one."""
    checked = dict(values)
    for key, value in values.items():
        if key not in SETTINGS:
            meant = did_you_mean(key, SETTINGS) or f" There are: {', '.join(SETTINGS)}."
            raise UserError(f"{origin}: unknown setting '{escape_control_chars(key)}'.{meant}")
        if key in PATHS and isinstance(value, str | Path) and str(value):
            word = str(value).lower()
            path = os.path.abspath(base / os.path.expanduser(value))  # noqa: PTH100, PTH111 (raises nothing)
            checked[key] = word if word in WORDS else path
    return checked


def load(name: str, overrides: dict[str, Any] | None = None) -> Profile:
    """The profile `name`, or run `STUDY/RUN`, with `overrides`, whose relative paths start at `ROOT`.

    Raises UserError for an unknown profile or setting, a missing one, or a value out of range: a
    line for each, with where it was set, its name, and its value.
    """
    own, given = check(overrides or {}, "-p", ROOT), read(name)
    if "/" in name:
        own = of_run(own, given)
    given |= {key: (value, "-p") for key, value in own.items()}
    values = {key: value for key, (value, _) in given.items()}
    drawn = RUNS / name / values["data"] if str(values.get("data")) in PHANTOMS else None
    for key, within in BESIDE.items():
        if values.get(key) == "phantom":  # drawn images beside others would say nothing
            values[key] = str(drawn / within) if drawn else None
    if missing := [key for key in SETTINGS if key not in values]:
        raise UserError(f"profile {name} does not set {', '.join(missing)}; 'like: paper' does.")
    try:
        profile = Profile(name=name, **values)
    except ValidationError as error:
        told = []
        for found in error.errors():
            value, origin = given[key := found["loc"][0]]
            why = found["msg"].removeprefix("Value error, ")
            told.append(f"{origin}: {key} is {escape_control_chars(repr(value))}: {why}")
        raise UserError("\n".join(told)) from None
    if "none" in profile.preprocessing and len(profile.preprocessing) > 1:
        raise UserError(f"profile {name}: preprocessing is none or some steps, not both.")
    if isinstance(profile.threshold, str) and not profile.validation_fraction:
        told = f"profile {name}: for threshold {profile.threshold}"
        raise UserError(f"{told} set validation_fraction above 0.")
    return profile
