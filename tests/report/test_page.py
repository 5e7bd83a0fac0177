import nbformat

from deepcovid.report.notebooks import page

CODE, TEXT = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell


def written(path, *cells):
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
    return path


def test_code_is_folded_and_a_figures_words_are_the_caption_above_it(tmp_path):
    path = written(
        tmp_path / "01_dataset.ipynb",
        TEXT("# Name"),
        CODE("a", metadata={"tags": ["parameters"]}),
        TEXT("## Part\n\nText.\n\n**Figure 2. Doubles.** Left, [there](x.md):\n`hash`.\n\nMore."),
        CODE("show()"),
        TEXT("**Table 1. Other.**"),
    )
    before = path.read_bytes()
    cells = page(path).cells
    assert cells[1].metadata["tags"] == ["parameters", "hide-input"]
    alt = [cells[n].metadata["mystnb"]["image"]["alt"] for n in (1, 3)]
    assert alt[0] == "a figure of notebook 01_dataset"
    assert alt[1] == "Figure 2. Doubles. Left, there: hash."
    assert path.read_bytes() == before


def test_what_moves_leaves_its_picture_and_progress_leaves_nothing(tmp_path):
    widget = "application/vnd.jupyter.widget-view+json"
    cell = CODE("play")
    cell.outputs = [
        nbformat.v4.new_output(
            "execute_result", {widget: {}, "image/png": "aa", "text/plain": "0.5"}
        ),
        nbformat.v4.new_output("display_data", {widget: {}, "text/plain": "a bar"}),
        nbformat.v4.new_output("stream", name="stderr", text="50%"),
    ]
    (made,) = page(written(tmp_path / "04_evaluation.ipynb", cell)).cells
    (output,) = made.outputs
    assert set(output.data) == {"image/png", "text/plain"}


def test_an_interval_of_a_table_stays_in_one_line(tmp_path):
    cell = CODE("table")
    html = "<td>0.997 (0.994 to 0.999)</td><td>-3% to 5%</td><td>as close to 1 as to 0</td>"
    cell.outputs = [nbformat.v4.new_output("execute_result", {"text/html": html})]
    (made,) = page(written(tmp_path / "04_evaluation.ipynb", cell)).cells
    assert made.outputs[0].data["text/html"] == (
        "<td>0.997 (0.994&nbsp;to&nbsp;0.999)</td><td>-3%&nbsp;to&nbsp;5%</td>"
        "<td>as close to 1 as to 0</td>"
    )
