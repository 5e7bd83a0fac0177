"""What any dataset of labelled images needs to be audited; knows nothing of a disease."""
