"""A profile says how one run differs from another: a YAML file, checked, then frozen."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    with_config,
)
from typing_extensions import TypedDict

from deepcovid.runs import ROOT, RUNS, UserError, near_miss, shown, write_text

PROFILES = ROOT / "profiles"
MODELS = ("resnet18", "resnet50", "squeezenet", "densenet121")
PATHS = (
    "data",
    "external",
    "collection",
    "severity",
    "weights",
)  # a relative path is taken from where it was written
WORDS = ("phantom", "imagenet", "random")  # that stand in the place of a path
DRAWN = ("collection", "severity")  # that are drawn where the data is
KEPT = "profile.yaml"  # in a run's folder: the settings of a profile that is not in profiles/
OTHERS = ("ablation", "features")  # folders in runs/ that are no profile's


def no_truth(value):
    if isinstance(value, bool):  # Python counts them among the whole numbers
        raise ValueError
    return value


def text(value):
    return str(value) if isinstance(value, Path) else value


def apart(value):
    parts = value.split(",") if isinstance(value, str) else value
    parts = parts if isinstance(parts, list | tuple) else [parts]
    return [part.strip() if isinstance(part, str) else part for part in parts]


def different(values: tuple) -> tuple:
    if len(set(values)) < len(values):
        raise ValueError
    return values


def number(kind: type, low: float, high: float):
    """The type of a whole number or a float from `low` to `high`."""
    return Annotated[kind, Field(ge=low, le=high), BeforeValidator(no_truth)]


Text = Annotated[str, Field(min_length=1, description="a path or a word"), BeforeValidator(text)]
Folder = Annotated[
    str | None,
    Field(description="a path, or none"),
    BeforeValidator(lambda value: None if value in ("none", "") else text(value)),
]
SEVERAL = Field(min_length=1), BeforeValidator(apart), AfterValidator(different)
Model = Literal[MODELS]
Step = Literal["none", "lungs", "coarse", "equalise", "only_lungs", "grey"]


@dataclass(frozen=True)
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
    workers: number(int, 0, 256)
    precision: Literal["float32", "bfloat16"]
    validation_fraction: number(float, 0, 0.5)
    optimizer: Literal["adam", "sgd"]
    learning_rate: number(float, 1e-8, 10)
    momentum: number(float, 0, 0.999)
    schedule: Literal["constant", "step", "step_first"]
    epochs: number(int, 1, 10_000)
    batch_size: number(int, 1, 4096)
    trainable: Literal["head", "all"]
    preparation: Annotated[tuple[Step, ...], *SEVERAL]
    augment_positives: number(int, 1, 100) | Literal["release"]
    train_crop: Literal["none", "random", "moved"]
    batch_norm: Literal["eval", "train"]
    class_weights: Literal["none", "balanced", "sources", "views"]
    selection: Literal["last", "validation_auc", "test_accuracy"]
    threshold: number(float, 0, 1) | Literal["youden", "sensitivity_98"]

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


# what the trained weights depend on, besides the images, the seed and the first weights
RECIPE = (
    "preparation",
    "image_size",
    "precision",
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

TYPES = get_type_hints(Profile, include_extras=True)
SETTINGS = tuple(TYPES)[1:]  # all but the name
# any of the settings, since a file or the command line gives a few of them
GIVEN = TypeAdapter(
    with_config(ConfigDict(extra="forbid"))(
        TypedDict("Given", {key: TYPES[key] for key in SETTINGS}, total=False)
    )
)


def allowed(kind: dict[str, Any]) -> str:
    """What a setting may be, in words, from pydantic's description of its type."""
    if "description" in kind:
        return kind["description"]
    if "anyOf" in kind:
        return ", or ".join(map(allowed, kind["anyOf"]))
    if kind["type"] == "array":
        return f"different entries, separated by commas, each {allowed(kind['items'])}"
    if words := words_of(kind):
        return "one of " + ", ".join(words) if len(words) > 1 else words[0]
    whole = " whole" * (kind["type"] == "integer")
    return f"a{whole} number from {kind['minimum']} to {kind['maximum']}"


def words_of(kind: dict[str, Any]) -> list[str]:
    """The words that a setting, or an entry of it, may be."""
    if "anyOf" in kind:
        return [word for one in kind["anyOf"] for word in words_of(one)]
    if "items" in kind:
        return words_of(kind["items"])
    return kind.get("enum", [kind["const"]] if "const" in kind else [])


def complaints(error: ValidationError, values: dict, origin: str) -> list[str]:
    """A line for each setting that is wrong: the origin, the key, the value, what is allowed."""
    schema, lines = GIVEN.json_schema()["properties"], {}
    for found in error.errors():
        key = found["loc"][0]
        if key not in SETTINGS:
            meant = near_miss(key, SETTINGS) or f" There are: {', '.join(SETTINGS)}."
            lines[key] = f"{origin}: unknown setting '{shown(key)}'.{meant}"
            continue
        told = f"{origin}: {key} is {values[key]!r}, but must be {allowed(schema[key])}."
        lines.setdefault(key, told)
        if found["type"] == "literal_error":
            lines[key] = told + near_miss(found["input"], words_of(schema[key]))
    return list(lines.values())


