import numpy as np
import pytest
import torch
from conftest import user_error

from deepcovid.data import augmentation, dicom, grey, images
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
    with pytest.raises(TypeError):
        extract([45], tmp_path / "kept")


@pytest.fixture
def own(run, tmp_path):
    """Copies of three images with their SHA-1, that a test may change; and what extracts them."""
    model, _ = networks.build("squeezenet", "random", 0)
    paths = [tmp_path / "own" / f"{i}.png" for i in range(3)]
    for path, source in zip(paths, run.paths(run.manifest.image[:3]), strict=True):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(source.read_bytes())
    sha1 = list(run.manifest.sha1[:3])

    def extract(sha1=sha1):
        return features.extract(
            model.backbone, paths, sha1, range(3), 64, torch.device("cpu"), keep=tmp_path / "kept"
        )

    return paths, sha1, extract


def test_a_file_that_is_not_the_listed_one_is_refused_kept_or_not(own):
    """So that nothing is kept under another image's name, nor given out for a changed one."""
    paths, sha1, extract = own
    with user_error("2.png is no longer the image.*01_dataset"):
        extract([*sha1[:2], "0" * 40])
    expected = extract()
    paths[2].write_bytes(paths[0].read_bytes())
    with user_error("2.png is no longer the image"):
        extract()
    paths[2].unlink()
    with user_error("2.png: No such file"):
        extract()
    changed = extract_after(paths, sha1, extract)
    assert np.array_equal(changed[2], expected[0])


def extract_after(paths, sha1, extract):
    """What is given once the manifest lists the file that is there now."""
    paths[2].write_bytes(paths[0].read_bytes())
    return extract([*sha1[:2], sha1[0]])


def test_kept_features_hang_on_what_reads_the_images(own, monkeypatch):
    _, _, extract = own
    first = extract()
    monkeypatch.setattr(augmentation, "MEAN", (0.5, 0.5, 0.5))
    second = extract()
    assert not np.array_equal(first, second)
    monkeypatch.undo()
    assert np.array_equal(extract(), first)
    assert features.reading(64) == features.reading(64) != features.reading(96)


@pytest.mark.parametrize("module", (images, dicom, grey))
def test_reading_hangs_on_all_code_that_reads(module, edited):
    before = features.reading(64)
    edited(module)
    assert features.reading(64) != before


def test_what_is_made_ahead_comes_in_its_order_one_at_a_time_with_its_error():
    made = []

    def stream():
        for i in range(4):
            made.append(i)
            if i == 3:
                raise ValueError("broken")
            yield i

    found = features.ahead(stream())
    assert next(found) == 0 and len(made) <= 2
    assert next(found) == 1 and next(found) == 2
    with pytest.raises(ValueError, match="broken"):
        next(found)
    assert list(features.ahead(iter([]))) == []


def test_features_are_those_of_images_read_one_by_one(run, monkeypatch):
    monkeypatch.setattr(features, "CHUNK", 10)
    model, _ = networks.build("squeezenet", "random", 0)
    paths, sha1 = run.paths(run.inventory.image), list(run.inventory.sha1)
    found = features.extract(
        model.backbone, paths, sha1, range(20), 64, torch.device("cpu"), keep=None
    )
    shown = features.ImageSet(paths, 64)
    backbone = features.to_device(model.backbone, torch.device("cpu")).eval()
    for first in (0, 10):
        batch = torch.stack([shown[0, i] for i in range(first, first + 10)])
        with torch.inference_mode():
            seen = backbone(batch.contiguous(memory_format=torch.channels_last))
        assert np.array_equal(found[first : first + 10], seen.numpy())
