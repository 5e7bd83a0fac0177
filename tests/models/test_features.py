import numpy as np
import pytest
import torch

from deepcovid.models import features, networks


def test_features_are_kept_by_content_and_computed_once(run, monkeypatch, tmp_path):
    model, _ = networks.build("squeezenet", "random", 0)
    paths, sha1 = run.paths(run.inventory.image), list(run.inventory.sha1)
    monkeypatch.setattr(features, "CHUNK", 10)

    def extract(wanted, keep):
        return features.extract(
            model.backbone, paths, sha1, wanted, 64, torch.device("cpu"), keep=keep
        )

    wanted = [31, 2, 17, 2]
    direct = extract(wanted, None)
    kept = extract(wanted, tmp_path / "kept")
    assert np.array_equal(direct, kept)
    assert not np.array_equal(kept[0], kept[1]) and np.array_equal(kept[1], kept[3])
    assert len(list((tmp_path / "kept").rglob("*.npy"))) == 3

    def dark(picture, path):
        return picture.point(lambda value: 0)

    changed = features.extract(
        model.backbone, paths, sha1, wanted, 64, torch.device("cpu"),
        keep=tmp_path / "kept", change=dark, variant="dark",
    )  # fmt: skip
    assert np.array_equal(changed[0], changed[1]) and not np.array_equal(changed, kept)
    monkeypatch.setattr(features.images, "open_radiograph", None)  # reading again would fail
    assert np.array_equal(extract(wanted, tmp_path / "kept"), kept)
    sha1[2] = "0" * 40  # another image
    with pytest.raises(TypeError):
        extract(wanted, tmp_path / "kept")
