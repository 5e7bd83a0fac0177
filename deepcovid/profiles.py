"""A profile says how one run differs from another: a YAML file, checked, then frozen."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deepcovid.runs import ROOT, RUNS, UserError

PROFILES = ROOT / "profiles"
MODELS = ("resnet18", "resnet50", "squeezenet", "densenet121")
PATHS = ("data", "external", "weights")  # a relative path is taken from where it was written


@dataclass(frozen=True)
class Profile:
    """The settings of a run; `check` says what each may be. `profiles/paper.yaml` explains them."""

    name: str
    data: str
    external: str | None
    models: tuple[str, ...]
    weights: str
    image_size: int
    seeds: tuple[int, ...]
    device: str
    workers: int
    validation_fraction: float
    optimizer: str
    learning_rate: float
    momentum: float
    schedule: str
    epochs: int
    batch_size: int
    trainable: str
    preparation: tuple[str, ...]
    augment_positives: int | str
    train_crop: str
    batch_norm: str
    class_weights: str
    selection: str
    threshold: float | str

    @property
    def folder(self) -> Path:
        """Where this run writes."""
        return RUNS / self.name

    @property
    def data_folder(self) -> Path:
        """Where the images are; the phantom's are drawn into the run itself."""
        return self.folder / "phantom" if self.data == "phantom" else Path(self.data)

    def model_folder(self, model: str, seed: int) -> Path:
        return self.folder / model / f"seed{seed}"

    def settings(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def one_of(*words):
    def check(value):
        if value not in words:
            raise ValueError
        return value

    check.allowed = "one of " + ", ".join(words)
    return check


def number(kind, low, high, but=()):
    """A number from `low` to `high`, or one of the words in `but`."""

    def check(value):
        if value in but:
            return value
        result = kind(value)
        if isinstance(value, bool) or result != float(value) or not low <= result <= high:
            raise ValueError
        return result

    words = "".join(f", or {word}" for word in but)
    check.allowed = f"{'a whole' if kind is int else 'a'} number from {low} to {high}{words}"
    return check


def several(item):
    def check(value):
        parts = value.split(",") if isinstance(value, str) else value
        parts = parts if isinstance(parts, list | tuple) else [parts]
        result = tuple(item(p.strip() if isinstance(p, str) else p) for p in parts)
        if not result or len(set(result)) < len(result):
            raise ValueError
        return result

    check.allowed = f"different entries, separated by commas, each {item.allowed}"
    return check


def text(value):
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError
    return str(value)


text.allowed = "a path or a word"


def optional(value):
    return None if value in (None, "none", "") else text(value)


optional.allowed = "a folder, or none"

CHECKS = {
    "data": text,
    "external": optional,
    "models": several(one_of(*MODELS)),
    "weights": text,
    "image_size": number(int, 32, 1024),
    "seeds": several(number(int, 0, 2**31 - 1)),
    "device": one_of("auto", "cpu", "cuda"),
    "workers": number(int, 0, 256),
    "validation_fraction": number(float, 0, 0.5),
    "optimizer": one_of("adam", "sgd"),
    "learning_rate": number(float, 1e-8, 10),
    "momentum": number(float, 0, 0.999),
    "schedule": one_of("constant", "step", "step_first"),
    "epochs": number(int, 1, 10_000),
    "batch_size": number(int, 1, 4096),
    "trainable": one_of("head", "all"),
    "preparation": several(one_of("none", "lungs", "coarse", "equalise", "only_lungs", "grey")),
    "augment_positives": number(int, 1, 100, but=("release",)),
    "train_crop": one_of("none", "random", "moved"),
    "batch_norm": one_of("eval", "train"),
    "class_weights": one_of("none", "balanced"),
    "selection": one_of("last", "validation_auc", "test_accuracy"),
    "threshold": number(float, 0, 1, but=("youden", "sensitivity_98")),
}

# what the trained weights depend on, besides the images, the seed and the first weights
RECIPE = (
    "preparation",
    "image_size",
    "optimizer",
    "learning_rate",
    "momentum",
    "schedule",
    "epochs",
    "batch_size",
    "trainable",
    "train_crop",
    "batch_norm",
    "class_weights",
    "selection",
)


def names() -> list[str]:
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def read(name: str) -> dict[str, Any]:
    """A profile file's settings, on top of those of the profile that it is `like`."""
    path = PROFILES / f"{name}.yaml"
    if not path.is_file():
        raise UserError(f"There is no profile '{name}'. There are: {', '.join(names())}.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{path.name} is not valid YAML: {error}") from None
    base = read(values.pop("like")) if "like" in values else {}
    return base | check(values, path.name, ROOT)


def check(values: dict[str, Any], origin: str, base: Path) -> dict[str, Any]:
    """Settings of the right kind and range; relative paths taken from `base`.

    Raises UserError that names the origin, the key and what is allowed.
    """
    checked = {}
    for key, value in values.items():
        if key not in CHECKS:
            raise UserError(f"{origin}: unknown setting '{key}'. There are: {', '.join(CHECKS)}.")
        try:
            checked[key] = CHECKS[key](value)
        except (TypeError, ValueError, OverflowError):
            allowed = CHECKS[key].allowed
            raise UserError(f"{origin}: {key} is {value!r}, but must be {allowed}.") from None
        if key in PATHS and checked[key] not in (None, "phantom", "imagenet", "random"):
            checked[key] = str((base / Path(checked[key]).expanduser()).resolve())
    return checked


def load(name: str, overrides: dict[str, Any] | None = None, base: Path = ROOT) -> Profile:
    """The profile `name` with `overrides`; relative paths among these are taken from `base`.

    Raises UserError for an unknown profile or setting, a missing one, or a value out of range.
    """
    values = read(name) | check(overrides or {}, "override", base)
    missing = [key for key in CHECKS if key not in values]
    if missing:
        raise UserError(f"{name}.yaml does not set {', '.join(missing)}.")
    if "none" in values["preparation"] and len(values["preparation"]) > 1:
        raise UserError(f"profile {name}: preparation is none or some steps, not both.")
    needs_validation = values["selection"] == "validation_auc" or isinstance(
        values["threshold"], str
    )
    if needs_validation and values["validation_fraction"] == 0:
        raise UserError(
            f"profile {name}: selection {values['selection']} and threshold {values['threshold']} "
            "are chosen on validation images: set validation_fraction above 0."
        )
    return Profile(name=name, **values)
