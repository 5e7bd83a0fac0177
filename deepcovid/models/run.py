"""An opened run: its tables, pictures, device and models, for whoever asks.

torch takes seconds to import: it is imported where networks are asked for.
"""

from functools import cached_property
from pathlib import Path

import pandas as pd

from deepcovid import io, profiles, runs
from deepcovid.data import audit, duplicates, manifest
from deepcovid.imports import code
from deepcovid.metrics import evaluation
from deepcovid.profiles import RECIPE, Profile
from deepcovid.runs import UserError


class Run:
    """A run whose manifest is there. Its steps ask it; what computes gets arrays, tables, models.

    `profile` holds its settings, `folder` is where it writes, `data` where its images lie.
    """

    def __init__(self, profile: Profile):
        self.profile, self.folder, self.data = profile, profile.folder, profile.data_folder

    @classmethod
    def open(cls, name: str, overrides: dict | None = None) -> "Run":
        """The run of a profile by its name; see `profiles.load`."""
        return cls(profiles.load(name, overrides))

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """All images of the run, a row each; UserError where the manifest is missing or unsound."""
        return manifest.read(self.folder / "manifest.csv")

    @cached_property
    def training(self) -> pd.DataFrame:
        """The images that are trained on, augmented ones among them."""
        return manifest.read(self.folder / "training.csv")

    @cached_property
    def inventory(self) -> pd.DataFrame:
        """All images in a fixed order: the manifest's, then those augmented for training."""
        made = self.training[self.training.image.str.startswith("augmented/")]
        return pd.concat([self.manifest, made], ignore_index=True)

    def originals(self, split: str | None = None) -> pd.DataFrame:
        """The manifest's images that are no augmented copies, of one split or of all."""
        table = manifest.originals(self.manifest)
        return table if split is None else table[table.split == split]

    @cached_property
    def phases(self) -> dict[str, pd.DataFrame]:
        """The rows each phase of a training uses: augmented images for it, originals for all else.

        With the `view` of each training image where the recipe weighs views.
        """
        tables = {"train": self.with_view(self.training)}
        if self.profile.validation_fraction:
            tables["validation"] = self.originals("validation")
        if self.profile.selection == "test_accuracy":
            tables["test"] = self.originals("test")
        return tables

    def views(self, table: pd.DataFrame) -> pd.Series:
        """The view of each image of a table as a table beside the images has it, `` where none does.

        An augmented image has that of its original.
        """
        of = table.augmented_from.where(table.augmented_from != "", table.image)
        known = audit.facts(self.manifest, self.data).set_index("image")["view"]
        return of.map(known).fillna("")

    def with_view(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table with the `view` of each image, where the recipe weighs views."""
        weighed = self.profile.class_weights == "views"
        return table.assign(view=self.views(table)) if weighed else table

    def paths(self, images) -> list[Path]:
        """The files of images that a manifest or training table names."""
        made = "augmented/"
        return [(self.folder if image.startswith(made) else self.data) / image for image in images]

    @cached_property
    def device(self):
        """The `torch.device` that the profile names."""
        from deepcovid.models import networks

        return networks.device_of(self.profile.device)

    @cached_property
    def preprocessing(self):
        """The `Preprocessing` of every picture before a model sees it; None where that is nothing."""
        from deepcovid.models import preprocessing

        return preprocessing.of(self.profile)

    def model_folder(self, name: str, seed: int) -> Path:
        return self.folder / name / f"seed{seed}"

    def build(self, name: str, seed: int) -> tuple:
        """A model (`networks.Classifier`) before its training, and where its first weights come from."""
        from deepcovid.models import networks

        model, origin = networks.build(name, self.profile.weights, seed)
        model.half = self.profile.precision == "bfloat16"
        return model, origin

    def made_from(self, model) -> dict:
        """All but training's own code that `model`, as `build` gives it, depends on once trained."""
        from deepcovid.models import features, networks

        prepare, train = self.preprocessing, self.phases["train"]
        views = {"views": io.digest(list(train["view"]))} if "view" in train else {}
        return views | {
            "recipe": {key: getattr(self.profile, key) for key in RECIPE},
            "images": {p: io.digest([list(t.sha1), list(t.label)]) for p, t in self.phases.items()},
            "reading": features.reading(self.profile.image_size),
            "weights": networks.state_digest(model),
            "preprocessing": prepare.variant if prepare else "",
        }

    def note(self, name: str, seed: int) -> dict:
        """What a model's training wrote of itself, `training.json`; nothing where there is none."""
        path = self.model_folder(name, seed) / "training.json"
        return io.read_json(path) if path.is_file() else {}

    def model(self, name: str, seed: int):
        """A trained model (`networks.Classifier`) in evaluation mode, on the run's device.

        Raises UserError where there is none, or one of another recipe, other images or weights.
        """
        from deepcovid.models import features, networks

        path = manifest.there(self.model_folder(name, seed) / "checkpoint.pt", "03_training")
        model, _ = self.build(name, seed)
        known = self.note(name, seed).get("made_from", {})
        other = [f"other {key}" for key, value in self.made_from(model).items()
                 if io.digest(known.get(key)) != io.digest(value)]  # fmt: skip
        if not io.is_fresh(path, io.digest(known)):
            other = ["it is not whole"]
        if other:
            raise UserError(
                f"{path} does not belong to this run ({'; '.join(other)}): run notebook "
                "03_training again."
            )
        networks.trained_part(self.profile, model).load_state_dict(networks.load_state(path))
        return features.to_device(model, self.device).eval()

    def seen(self, name: str, seed: int) -> pd.DataFrame:
        """What a trained model was trained on, validated on or chosen by, as its training wrote it.

        A row per image and phase, with `duplicates.SEEN` and `path`. Raises UserError where there is
        no such record, or another one than `training.json` names.
        """
        path = self.model_folder(name, seed) / "seen.csv"
        if not path.is_file() or self.note(name, seed).get("seen") != io.file_digest(path):
            raise UserError(f"{path} is not there, or not whole: run notebook 03_training again.")
        table = io.read_table(path, dtype=str, keep_default_na=False)
        return table.assign(path=self.paths(table.image))

    def everything(self) -> pd.DataFrame:
        """All images of the run's data, those of its test split too, as `seen` has them.

        What is in none of them is external.
        """
        parts = {part: self.inventory[self.inventory.split == part] for part in manifest.SPLITS}
        table = duplicates.of_phases(parts, self.data)
        return table.assign(path=self.paths(table.image))

    @property
    def signatures(self) -> Path:
        """Where it is kept by what radiographs are recognised, for all runs."""
        return self.profile.features / "signatures"

    def depends(self, module: str, trained: bool = False) -> str:
        """Stands for all that a step depends on whose code `module` holds, without reading an image.

        Settings, manifest, the files of images, masks, weights and tables that the settings name, and
        the code of the module and of all that it imports; where asked, the `trained` models.
        """
        profile = self.profile
        settings = {k: v for k, v in profile.settings().items() if k != "name"}
        places = self.data, profile.external, profile.collection, profile.severity, profile.weights
        tables = [self.folder / "manifest.csv", self.folder / "training.csv"]
        if trained:
            names = ("checkpoint.pt", "training.json", "seen.csv", "scores.csv")
            tables += [self.model_folder(*of) / name for name in names for of in profile.trainings]
        known = [io.file_digest(path) if path.is_file() else "" for path in tables]
        return io.digest([settings, known, runs.state(*places), code(module)])

    def scores(self, name: str, seed: int) -> pd.DataFrame:
        """P(COVID-19) of each original image, as `scores.csv` has it."""
        path = self.model_folder(name, seed) / "scores.csv"
        return evaluation.read_scores(manifest.there(path, "03_training"))
