"""The committed notebooks, executed in place with the outputs of `demo`."""

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from deepcovid.report.page import still
from deepcovid.runs import ROOT, UserError, write_text


def refresh(*names: str) -> None:
    """Execute the named notebooks, or all: no progress bars, no times, no widgets' states."""
    there = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    if absent := [name for name in names if name not in there]:
        raise UserError(f"There is no notebook {', '.join(absent)}. There are: {', '.join(there)}.")
    for path in [there[name] for name in names] or there.values():
        notebook = nbformat.read(path, as_version=4)
        where = {"metadata": {"path": path.parent}}
        client = NotebookClient(notebook, timeout=None, record_timing=False, resources=where)
        try:
            client.execute()
        except CellExecutionError as error:
            cause = f"{error.ename}: {error.evalue}"
            raise UserError(f"notebooks/{path.name} stops at a cell that fails. {cause}") from error
        still(notebook)
        notebook.metadata.language_info = {"name": "python"}
        write_text(path, nbformat.writes(notebook) + "\n")
