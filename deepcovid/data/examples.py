"""Radiographs that a study may show: those with a licence for it, or its own where it has images."""

import pandas as pd

from deepcovid.runs import RESULTS
from imageaudit import images

SHOWN = RESULTS / "radiographs"  # H. B. Winther et al. 2020, CC BY 3.0; see its README.md


def hannover() -> pd.DataFrame:
    """The published radiographs, a row each: `path`, `patient`, `view`, `sex`, `days`, `sha256`."""
    table = pd.read_csv(SHOWN / "radiographs.csv")
    return table.assign(path=[SHOWN / file for file in table.file])


def radiographs(study, n: int = 4) -> tuple[list, list[str]]:
    """Up to `n` pictures of a study and their titles.

    The published study shows the published ones; another its own training images, the first of each
    finding, COVID-19 first.
    """
    if study.published:
        table = hannover().head(n)
        titles = [
            f"patient {k}: {'woman' if row.sex == 'F' else 'man'}, {row.view}"
            for k, row in enumerate(table.itertuples(), 1)
        ]
        return [images.open_radiograph(path) for path in table.path], titles
    run = study.run("paper")
    first = run.originals("train").sort_values("label", ascending=False, kind="stable")
    first = first.groupby("finding", sort=False).head(1).head(n)
    titles = first.finding.str.slice(0, 22).tolist()
    return [images.open_radiograph(path) for path in run.paths(first.image)], titles


def copies(study, n: int = 3) -> tuple[list, list[str]]:
    """The training image with the most augmented copies and up to `n` of these, with titles.

    Nothing where the study has no images at hand, or no copies.
    """
    if study.published:
        return [], []
    run = study.run("paper")
    made = run.training[run.training.augmented_from != ""]
    if made.empty:
        return [], []
    origin = made.augmented_from.mode()[0]
    shown = [origin, *made.image[made.augmented_from == origin].head(n)]
    titles = ["original", *(f"copy {k}" for k in range(1, len(shown)))]
    return [images.open_radiograph(path) for path in run.paths(shown)], titles
