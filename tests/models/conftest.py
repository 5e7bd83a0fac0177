"""Phantoms with lung masks, and a segmenter fitted on them."""

import pytest

from deepcovid.data import manifest, phantom
from deepcovid.models import lungs


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    counts = dict(zip(phantom.GROUPS, (12, 12, 8, 8), strict=True))
    return phantom.write(tmp_path_factory.mktemp("drawn") / "phantom", 0, counts, 96)


@pytest.fixture(scope="session")
def segmenter(drawn):
    table = manifest.make(drawn, 0.0)
    return lungs.fit(*lungs.pairs(table[table.split == "train"], drawn), epochs=25)
