"""Values of any depth become 8-bit grey."""

import numpy as np


def from_integers(values: np.ndarray) -> np.ndarray:
    """Whole numbers to 0..255 by the bits in use: 4095 is white in a file that goes to 3000.

    The bits are those that hold the largest value, 8 at least. Scanners write 10, 12 or 14 bits
    into 16-bit files without saying so. Values below 0 are first moved up so that the least is 0.
    """
    values = values.astype(np.int64) - min(0, int(values.min()))
    bits = max(8, int(values.max()).bit_length())
    return stretched(values, 0, 2**bits - 1)


def from_floats(values: np.ndarray) -> np.ndarray:
    """Floats to 0..255: as they are if all lie in 0..1, else from the least to the largest."""
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are no finite numbers")
    low, high = values.min(), values.max()
    return stretched(values, 0, 1) if low >= 0 and high <= 1 else stretched(values, low, high)


def stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """`low` and below becomes 0, `high` and above 255, 8 bit."""
    share = (values.astype(np.float64) - low) / ((float(high) - low) or 1)
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
