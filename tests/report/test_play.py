"""What is played with in JupyterLab: controls and the figure that follows them, without a browser."""

import base64
import io
import re

import pandas as pd
import pytest
from PIL import Image

from deepcovid.metrics import intervals
from deepcovid.report import play

SCORES = pd.DataFrame({
    "image": list("abcdef"), "split": ["test"] * 5 + ["validation"], "label": [1, 1, 0, 0, 0, 1],
    "score": [0.9, 0.3, 0.4, 0.1, 0.05, 0.7], "patient": list("abcdef"),
})  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Two models' scores as a run has them; the second is turned round."""
    frozen = []
    for name, threshold in (("resnet18", 0.35), ("squeezenet", 0.6)):
        table = SCORES.assign(score=1 - SCORES.score) if name == "squeezenet" else SCORES
        place = tmp_path / "mine" / name / "seed0"
        place.mkdir(parents=True)
        table.to_csv(place / "scores.csv", index=False)
        frozen.append({"model": name, "seed": 0, "threshold": threshold})
    pd.DataFrame(frozen).to_csv(tmp_path / "mine" / "metrics.csv", index=False)
    return tmp_path / "mine"


def told(played):
    """Found of COVID-19, called of Non-COVID, as the words beside the figure say."""
    return tuple(int(n) for n in re.findall(r"(\d+) of \d", played.children[2].value))


@pytest.mark.slow
def test_a_moved_threshold_moves_the_figure_and_its_words(folder):
    played = play.thresholds(folder)
    _, threshold, _, picture = played.children
    before = picture.value
    assert threshold.value == 0.35 and told(played) == (1, 1)
    threshold.value = 0.2
    assert told(played) == (2, 1) and picture.value != before
    counts = intervals.confusion(SCORES.label[:5], SCORES.score[:5], 0.2)
    assert told(played) == (counts["tp"], counts["fp"])
    threshold.value = 1.0
    assert told(played) == (0, 0)


@pytest.mark.slow
def test_another_model_begins_at_its_own_threshold(folder):
    played = play.thresholds(folder, folder.parent / "nothing here")
    model, threshold, words, _ = played.children
    assert model.options == ("mine: resnet18, seed 0", "mine: squeezenet, seed 0")
    model.value = "mine: squeezenet, seed 0"
    assert threshold.value == 0.6 and told(played) == (1, 3)
    assert words.value.startswith("mine: squeezenet, seed 0: from 0.600 on")


def test_a_notebook_gets_controls_and_a_still_picture(folder):
    data, about = play.thresholds(folder)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as picture:
        assert picture.width == pytest.approx(2 * about["image/png"]["width"], abs=1)
    assert "are found" in data["text/plain"]
