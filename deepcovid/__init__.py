"""deepcovid: a reproducibility study of Deep-COVID (Minaee et al., 2020). Not for clinical use."""

__version__ = "1.1.0"
__all__ = ["audit"]


def __getattr__(name: str):
    """`deepcovid.audit` is loaded where it is first asked for: the package itself stays light."""
    if name == "audit":
        from deepcovid.auditing.call import audit

        return audit
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
