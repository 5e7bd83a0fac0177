"""Papermill's own command, two seconds of processor time sooner, for each notebook.

    python -m deepcovid.papermill NOTEBOOK OUTPUT ...

Its check of notebooks asks for every format that JSON Schema knows. One of them, addresses in any
alphabet, builds a grammar when it is imported; no notebook has such a field, and the check does
without where the library is not there.
"""

import sys

if __name__ == "__main__":
    sys.modules["rfc3987_syntax"] = None  # so importing it fails, as if it were not installed
    from papermill.__main__ import papermill

    papermill()
