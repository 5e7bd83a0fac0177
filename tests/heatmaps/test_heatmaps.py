"""Maps against a slow loop and Captum's own; scores of maps; models of which is known what they
look at; a run's files; bad input."""

import numpy as np
import pytest
import torch
from captum.attr import Occlusion
from conftest import changed, user_error
from sklearn.metrics import average_precision_score
from torch import nn

from deepcovid import runs
from deepcovid.data import phantom
from deepcovid.heatmaps import agreement, calibration, maps, study
from deepcovid.heatmaps import tables as heatmaps_tables
from deepcovid.heatmaps.agreement import agreement
from deepcovid.heatmaps.maps import grad_cam, occlusion
from deepcovid.metrics import intervals
from deepcovid.models import networks, scoring, training


@pytest.fixture(scope="module")
def model():
    """A small untrained network whose answers are not all alike."""
    made = calibration.network(0).eval().requires_grad_(False)
    made.head.weight *= 20
    return made


@pytest.fixture(scope="module")
def inputs():
    return torch.randn(3, 3, 30, 24, generator=torch.Generator().manual_seed(0))


def score(model, inputs):
    return model(inputs).softmax(1)[:, 1]


def slow(model, inputs, window, stride, fill):
    """The definition, pixel by pixel and square by square."""
    whole = score(model, inputs)
    total, count = torch.zeros(2, len(inputs), *inputs.shape[2:])
    for i, picture in enumerate(inputs):
        for top in maps.starts(inputs.shape[2], window, stride):
            for left in maps.starts(inputs.shape[3], window, stride):
                here = (slice(top, top + window), slice(left, left + window))
                covered = picture.clone()
                covered[:, *here] = maps.grey(fill)
                total[i][here] += whole[i] - score(model, covered[None])[0]
                count[i][here] += 1
    return (total / count).numpy()


@pytest.mark.parametrize(("window", "stride"), [(7, 3), (5, 5), (9, 4), (24, 1)])
def test_occlusion_is_what_its_definition_says_and_what_captum_gives(model, inputs, window, stride):
    found = occlusion(model, inputs, window, stride, fill=100, batch_size=7)
    assert found.shape == (3, 30, 24) and found.dtype == np.float32
    assert np.ptp(found) > 1e-3
    np.testing.assert_allclose(found, slow(model, inputs, window, stride, 100), atol=1e-5)
    captum = Occlusion(lambda x: score(model, x)).attribute(
        inputs,
        (3, window, window),
        (3, stride, stride),
        baselines=maps.grey(100)[None].expand(1, 3, 30, 24),
    )
    np.testing.assert_allclose(found, captum[:, 0].numpy(), atol=1e-5)


def test_the_batch_size_changes_nothing_and_scales_are_averaged(model, inputs):
    one, other = (occlusion(model, inputs, 6, 3, batch_size=n) for n in (1, 50))
    np.testing.assert_allclose(one, other, atol=1e-6)
    both = occlusion(model, inputs, (6, 10), (3, 5))
    np.testing.assert_allclose(both, (one + occlusion(model, inputs, 10, 5)) / 2, atol=1e-6)


def test_squares_are_where_the_gpu_is_told_they_are():
    found = maps.covering(np.array([[1, 3, 0, 2], [2, 6, 3, 9]]), (4, 5), torch.device("cpu"))
    assert found.shape == (2, 1, 4, 5)
    assert found[0, 0].nonzero().tolist() == [[1, 0], [1, 1], [2, 0], [2, 1]]
    assert found[1, 0].sum() == 4 and found[1, 0, 2:, 3:].all()


def test_inputs_are_left_as_they_were(model, inputs):
    before = inputs.clone()
    occlusion(model, inputs, 6, 3)
    grad_cam(model, inputs)
    assert torch.equal(inputs, before)


@pytest.mark.parametrize("name", networks.TORCHVISION)
def test_grad_cam_of_all_four_models_is_its_definition(name):
    model, _ = networks.build(name)
    model.eval()
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    found = grad_cam(model, x)
    assert found.shape == (2, 64, 64) and (found >= 0).all() and np.isfinite(found).all()
    # the definition, by hand: gradients weigh the channels of the last stage
    stage = model.last_conv
    values = {}
    model.backbone.get_submodule(stage).register_forward_hook(
        lambda module, given, out: values.setdefault("out", out.requires_grad_().clone())
    )
    layers = list(model.backbone.named_children())
    after = [module for _, module in layers[[n for n, _ in layers].index(stage) + 1 :]]
    model(x)
    maps = values["out"].detach().requires_grad_()
    logits = model.head(nn.Sequential(*after)(maps.clone()))
    (slope,) = torch.autograd.grad(logits[:, 1].sum(), maps)
    by_hand = (slope.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True)
    by_hand = nn.functional.interpolate(by_hand, (64, 64), mode="bilinear").clamp(min=0)
    np.testing.assert_allclose(found, by_hand[:, 0].detach().numpy(), atol=1e-5)


