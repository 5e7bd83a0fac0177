import pytest
import torch
from conftest import changed

from deepcovid.models import networks
from scripts import drift


def test_statistics_go_towards_the_batches_as_momentum_says():
    """After n batches of one mean the way left is 0.9 ** n of the whole."""
    layer = torch.nn.Sequential(torch.nn.BatchNorm2d(2))
    batch = 3.0 + torch.randn(50, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    found = drift.follow(layer, [batch] * 20, (1, 5, 20))
    table = drift.distances(found, 20).set_index("batches")
    assert table["shift"][0] == 0 and table.spread[0] == pytest.approx(1)
    assert table["shift"][1] == pytest.approx(0.3, rel=0.02)
    assert table["shift"][20] == pytest.approx(3 * (1 - 0.9**20), rel=0.02)
    assert table.from_epoch_1[20] == 0
    assert table.from_epoch_1[5] == pytest.approx(3 * (0.9**5 - 0.9**20), rel=0.02)


def test_a_run_is_followed_through_its_epochs_with_crops_and_without(run):
    given = changed(run, batch_size=8)
    table = drift.run(given, epochs=2)
    layers = drift.statistics(networks.build("resnet18")[0].backbone)
    images = int((run.training.augmented_from == "").sum())
    one = -(-images // 8)
    assert set(table.crop) == {"random", "none"} and set(table.layer) == set(layers)
    assert {0, 1, 2, one, 2 * one} <= set(table.batches) and table.batches.max() == 2 * one
    assert (table["shift"][table.batches == 0] == 0).all()
    assert (table.from_epoch_1[table.batches == one] == 0).all()
    ends = table[table.batches == 2 * one].groupby("crop")["shift"].mean()
    assert ends["random"] != ends["none"]
