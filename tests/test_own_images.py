"""The page `docs/own_images.md` does what it says, from its first line to its last."""

import re
from pathlib import Path

import numpy as np
import torch
from conftest import draw
from sklearn.metrics import roc_auc_score
from torchvision.models import resnet18

from deepcovid import profiles
from deepcovid.models import training
from deepcovid.runs import ROOT

PAGE = (ROOT / "docs" / "own_images.md").read_text(encoding="utf-8")


def test_the_page_runs_as_it_is_written(run, tmp_path, monkeypatch, capsys):
    training.run(run, "squeezenet", 0)
    monkeypatch.setattr(profiles, "load", lambda name, overrides: run.profile)
    monkeypatch.chdir(tmp_path)
    for i in range(5):
        draw(Path("my-radiographs") / "covid" / f"{i}.png", i, 70)
        draw(Path("my-radiographs") / "non" / f"{i}.png", 50 + i)
    torch.save(resnet18(num_classes=2).state_dict(), "my-model.pth")
    first, second = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names = {}
    exec(first, names)
    auc, low, high = map(float, re.findall(r"[\d.]+", capsys.readouterr().out))
    assert 0 <= low <= auc <= high <= 1 and auc == roc_auc_score(names["label"], names["score"])
    assert names["score"].shape == (10,) and ((names["score"] >= 0) & (names["score"] <= 1)).all()
    assert sum(names["label"]) == 5
    assert names["heat"].shape == (64, 64) and np.abs(names["heat"]).max() > 0
    exec(second, names)
    assert names["score"].shape == (10,) and len(set(names["score"])) == 10


def test_ten_lines_are_enough():
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL).group(1)
    lines = [line for line in code.split("\n") if line and "import" not in line]
    assert len(lines) <= 10