def test_grad_cam_of_a_layer_that_is_overwritten_in_place():
    """bn2 of a ResNet block is added to and put through a ReLU in place."""
    model, _ = networks.build("resnet18")
    x = torch.randn(1, 3, 64, 64)
    assert grad_cam(model, x, "layer3.1.bn2").shape == (1, 64, 64)
    assert all(m.inplace for m in model.modules() if isinstance(m, nn.ReLU))  # a copy was changed


def test_agreement_of_a_perfect_an_opposite_and_an_even_map():
    mask = np.zeros((10, 10), bool)
    mask[2:5, 2:6] = True
    perfect = agreement(mask * 2.0, mask)
    assert perfect == {
        "area": 0.12, "pointing": 1, "mass": 1, "iou": 1, "average_precision": 1
    }  # fmt: skip
    opposite = agreement(-1.0 * mask, mask)
    assert opposite["pointing"] == opposite["iou"] == 0 and opposite["mass"] == 0.12
    even = agreement(np.full((10, 10), 0.3), mask)
    assert all(even[k] == pytest.approx(0.12) for k in ("pointing", "mass", "average_precision"))


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_average_precision_is_scikit_learns_ties_included(levels):
    rng = np.random.default_rng(0)
    heat, mask = rng.integers(0, levels, (30, 20)), rng.random((30, 20)) < 0.2
    expected = average_precision_score(mask.ravel(), heat.ravel())
    assert agreement(heat, mask)["average_precision"] == pytest.approx(expected)


def test_random_maps_favour_no_place_and_score_what_chance_gives():
    mask = np.zeros((4, 40, 40), bool)
    mask[:, 10:20, 10:30] = True
    found = agreement.by_chance(mask, 5, draws=100)
    for name in ("pointing", "mass", "average_precision"):
        mean, low, high = found[name]
        assert low <= mean <= high and mean == pytest.approx(mask.mean(), abs=0.05)


def test_patients_are_resampled_not_images():
    values = np.repeat([0.0, 1.0, 0.0, 1.0, 0.5, 0.4], 10)
    one = intervals.patient_interval(values, np.arange(60))
    few = intervals.patient_interval(values, np.repeat(np.arange(6), 10))
    assert one[0] == few[0] == pytest.approx(values.mean())
    assert few[2] - few[1] > 2 * (one[2] - one[1])