def names() -> list[str]:
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def place(name: str) -> Path:
    """The file of a profile: NAME in profiles/, or as its last run kept it, or a YAML file's path.

    Raises UserError where there is none, and where a run cannot be called as the file is.
    """
    path = Path(name).absolute()
    if path.suffix in (".yaml", ".yml") and path.parent == PROFILES:
        name = path.stem
    elif path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise UserError(f"There is no profile file {path}.{near_miss(path.stem, names())}")
        taken = path.stem in (*names(), *OTHERS)
        word = re.fullmatch(r"\w[\w.-]*", path.stem) and yaml.safe_load(path.stem) == path.stem
        if taken or not word:
            raise UserError(
                f"A run cannot be called '{path.stem}'{' as well' * taken}: give {path} another "
                "name, of letters, digits, '-' and '_'."
            )
        return path
    for path in (PROFILES / f"{name}.yaml", RUNS / name / KEPT):
        if path.is_file() and "/" not in name:
            return path
    raise UserError(
        f"There is no profile '{name}'.{near_miss(name, names())} There are: {', '.join(names())}."
    )


def read(name: str, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A profile file's settings, on top of those of the profile that it is `like`.

    `above` are the files that are, one after the other, like this one.
    """
    path = place(name)
    if path in above:
        raise UserError(f"{path.name} is like itself: {' > '.join(p.name for p in (*above, path))}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise UserError(
            f"{path.name} is not valid YAML: {shown(' '.join(str(error).split()))}"
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name} is not UTF-8 text: see byte {error.start + 1}.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    if not isinstance(values, dict):
        raise UserError(f"{path.name} must hold lines such as 'epochs: 10', not {values!r}.")
    base = {}
    if like := str(values.pop("like", "")):
        own = Path(like).suffix in (".yaml", ".yml")
        base = read(str(path.parent / like) if own else like, (*above, path))
    return base | check(values, path.name, ROOT if path.parent == PROFILES else path.parent)


def check(values: dict[str, Any], origin: str, base: Path) -> dict[str, Any]:
    """Settings of the right kind and range; relative paths taken from `base`.

    Raises UserError with a line for each that is wrong: origin, key, value, what is allowed.
    """
    try:
        checked = GIVEN.validate_python(values)
    except ValidationError as error:
        raise UserError("\n".join(complaints(error, values, origin))) from None
    for key in PATHS:
        value = checked.get(key)
        if value is None:
            continue
        if value.lower() in WORDS:
            checked[key] = value.lower()
            continue
        try:
            checked[key] = str((base / Path(value).expanduser()).resolve())
        except (RuntimeError, ValueError, OSError) as error:  # ~nobody, links in a circle
            raise UserError(f"{origin}: {key} is {value!r}, which is no path: {error}") from None
    return checked


def load(name: str, overrides: dict[str, Any] | None = None, base: Path = ROOT) -> Profile:
    """The profile `name`, or of a YAML file, with `overrides`, whose relative paths start at `base`.

    Raises UserError for an unknown profile or setting, a missing one, or a value out of range.
    """
    path, values = place(name), read(name) | check(overrides or {}, "override", base)
    called = path.parent.name if path == RUNS / name / KEPT else path.stem
    if values.get("data") != "phantom":  # drawn images beside others would say nothing
        values |= dict.fromkeys(key for key in DRAWN if values.get(key) == "phantom")
    missing = [key for key in SETTINGS if key not in values]
    if missing:
        raise UserError(f"{path.name} does not set {', '.join(missing)}; 'like: paper' does.")
    if "none" in values["preparation"] and len(values["preparation"]) > 1:
        raise UserError(f"profile {called}: preparation is none or some steps, not both.")
    needs_validation = values["selection"] == "validation_auc" or isinstance(
        values["threshold"], str
    )
    if needs_validation and values["validation_fraction"] == 0:
        raise UserError(
            f"profile {called}: selection {values['selection']} and threshold {values['threshold']} "
            "are chosen on validation images: set validation_fraction above 0."
        )
    return Profile(name=called, **values)


def keep(name: str) -> None:
    """Keep the settings of a YAML file elsewhere in its run, where notebooks find them by name."""
    path = place(name)
    if path.parent != PROFILES and path != RUNS / name / KEPT:
        settings = yaml.safe_dump(GIVEN.dump_python(read(name), mode="json"), sort_keys=False)
        write_text(RUNS / path.stem / KEPT, f"# as {path} says\n{settings}")
