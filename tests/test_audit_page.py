"""What docs/audit.md says of the calibration is what the committed files say."""

import re

import pandas as pd
from scipy.stats import binomtest

from benchmarks import audit_calibration as calibration
from deepcovid.runs import RESULTS, ROOT
from imageaudit.findings import FAIL_ON, KINDS

PAGE = " ".join((ROOT / "docs" / "audit.md").read_text(encoding="utf-8").split())
TABLE = pd.read_csv(RESULTS / "audit" / "calibration.csv", keep_default_na=False)


def of_datasets(number: int, of: int) -> str:
    """`0 of 20 (0 to 17%)`: a share with its 95% interval (Clopper and Pearson 1934)."""
    found = binomtest(int(number), of).proportion_ci()
    return f"{number} of {of} ({100 * found.low:.0f} to {found.high:.0%})"


def rows_of_the_page():
    """The table of docs/audit.md: datasets of each kind, those with alarm, those whose fault is named."""
    for (fault, share, images), part in TABLE.groupby(["fault", "share", "images"], sort=False):
        n = len(part)
        yield (
            f"| {fault} | {share:.0%} | {images} + {images} | {of_datasets(part.alarm.sum(), n)} | "
            f"{of_datasets(part.found.sum(), n)} | {part.smallest_auc.median():.2f} |"
        )


def test_the_table_of_the_calibration_is_that_of_its_file():
    lines = list(rows_of_the_page())
    assert all(line in PAGE for line in lines)
    assert PAGE.count("% | ") == len(lines)


def test_of_twenty_honest_datasets_at_least_nineteen_are_silent():
    honest = TABLE[TABLE.fault == calibration.NOTHING]
    assert len(honest) >= 20 and honest.alarm.sum() <= 1


def test_no_two_phantoms_pass_for_one_radiograph():
    """A double is raised where one was planted; two radiographs of one phantom may count as one."""
    raised = TABLE.raised.str.split()
    conflict, leak = (
        raised.map(lambda said, kind=kind: kind in said) for kind in ("conflict", "leak")
    )
    assert set(TABLE.fault[conflict]) == {"conflict"}
    assert {"leak"} <= set(TABLE.fault[leak]) <= set(calibration.PLACES)


def test_what_is_said_of_the_real_dataset_is_in_its_file():
    answers = pd.read_csv(RESULTS / "audit" / "covid-xray-5k.csv").set_index("seen")
    said = re.findall(r"(\d\.\d{3}) \((\d\.\d{3}) to (\d\.\d{3})\)", PAGE)
    rows = answers.loc[["the outer 5% of each side", "mode"], ["auc", "low", "high"]]
    for numbers, row in zip(said, rows.itertuples(index=False), strict=True):
        assert [float(n) for n in numbers] == [round(v + 1e-9, 3) for v in row]


def test_the_comparison_is_that_of_its_file():
    """Of each fault the datasets in which a tool finds it; of honest ones those with a false alarm."""
    others = pd.read_csv(RESULTS / "audit" / "others.csv")
    tools = ["deepcovid", "cleanvision", "datalab", "fastdup", "imagededup"]
    for fault, part in others.groupby("fault"):
        n, column = part.iloc[0], "alarm" if fault == "nothing" else "found"
        planted = "none" if fault == "nothing" else f"{n.planted} of {n.images}"
        each = part.groupby("tool")[column].agg(["sum", "size"]).loc[tools]
        cells = [f"{found} of {datasets}" for found, datasets in each.to_numpy()]
        assert f"| {fault} | {planted} | {' | '.join(cells)} |" in PAGE


def test_the_kinds_of_finding_are_those_of_the_page():
    said = dict(re.findall(r"\| `(\w+)` \| (yes|no)\b", PAGE))
    assert said == {kind: "yes" if kind in FAIL_ON else "no" for kind in KINDS}
