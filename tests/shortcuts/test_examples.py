"""One radiograph under each ablation, in a study with images."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
from PIL import Image

from deepcovid.shortcuts import examples
from deepcovid.study import Missing


def study(run, share):
    return SimpleNamespace(published=False, run=lambda: run, table=lambda _: share)


def measured() -> pd.DataFrame:
    """AUCs of all ablations; an untrained network's must not be shown for the own one's."""
    table = pd.DataFrame({"input": examples.SHOWN, "kind": "any", "target": "COVID-19", "auc": 0.9})
    return pd.concat([table.assign(kind="untrained", auc=0.1), table])


def test_the_lungs_are_black_where_masks_have_lung(run, tmp_path):
    left = np.zeros((512, 512), bool)
    left[:, :256] = True
    for i, mask in enumerate([left, left & False]):
        path = tmp_path / "lung-masks" / "train" / "covid" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    examples.write_lung_share(SimpleNamespace(data=tmp_path, folder=tmp_path))
    share = pd.read_csv(tmp_path / "lung_share.csv")
    assert share.shape == (64, 64) and (share.iloc[:, :32] == 0.5).all(axis=None)
    assert (share.iloc[:, 32:] == 0).all(axis=None)

    pictures, titles = examples.ablations(study(run, share), measured())
    assert titles[0] == "whole picture\nAUC 0.900" and len(titles) == len(examples.SHOWN)
    black = np.asarray(pictures[titles.index("black where lungs may be\nAUC 0.900")])
    whole, half = np.asarray(pictures[0]), black.shape[1] // 2
    assert not black[:, :half].any() and (black[:, half:] == whole[:, half:]).all()


def test_without_masks_the_lungs_are_left_out(run, tmp_path):
    examples.write_lung_share(SimpleNamespace(data=tmp_path, folder=tmp_path))
    assert not (tmp_path / "lung_share.csv").exists()
    _, titles = examples.ablations(study(run, Missing("paper/lung_share.csv")), measured())
    assert len(titles) == len(examples.SHOWN) - 2 and not any("lung" in t for t in titles)