@pytest.fixture(scope="module")
def calibration(tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibration")
    return folder, calibration.calibrate(folder)


def test_a_model_taught_lesions_points_at_lesions(calibration):
    found = calibration[1]["lesion"]
    assert found["auc"] > 0.9
    ours = found["agreement"]["lesion"]
    for method in ("occlusion", "Grad-CAM"):
        assert ours[method]["pointing"][0] > ours["random maps"]["pointing"][2]
    for name in agreement.SCORES:
        assert ours["occlusion"][name][0] > ours["random maps"][name][2]


def test_a_model_taught_a_marker_points_at_the_corner_and_not_at_lesions(calibration):
    found = calibration[1]["marker"]
    assert found["auc"] > 0.95
    corner, lesion = (found["agreement"][mask]["occlusion"] for mask in ("marker", "lesion"))
    assert corner["pointing"][0] > 0.9
    assert lesion["pointing"][0] < 0.1
    heat = np.load(calibration[0] / "calibration.npz")["marker occlusion"]
    assert (np.array([np.unravel_index(m.argmax(), m.shape) for m in heat]) < 16).all()


def test_calibration_is_kept(calibration, monkeypatch):
    monkeypatch.setattr(study, "taught", None)
    found = calibration.calibrate(calibration[0])
    assert found == calibration[1]
    assert "taught the marker" in heatmaps_tables.calibration_answer(found)
    assert len(heatmaps_tables.summary(heatmaps_tables.calibration_numbers(found, "marker"))) == 6


def test_covering_what_counts_lowers_the_score_first_and_showing_it_raises_it():
    class Bright(nn.Module):
        def forward(self, x):
            light = x[:, 0, 4:8, 4:8].mean((1, 2))
            return torch.stack([-light, light], 1)

    x = torch.full((1, 3, 16, 16), -1.0)
    x[:, :, 4:8, 4:8] = 2
    heat = np.zeros((1, 16, 16), np.float32)
    heat[:, 4:8, 4:8] = 1
    good, bad = (agreement.perturbed(Bright(), x, h) for h in (heat, -heat))
    whole, covered = good["deletion"][0, [0, -1]]
    assert whole > 0.9 and good["insertion"][0, 0] == pytest.approx(covered)
    assert good["deletion"].mean() < bad["deletion"].mean()
    assert good["insertion"].mean() > bad["insertion"].mean()


def test_random_weights_change_the_map(model, inputs):
    same = agreement.rank_correlation(*[occlusion(model, inputs, 6, 3)] * 2)
    assert same == pytest.approx(1)
    built, _ = networks.build("squeezenet", seed=3)
    x = torch.randn(2, 3, 64, 64)
    for other in agreement.randomised(built, "squeezenet", 4).values():
        pair = [occlusion(m, x, 16, 16) for m in (built, other)]
        assert (agreement.rank_correlation(*pair) < 0.95).all()


@pytest.fixture
def phantoms(profile, tmp_path, monkeypatch):
    """A trained run on a few phantoms, with the masks that a phantom has."""
    from conftest import prepared

    counts = {group: 8 for group in phantom.GROUPS}
    folder = phantom.write(tmp_path / "phantoms", 0, counts, 64)
    run = prepared(changed(profile, data=str(folder), epochs=1, augment_positives=1))
    training.run(run, "squeezenet", 0)
    scoring.run(run, "squeezenet", 0)
    return run


def test_a_run_writes_its_numbers_beside_itself_and_no_picture_into_them(phantoms, monkeypatch):
    monkeypatch.setattr(study, "DRAWS", 5)
    found = study.run(phantoms)
    assert found == runs.read_json(phantoms.folder / "heatmaps.json")
    assert found["notice"] == runs.NOTICE and found["model"] == "squeezenet"
    scores = training.pd.read_csv(phantoms.model_folder("squeezenet", 0) / "scores.csv")
    scores = scores.set_index("image").score[found["images"]["image"]]
    np.testing.assert_allclose(scores, found["images"]["score"], atol=1e-3)
    assert set(found["agreement"]["mask"]) == {"lesion", "lung"}
    maps = np.load(phantoms.folder / "heatmaps" / "maps.npz")
    assert all(m.shape == (8, 64, 64) for m in maps.values()) and "Grad-CAM" in maps
    monkeypatch.setattr(study, "occlusion", None)  # a second call computes nothing
    assert study.run(phantoms) == found
    table = heatmaps_tables.summary(heatmaps_tables.numbers(found))
    assert list(table.loc["lesion"].index)[-1] == "random maps" and table.notna().all(axis=None)
    assert (heatmaps_tables.lungs(found).images == 8).all() and "lung" in heatmaps_tables.answer(
        found
    )
    assert len(heatmaps_tables.randomised_table(found)) == 2


def test_a_mask_of_another_size_and_a_missing_image_are_named(phantoms):
    table = study.chosen(phantoms, "test")
    mask = phantoms.data_folder / "lung-masks" / table.image[0]
    phantom.Image.new("1", (10, 12)).save(mask)
    with user_error(r"lung-masks.*\(10, 12\)"):
        study.read_mask(phantoms, "lung", table.image[0], None)
    (phantoms.data_folder / table.image[0]).unlink()
    with user_error(str(table.image[0].rsplit("/", 1)[1])):
        study.run(phantoms)


def test_impossible_windows_are_refused(model, inputs):
    for window, stride in ((25, 1), (0, 1), (6, 0), (6, 7), (6, -2), (2.5, 1)):
        with user_error("window|stride"):
            occlusion(model, inputs, window, stride)
    with user_error("grey level"):
        occlusion(model, inputs, 6, 3, fill=300)
    for wrong in (inputs[0], inputs[:, :1], inputs[:0]):
        with user_error("shape"):
            occlusion(model, wrong, 6, 3)


def test_impossible_layers_are_refused(model, inputs):
    with user_error("no layer 'nonsense'. There are: 0, 1, 2"):
        grad_cam(model, inputs, "nonsense")
    with user_error("no map"):
        grad_cam(model, inputs, "2")  # flattened
    flat = networks.Classifier(nn.Flatten(), nn.Linear(3 * 30 * 24, 2), "")
    with user_error("none"):
        grad_cam(flat, inputs)
    assert occlusion(flat, inputs, 6, 3).shape == (3, 30, 24)  # which needs no convolution


def test_maps_and_masks_that_do_not_fit_are_refused(model, inputs):
    with user_error("alike"):
        agreement(np.ones((5, 5)), np.ones((5, 6), bool))
    with user_error("empty"):
        agreement(np.ones((5, 5)), np.zeros((5, 5), bool))
    with user_error("belong"):
        agreement.perturbed(model, inputs, np.zeros((3, 5, 5)))
