"""The figures of the last full run, in results/robustness.json: a section for each part."""

from deepcovid.runs import RESULTS, read_json, write_json

FILE = RESULTS / "robustness.json"


def kept() -> dict:
    return read_json(FILE) if FILE.is_file() else {}


def keep(part: str, found: dict) -> None:
    """Replace a part's figures; those of the others stay."""
    write_json(FILE, dict(sorted((kept() | {part: found}).items())))
