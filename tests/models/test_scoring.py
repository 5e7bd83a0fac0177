import numpy as np
import pandas as pd
import pytest
import torch

from deepcovid.models import features, scoring, training


def test_scores_cover_the_originals_and_nothing_else(run):
    training.run(run, "squeezenet", 0)
    path = scoring.run(run, "squeezenet", 0)
    scores = pd.read_csv(path)
    assert path == run.folder / "squeezenet" / "seed0" / "scores.csv"
    assert list(scores.columns) == scoring.COLUMNS
    assert list(scores.patient) == list(run.originals().patient)
    assert len(scores) == 56 and not scores.image.str.startswith("augmented/").any()
    assert scores.score.between(0, 1).all()
    model = run.model("squeezenet", 0)
    x = features.ImageSet(run.paths([scores.image[7]]), 64)[0, 0]
    with torch.no_grad():
        direct = model(x[None]).softmax(1)[0, 1]
    assert float(direct) == pytest.approx(scores.score[7], abs=1e-5)
    alone = scoring.score(model, run.paths(scores.image), 64)
    assert np.allclose(alone, scores.score, atol=1e-5)
    upside = scoring.score(
        model, run.paths(scores.image[:2]), 64, lambda picture, path: picture.rotate(180)
    )
    assert not np.allclose(upside, alone[:2])


def test_images_are_scored_in_parts_and_give_the_same(run, monkeypatch):
    training.run(run, "squeezenet", 0)
    whole, sizes, gather = pd.read_csv(scoring.run(run, "squeezenet", 0)), [], training.gather

    def noted(opened, model, tables, seed):
        sizes.append(len(tables["scored"]))
        return gather(opened, model, tables, seed)

    monkeypatch.setattr(scoring, "PART", 24)
    monkeypatch.setattr(training, "gather", noted)
    parts = pd.read_csv(scoring.run(run, "squeezenet", 0))
    assert sizes == [24, 24, 8] and list(parts.image) == list(whole.image)
    assert np.allclose(parts.score, whole.score, atol=1e-6)
