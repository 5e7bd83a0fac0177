"""The study as an article: `article/article.typ`, typeset by Typst, whose numbers it reads from `results/`."""

import json
from pathlib import Path

from deepcovid.io import atomic_write
from deepcovid.metrics import published
from deepcovid.runs import ROOT, UserError


def build(target: Path | None = None, root: Path = ROOT) -> Path:
    """Typeset the article of the checkout in `root`; its PDF (default: `article/article.pdf` there).

    Raises UserError that names the file where a number is missing.
    """
    import typst
    from matplotlib import get_data_path

    target = Path(target or root / "article" / "article.pdf")
    fonts = Path(get_data_path()) / "fonts" / "ttf"  # of the plots; the text's come with Typst
    try:
        made = typst.compile(
            str(root / "article" / "article.typ"), root=str(root), font_paths=[str(fonts)],
            ignore_system_fonts=True, sys_inputs={"judged": judged(root / "results")},
        )  # fmt: skip
    except typst.TypstError as error:
        reason = " ".join(str(error).split()).removeprefix("panicked with: ")
        raise UserError(f"The article cannot be typeset: {reason}") from None
    with atomic_write(target) as partial:
        partial.write_bytes(made)
    return target


def judged(results: Path) -> str:
    """The paper's claims and the controls as the rules of `metrics.published` judge them, as JSON."""
    tables = {
        "claims": published.compare(results / "paper"),
        "controls": published.auc_controls(results),
    }
    return json.dumps({name: json.loads(t.to_json(orient="records")) for name, t in tables.items()})
