"""An opened run: its tables, pictures, device and models, for whoever asks."""

from functools import cached_property
from pathlib import Path

import pandas as pd
import torch

from deepcovid import profiles
from deepcovid.data import augmentation, manifest
from deepcovid.models import networks, preparation
from deepcovid.models.features import to_device
from deepcovid.profiles import Profile
from deepcovid.runs import ROOT, UserError


class Run:
    """A run whose manifest is there. Its steps ask it; what computes gets arrays, tables, models.

    `profile` holds its settings, `folder` is where it writes, `data` where its images lie.
    """

    def __init__(self, profile: Profile):
        self.profile, self.folder, self.data = profile, profile.folder, profile.data_folder

    @classmethod
    def open(cls, name: str, overrides: dict | None = None, base: Path = ROOT) -> "Run":
        """The run of a profile by its name; see `profiles.load`."""
        return cls(profiles.load(name, overrides, base))

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """All images of the run, a row each; UserError where the manifest is missing or unsound."""
        return manifest.read(self.folder / "manifest.csv")

    @cached_property
    def training(self) -> pd.DataFrame:
        """The images that are trained on, augmented ones among them."""
        path = self.folder / "training.csv"
        if not path.is_file():
            raise UserError(f"{path} is not there yet: run notebook 02_augmentation first.")
        return pd.read_csv(path, keep_default_na=False)

    @cached_property
    def inventory(self) -> pd.DataFrame:
        """All images in a fixed order: the manifest's, then those augmented for training."""
        made = self.training[self.training.image.str.startswith("augmented/")]
        return pd.concat([self.manifest, made], ignore_index=True)

    def originals(self, split: str | None = None) -> pd.DataFrame:
        """The manifest's images that are no augmented copies, of one split or of all."""
        table = manifest.originals(self.manifest)
        return table if split is None else table[table.split == split]

    def paths(self, images) -> list[Path]:
        """The files of images that a manifest or training table names."""
        return [augmentation.locate(self.profile, image) for image in images]

    @cached_property
    def device(self) -> torch.device:
        return networks.device_of(self.profile.device)

    @cached_property
    def preparation(self) -> preparation.Preparation | None:
        """What is done to every picture before a model sees it; None where that is nothing."""
        return preparation.of(self.profile)

    def model_folder(self, name: str, seed: int) -> Path:
        return self.profile.model_folder(name, seed)

    def build(self, name: str, seed: int) -> tuple[networks.Classifier, networks.Weights]:
        """A model before its training, and where its first weights come from."""
        return networks.build(name, self.profile.weights, seed)

    def model(self, name: str, seed: int) -> networks.Classifier:
        """A trained model in evaluation mode, on the run's device."""
        path = self.model_folder(name, seed) / "checkpoint.pt"
        if not path.is_file():
            raise UserError(f"{path} is not there yet: run notebook 03_training first.")
        model, _ = self.build(name, seed)
        networks.trained_part(self.profile, model).load_state_dict(networks.load_state(path))
        return to_device(model, self.device).eval()

    def scores(self, name: str, seed: int) -> pd.DataFrame:
        """P(COVID-19) of each original image, as `scores.csv` has it."""
        return pd.read_csv(self.model_folder(name, seed) / "scores.csv", keep_default_na=False)
