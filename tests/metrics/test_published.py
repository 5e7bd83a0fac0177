from deepcovid.metrics import published


def test_published_numbers_and_verdicts():
    claims = published.published()
    final = claims[claims.images == published.FINAL]
    assert len(final) == 12 and set(final.model) == {
        "resnet18",
        "resnet50",
        "squeezenet",
        "densenet121",
    }
    ours = {
        "model": "squeezenet",
        "seed": 0,
        "weights": "x.pth",
        "auc": 0.992,
        "auc_low": 0.985,
        "auc_high": 0.997,
        "specificity_at_98_sensitivity": 0.99,
        "specificity_at_98_sensitivity_low": 0.95,
        "specificity_at_98_sensitivity_high": 0.995,
    }
    random = ours | {"model": "resnet18", "weights": "random"}
    verdicts = published.compare([ours, random]).set_index(["claim", "model"]).verdict
    assert len(verdicts) == 8
    assert verdicts["auc", "squeezenet"] == "reproduced"
    assert (
        verdicts["specificity_at_98_sensitivity", "squeezenet"] == "not reproduced: ours is higher"
    )
    assert verdicts["auc", "resnet18"] == verdicts["auc", "densenet121"] == "not testable here"
    low = published.compare([ours | {"auc": 0.9, "auc_low": 0.88, "auc_high": 0.92}])
    assert low.set_index(["claim", "model"]).verdict["auc", "squeezenet"].endswith("lower")


def test_without_a_lower_end_a_number_is_not_contradicted_and_not_reproduced():
    claim = {"metric": "specificity_at_98_sensitivity", "value": 0.929, "half_width": 0.009}
    assert published.agreement(claim, 0.95, 0.0, 0.99) == "not contradicted: no lower end"
    assert published.agreement(claim, 0.85, 0.0, 0.9) == "not reproduced: ours is lower"
    assert published.agreement(claim, 0.95, 0.9, 0.99) == "reproduced"
    assert published.agreement(claim, 0.97, 0.95, 0.99) == "not reproduced: ours is higher"
    # half a width of the published number is its own
    assert published.agreement(claim, 0.95, 0.935, 0.99) == "reproduced"
    assert published.agreement(claim, 0.91, 0.9, 0.923) == "reproduced"


def test_the_seed_of_the_lowest_number_is_compared():
    ours = {"model": "squeezenet", "weights": "x.pth", "auc_low": 0.5, "auc_high": 1}
    ours |= {f"specificity_at_98_sensitivity{end}": 0.5 for end in ("", "_low", "_high")}
    rows = [ours | {"seed": 10, "auc": 0.6}, ours | {"seed": 2, "auc": 0.7}]
    table = published.compare(rows).set_index(["claim", "model"])
    assert table.ours["auc", "squeezenet"] == 0.7
