import numpy as np
import pytest
import torch
from conftest import user_error
from PIL import Image

from deepcovid.data import augmentation
from deepcovid.models import features, networks
from imageaudit import dicom, grey, images


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
    with user_error("2.png is no longer the image"):
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


@pytest.fixture
def pictures(tmp_path):
    """A grey picture that is wider than high, one higher than wide, and a coloured one."""
    random = np.random.default_rng(0)
    shapes = [(90, 120), (140, 70), (100, 100, 3)]
    paths = [tmp_path / f"{i}.png" for i in range(len(shapes))]
    for path, shape in zip(paths, shapes, strict=True):
        Image.fromarray(random.integers(0, 256, shape, np.uint8)).save(path)
    return paths


@pytest.mark.parametrize("crop", ["none", "random", "affine"])
@pytest.mark.parametrize("room", [2**30, 12_000, 0])
def test_kept_pictures_give_the_same_inputs_and_are_read_once(pictures, crop, room, monkeypatch):
    read, opened = [], images.open_radiograph
    monkeypatch.setattr(images, "open_radiograph", lambda p: read.append(p) or opened(p))
    monkeypatch.setattr(features, "ROOM", room)
    plain = features.ImageSet(pictures, 64, crop, seed=3)
    kept = features.ImageSet(pictures, 64, crop, seed=3, keep=torch.device("cpu"))
    expected = [plain[epoch, i] for epoch in range(3) for i in range(3)]
    read.clear()
    assert all(
        torch.equal(kept[epoch, i], expected[3 * epoch + i]) for epoch in range(3) for i in range(3)
    )
    times = {pictures.index(path): read.count(path) for path in pictures}
    if room == 2**30:
        assert times == {0: 1, 1: 1, 2: 1}
    elif room == 0:
        assert times == {0: 3, 1: 3, 2: 3}
    else:  # one whole grey picture has room, or two that were resized; no coloured one
        assert times == ({0: 1, 1: 3, 2: 3} if crop == "random" else {0: 1, 1: 1, 2: 3})


def test_kept_pictures_go_through_batches(pictures):
    cpu = torch.device("cpu")
    kept = features.ImageSet(pictures, 64, "random", 3, keep=cpu)
    groups = [[2, 0], [1]]
    for epoch in range(2):
        for group, batch in zip(groups, kept.batches(groups, cpu, epoch), strict=True):
            assert batch.is_contiguous(memory_format=torch.channels_last)
            assert all(torch.equal(x, kept[epoch, i]) for x, i in zip(batch, group, strict=True))
    assert len(kept.kept) == 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("crop", ["none", "random", "affine"])
def test_a_graphics_card_makes_the_inputs_that_the_cpu_makes(pictures, crop):
    """But for the rounding of a grey level or so."""
    ours, theirs = (
        features.ImageSet(pictures, 64, crop, 3, keep=torch.device(d)) for d in ("cpu", "cuda")
    )
    for epoch in range(2):
        for i in range(3):
            found = theirs[epoch, i]
            assert found.is_cuda and (found.cpu() - ours[epoch, i]).abs().mean() < 0.02
