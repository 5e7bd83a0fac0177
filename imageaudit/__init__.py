"""imageaudit: does a dataset of medical images give its classes away? Not for clinical use."""

__version__ = "1.0.0"
NOTICE = "Research software, not for clinical use."
