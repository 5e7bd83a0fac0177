"""imageaudit: does a dataset of medical images give its classes away? Not for clinical use."""

__version__ = "1.0.0"
__all__ = ["audit"]
NOTICE = "Research software, not for clinical use."


def __getattr__(name: str):
    """`imageaudit.audit` is loaded where it is first asked for: the package itself stays light."""
    if name == "audit":
        from imageaudit.api import audit

        return audit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
