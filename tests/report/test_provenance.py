"""Cards of models follow from the files beside them."""

import pandas as pd
import pytest

from deepcovid.report import provenance
from deepcovid.runs import RESULTS, read_json


@pytest.mark.parametrize(
    "folder", sorted(RESULTS.glob("*/run.json")), ids=lambda path: path.parent.name
)
def test_a_published_card_is_that_of_the_run(folder):
    folder, external = folder.parent, []
    made = read_json(folder / "run.json")
    if (folder / "external.json").is_file():
        external = read_json(folder / "external.json")["models"]
    mixed = folder.name == "fair"  # trained on a collection with images of both classes
    for model in made["profile"]["models"]:
        text = provenance.card(model, made, pd.read_csv(folder / "metrics.csv"), external, mixed)
        assert (folder / model / "card.md").read_text() == text


def test_a_card_says_whether_the_source_tells_the_class():
    apart = pd.DataFrame({"source": ["a", "a", "b"], "label": [1, 1, 0]})
    shared = pd.DataFrame({"source": ["a", "a", "b", "b"], "label": [1, 0, 0, 1]})
    partly = pd.concat([shared, pd.DataFrame({"source": ["c"], "label": [0]})])
    assert [provenance.sources_are_mixed(t) for t in (apart, shared, partly)] == [
        False,
        True,
        False,
    ]
