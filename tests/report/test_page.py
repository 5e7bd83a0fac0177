import nbformat

from deepcovid.report.page import caption, page

CODE, TEXT = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell


def written(path, *cells):
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
    return path


def test_code_is_folded_and_figures_are_told_by_their_caption(tmp_path):
    path = written(
        tmp_path / "04_evaluation.ipynb",
        TEXT("# 4. Evaluation\n\n**How good?**"),
        CODE("a", metadata={"tags": ["parameters"]}),
        TEXT("## Curves\n\nFirst, the *ROC*."),
        CODE("figure"),
        CODE("a table"),
        TEXT("Up and to the left is **better**, see [there](x.md)\nand `here`.\n\nMore."),
        TEXT("### Scores"),
        CODE("another"),
        TEXT("---\n## Next"),
    )
    before = path.read_bytes()
    cells = page(path).cells
    assert cells[1].metadata["tags"] == ["parameters", "hide-input"]
    said = "Curves: Up and to the left is better, see there and here."
    assert cells[3].metadata["mystnb"]["image"]["alt"] == said
    assert (
        cells[7].metadata["mystnb"]["image"]["alt"] == "Scores: a figure of notebook 04_evaluation"
    )
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


def test_a_models_notebook_names_it_in_its_title(tmp_path):
    path = written(tmp_path / "03_training-resnet18-seed2.ipynb", TEXT("# 3. Training\n\n# x"))
    assert page(path).cells[0].source == "# 3. Training: resnet18, seed 2\n\n# x"


def test_no_words_make_no_caption():
    assert caption([]) == caption([CODE("x")]) == caption([TEXT("## Heading\n\nwords")]) == ""


def test_markdown_without_a_word_is_not_shown_as_an_object(tmp_path):
    cell, told = CODE("absent()"), {"text/plain": "<IPython.core.display.Markdown object>"}
    for words in ("", "Not here."):
        data = told | {"text/markdown": words}
        cell.outputs.append(nbformat.v4.new_output("execute_result", data, execution_count=1))
    (shown,) = page(written(tmp_path / "a.ipynb", TEXT("# A"), cell)).cells[1].outputs
    assert shown.data["text/markdown"] == "Not here."


def test_a_numbered_caption_above_tells_its_figure_and_one_below_is_anothers(tmp_path):
    path = written(
        tmp_path / "01_dataset.ipynb",
        TEXT("# Name"),
        TEXT("## Part\n\n**Figure 2. Doubles.** Left:\n`hash`.\n\nMore."),
        CODE("show()"),
        TEXT("**Table 1. Other.**"),
    )
    alt = page(path).cells[2].metadata["mystnb"]["image"]["alt"]
    assert alt == "Part: Figure 2. Doubles. Left: hash."
