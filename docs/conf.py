"""Sphinx's settings for the site: executed notebooks as they are, nothing from the network.

`deepcovid/report/site.py` puts the pages together that these settings are for.
"""

import deepcovid

project = "deepcovid"
author = "The deepcovid authors"
release = version = deepcovid.__version__
html_title = f"deepcovid {release}"
extensions = ["myst_nb", "sphinx.ext.autodoc"]
exclude_patterns = ["**/.ipynb_checkpoints"]

nb_execution_mode = "off"
nb_ipywidgets_js = {}  # a widget's scripts would come from the network; its picture is shown
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

highlight_language = "none"  # where a document does not say; notebooks do

default_role = "code"  # in docstrings `x` is code
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
add_module_names = False

html_theme = "sphinx_book_theme"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_search_summary = False  # it fetches pages, which browsers refuse from the file system
html_use_index = False
html_domain_indices = False
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
html_theme_options = {
    "navbar_persistent": [],
    "navbar_center": [],
    "home_page_in_toc": True,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
}


def as_written(app, what, name, thing, options, lines) -> None:
    """Docstrings are read as plain words: of what Sphinx takes for markup only `code` is meant."""
    for number, line in enumerate(lines):
        parts = line.replace("``", "''").split("`")
        parts[::2] = [part.replace("*", r"\*").replace("|", r"\|") for part in parts[::2]]
        lines[number] = "`".join(parts)


def not_ours(app, what, name, thing, skip, options):
    """Leave out methods that scikit-learn adds to its classes by itself."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def setup(app) -> None:
    app.connect("autodoc-process-docstring", as_written)
    app.connect("autodoc-skip-member", not_ours)
