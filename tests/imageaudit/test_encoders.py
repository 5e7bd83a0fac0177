"""The encoder sees in which direction the brightness rises, at which scale, and where."""

import numpy as np
import pytest

from imageaudit import ablations


def test_a_letter_in_a_corner_changes_the_numbers_of_its_field_alone():
    plain = np.full((1, ablations.SIDE, ablations.SIDE), 90, np.uint8)
    marked = plain.copy()
    marked[0, 4:12, 6:8] = 200
    changed = (ablations.encode(marked) != ablations.encode(plain))[0]
    fields = changed.reshape(-1, ablations.FIELDS**2)
    assert fields[:, 0].sum() > ablations.DIRECTIONS and not fields[:, 5:].any()


@pytest.mark.parametrize("direction", [0, 2, 4, 6])
def test_a_ramp_rises_in_its_direction_at_every_scale(direction):
    side = np.arange(0, ablations.SIDE, dtype=np.uint8)
    across = np.tile(side, (ablations.SIDE, 1))
    ramp = {0: across, 2: across.T, 4: across[:, ::-1], 6: across.T[::-1]}[direction]
    found = ablations.encode(ramp[None])[0].reshape(-1, ablations.FIELDS**2)[1:]
    rises = found.mean(1).reshape(ablations.SCALES, ablations.DIRECTIONS)
    assert (rises.argmax(1) == direction).all() and (np.diff(rises[:, direction]) > 0).all()
