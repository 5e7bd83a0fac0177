"""The call that audits a dataset and writes its page and JSON: `imageaudit.audit`."""

import html
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from imageaudit.dataset import Options
from imageaudit.errors import escape_control_chars
from imageaudit.examine import examine
from imageaudit.findings import FAIL_ON
from imageaudit.io import digest, expand, write_json, write_text

Words = Iterable[str] | str | None
PAGE, JSON, CACHE = "index.html", "audit.json", "seen"


@dataclass
class Audit:
    """What an audit found. `report` is the content of its JSON file, `page` the HTML file."""

    report: dict
    page: Path

    @property
    def alarm(self) -> bool:
        """Does any of the findings that count raise the alarm?"""
        return self.report["alarm"]

    @property
    def status(self) -> int:
        """The exit status of the command: 3 for an alarm, else 0."""
        return 3 if self.alarm else 0

    @property
    def verdict(self) -> str:
        return self.report["verdict"]

    @property
    def findings(self) -> pd.DataFrame:
        """A row per kind of finding: is it `raised`, does it count, what was found."""
        table = pd.DataFrame(self.report["findings"]).rename(columns={"words": "found"})
        return table.set_index("kind")[["raised", "counts", "found"]]

    @property
    def answers(self) -> pd.DataFrame:
        """A row per question: what is `seen`, which class it tells, ROC AUC with interval, p."""
        rows = [{"kind": f["kind"], **row} for f in self.report["findings"] for row in f["rows"]
                if "auc" in row]  # fmt: skip
        return pd.DataFrame(rows).drop(columns="auc of each class").set_index(["kind", "seen"])

    def __str__(self) -> str:
        return f"{self.verdict}\n{escape_control_chars(self.page)}"

    def _repr_html_(self) -> str:
        return f"<p><b>{html.escape(self.verdict)}</b></p>{self.findings.to_html()}"


def audit(
    source: Path | str,
    out: Path | str | None = None,
    *,
    fail_on: Words = None,
    clean_splits: Path | str | None = None,
    say=print,
    **options: Words | Path,
) -> Audit:
    """Does a dataset of images give its classes away? Nothing is trained, nothing downloaded.

    `source` is a folder with one subfolder per class, or `train|validation|test` above these, or a
    CSV table with the columns `path` and `label`, and perhaps `patient`, `split` and any others.
    The `options` say how it is to be read, as the command's do (see `dataset.Options`): `classes`,
    `ignore`, `label`, `path`, `patient`, `split`, `images`, `join`, `against`. `fail_on` are the kinds
    of finding that are an alarm (default: FAIL_ON). What may be several is a list of words, or one
    string with commas. A table of corrected splits is written to `clean_splits`. `say` is told what
    was understood. `index.html`, which shows images, and `audit.json`, which does not, are written to
    the folder `out` (default: one in `audits/`); an audit that is stopped there goes on. Raises
    UserError for what cannot be audited.
    """
    source = expand(source)
    folder = expand(out) if out else Path("audits") / folder_name(source)
    kinds = FAIL_ON if fail_on is None else words_of(fail_on)
    given = Options(**{
        name: words_of(value) if Options._field_defaults.get(name) == () else value and str(value)
        for name, value in options.items()
    })  # fmt: skip
    found = examine(source, given, kinds, folder / CACHE, say)
    from imageaudit.page import page  # once there is something to show

    if clean_splits:
        from imageaudit.duplicates import write_clean_splits

        path = expand(clean_splits)
        found.report["clean splits"] = words = write_clean_splits(path, found)
        say(f"{escape_control_chars(path)}: {words}")
    write_json(folder / JSON, found.report)
    write_text(folder / PAGE, page(found))
    return Audit(found.report, folder / PAGE)


def folder_name(source: Path) -> str:
    """A name for the folder of a dataset's page: its own, and what stands for its place."""
    place = source.resolve()
    return f"{place.stem}-{digest(str(place))[:6]}"


def words_of(given: Words) -> tuple[str, ...]:
    given = given.split(",") if isinstance(given, str) else given or ()
    return tuple(word.strip() for word in given if word.strip())
