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
