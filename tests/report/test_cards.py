import pandas as pd

from deepcovid.report import cards


def test_a_card_says_whether_the_source_tells_the_class():
    apart = pd.DataFrame({"source": ["a", "a", "b"], "label": [1, 1, 0]})
    shared = pd.DataFrame({"source": ["a", "a", "b", "b"], "label": [1, 0, 0, 1]})
    assert "may tell the source" in cards.of_sources(apart)["limit"]
    assert cards.of_sources(shared)["limit"] == ""
    assert "both classes" in cards.of_sources(shared)["sources"]
    partly = pd.concat([shared, pd.DataFrame({"source": ["c"], "label": [0]})])
    assert "may tell the source" in cards.of_sources(partly)["limit"]
