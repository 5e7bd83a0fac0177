"""`deepcovid.audit`: imageaudit's audit, whose page goes to the study's runs."""

from pathlib import Path

from deepcovid import runs
from imageaudit import api


def audit(source: Path | str, out: Path | str | None = None, **options) -> api.Audit:
    """`imageaudit.audit`, whose options it takes; `out` is by default a folder in `runs/audit/`."""
    folder = out or runs.RUNS / "audit" / api.folder_name(Path(source).expanduser())
    return api.audit(source, folder, **options)
