"""deepcovid: a reproducibility study of Deep-COVID (Minaee et al., 2020). Not for clinical use."""

import sys

__version__ = "1.1.0"
__all__ = ["audit"]

# where jsonschema finds it, it builds a grammar of addresses that no notebook has: two seconds a start
sys.modules.setdefault("rfc3987_syntax", None)


def audit(source, out=None, **options):
    """`imageaudit.audit`, whose options it takes; its page goes by default to `runs/audit/`."""
    from deepcovid import runs
    from imageaudit import api, io

    folder = out or runs.RUNS / "audit" / api.folder_name(io.expand(source))
    return api.audit(source, folder, **options)
