"""The committed notebooks, executed in place with the outputs of `demo`."""

import nbformat
from nbclient import NotebookClient

from deepcovid.runs import ROOT, UserError, write_text


def refresh(*names: str) -> None:
    """Execute the named notebooks, or all: no progress bars, no times, no widgets' states."""
    there = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
    if absent := [name for name in names if name not in there]:
        raise UserError(f"There is no notebook {', '.join(absent)}. There are: {', '.join(there)}.")
    for path in [there[name] for name in names] or there.values():
        notebook = nbformat.read(path, as_version=4)
        where = {"metadata": {"path": path.parent}}
        NotebookClient(notebook, timeout=None, record_timing=False, resources=where).execute()
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = [output for output in cell.outputs if not is_progress(output)]
        notebook.metadata.pop("widgets", None)
        notebook.metadata.language_info = {"name": "python"}
        write_text(path, nbformat.writes(notebook) + "\n")


def is_progress(output) -> bool:
    kinds = output.get("data", {})
    return output.get("name") == "stderr" or any("widget" in kind for kind in kinds)
