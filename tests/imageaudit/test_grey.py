"""grey.py: where white is."""

import numpy as np

from imageaudit import grey


def test_white_of_whole_numbers_is_the_largest_of_the_bits_in_use():
    for bits in (8, 9, 10, 12, 16):
        white = 2**bits - 1
        values = np.arange(white + 1)
        assert np.array_equal(grey.from_integers(values), np.rint(255 * values / white)), bits
    above = np.array([0, 4096, 8191])  # one more than 12 bits hold
    assert grey.from_integers(above).tolist() == [0, 128, 255]
    assert grey.from_integers(np.array([-1024, 0, 3071])).tolist() == [0, 64, 255]
    assert grey.from_integers(np.array([0, 7])).tolist() == [0, 7]


def test_white_of_floats_is_one_or_their_largest():
    values = np.linspace(0.25, 1, 301)
    assert np.array_equal(grey.from_floats(values), np.rint(255 * values))
    for values in (np.linspace(0, 1.5, 4), np.linspace(-0.5, 0.5, 4), np.linspace(900, 999, 4)):
        assert grey.from_floats(values).tolist() == [0, 85, 170, 255]
    assert grey.from_floats(np.full(2, 3.0)).tolist() == [0, 0]
