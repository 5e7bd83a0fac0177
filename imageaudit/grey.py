"""Values of any depth become 8-bit grey."""

import numpy as np


def from_integers(values: np.ndarray) -> np.ndarray:
    """Whole numbers to 0..255 by the bits in use: 4095 is white in a file that goes to 3000.

    The bits are those that hold the largest value, 8 at least. Scanners write 10, 12 or 14 bits
    into 16-bit files without saying so. Values below 0 are first moved up so that the least is 0.
    """
    least = min(0, int(values.min()))
    largest = int(values.max()) - least
    white = 2 ** max(8, largest.bit_length()) - 1
    if largest < 2**16:  # each value is computed once, and looked up for all its pixels
        grey_of = stretched(np.arange(largest + 1), 0, white)
        return grey_of[values if least == 0 else values.astype(np.int64) - least]
    return stretched(values.astype(np.int64) - least, 0, white)


def from_floats(values: np.ndarray) -> np.ndarray:
    """Floats to 0..255: as they are if all lie in 0..1, else from the least to the largest."""
    if not np.isfinite(values).all():
        raise ValueError("it holds values that are no finite numbers")
    low, high = values.min(), values.max()
    return stretched(values, 0, 1) if low >= 0 and high <= 1 else stretched(values, low, high)


def stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """`low` and below becomes 0, `high` and above 255, 8 bit."""
    share = values.astype(np.float64)  # and all else in its place: a picture may fill the memory
    share -= low
    share /= (float(high) - low) or 1
    np.clip(share, 0, 1, out=share)
    share *= 255
    return np.rint(share, out=share).astype(np.uint8)
