"""deepcovid: a reproducibility study of Deep-COVID (Minaee et al., 2020). Not for clinical use."""

__version__ = "1.0.0"
