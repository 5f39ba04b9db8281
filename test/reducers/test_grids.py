# Copyright 2026 The ros_cloud_bridge authors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

"""Maps come back bit for bit from differences, whatever is lost between; or not at all."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.chain import Chain
from ros_cloud_bridge.reducers.grids import FORM, GridDifferences, GridKind, KEPT, MissingKeyframe
from ros_cloud_bridge.reducers.interface import Level
from ros_cloud_bridge.ros.rover.building import default_world
from support import sensor_messages as make

KIND = GridKind()


def reducer(**options: str) -> GridDifferences:
    return KIND.make(make.GRID, '', options, 1 << 26)


def floor() -> NDArray[np.int8]:
    """Make a map as SLAM makes them: probabilities, no two alike."""
    cells = default_world().grid().cells.copy()
    doubt = np.random.default_rng(5).integers(0, 25, cells.shape).astype(np.int8)
    return np.where(cells < 0, cells, np.where(cells > 50, cells - doubt, doubt)).astype(np.int8)


def growing(count: int) -> list[bytes]:
    """Let a rover see more and more of its rooms, the map growing to all sides."""
    cells = floor()
    height, width = cells.shape
    maps = []
    for step in range(count):
        seen = np.full_like(cells, -1)
        reach = 40 + 4 * step
        seen[: 2 * reach, : 3 * reach] = cells[: 2 * reach, : 3 * reach]
        x0 = max(0, 60 - 3 * step)
        maps.append(
            make.grid(
                seen[: min(height, 3 * reach), x0 : min(width, 4 * reach)],
                origin=(-5.0 + 0.05 * x0, -5.0),
                sec=step,
            )
        )
    return maps


def test_every_map_comes_back() -> None:
    sender, receiver = reducer(every='10'), KIND.restorer()
    maps = growing(25)
    forms = [sender.reduce(cdr, Level.FULL) for cdr in maps]
    assert [receiver.restore(FORM, form) for form in forms] == maps
    full = [place for place, form in enumerate(forms) if _is_full(form)]
    assert full[0] == 0
    assert max(np.diff([*full, len(forms)])) <= 10
    assert len(full) <= 7
    assert sum(map(len, forms)) < 0.6 * sum(len(reducer().reduce(cdr, Level.FULL)) for cdr in maps)


def _is_full(form: bytes) -> bool:
    try:
        KIND.restore(FORM, form)
    except MissingKeyframe:
        return False
    return True


@given(st.lists(st.booleans(), min_size=25, max_size=25), st.integers(0, 24))
def test_losses_cost_nothing_but_what_is_lost(lost: list[bool], asked: int) -> None:
    sender, receiver = reducer(every='9'), KIND.restorer()
    known: set[int] = set()
    full = -1
    for place, cdr in enumerate(MAPS):
        if place == asked:
            sender.keyframe()
        form = sender.reduce(cdr, Level.FULL)
        if _is_full(form):
            full = place
        assert place != asked or full == place
        if lost[place]:
            continue
        if full == place or full in known:
            known.add(full)
            assert receiver.restore(FORM, form) == cdr
        else:
            with pytest.raises(MissingKeyframe, match='is not here'):
                receiver.restore(FORM, form)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 6),
            st.integers(0, 6),
            st.sampled_from([0.0, 0.05, -0.1, 1e300, float('nan')]),
            st.binary(min_size=36, max_size=36),
        ),
        max_size=8,
    ),
    st.booleans(),
)
def test_any_maps_come_back(maps: list[tuple[int, int, float, bytes]], big: bool) -> None:
    sender, receiver = reducer(), KIND.restorer()
    for width, height, origin, data in maps:
        cells = np.frombuffer(data[: width * height], np.int8).reshape(height, width)
        form = sender.reduce(make.grid(cells, origin=(origin, 0.0), big=big), Level.MINIMAL)
        assert receiver.restore(FORM, form) == make.grid(cells, origin=(origin, 0.0))


def test_few_full_grids_are_kept() -> None:
    receiver = KIND.restorer()
    rng = np.random.default_rng(1)
    senders = []
    for place in range(KEPT + 1):
        sender = reducer()
        cells = rng.integers(-1, 101, (50, 60)).astype(np.int8)
        receiver.restore(FORM, sender.reduce(make.grid(cells, sec=place), Level.FULL))
        cells[3, 4] = 7
        senders.append(sender.reduce(make.grid(cells, sec=place), Level.FULL))
    for form in senders[1:]:
        receiver.restore(FORM, form)
    with pytest.raises(MissingKeyframe) as missing:
        receiver.restore(FORM, senders[0])
    assert len(missing.value.name) == 8


def test_a_difference_is_small() -> None:
    cells = floor()
    sender = reducer()
    full = len(sender.reduce(make.grid(cells), Level.FULL))
    cells[100:104, 100:110] = 100
    assert len(sender.reduce(make.grid(cells), Level.FULL)) < min(300, full / 5)


def test_another_map_is_full_again() -> None:
    rng = np.random.default_rng(1)
    sender = reducer()
    sender.reduce(make.grid(np.zeros((60, 60))), Level.FULL)
    for cells in (rng.integers(0, 100, (60, 60)), rng.integers(0, 100, (60, 61))):
        assert _is_full(sender.reduce(make.grid(cells), Level.FULL))
    assert _is_full(sender.reduce(make.grid(cells, resolution=0.1), Level.FULL))


def test_broken_messages_and_options() -> None:
    good = make.grid(np.zeros((3, 3)))
    for bad in (b'', good[:-6], good + bytes(8), good[:-13] + b'\x08' + good[-12:]):
        with pytest.raises(ProtocolError):
            reducer().reduce(bad, Level.FULL)
    with pytest.raises(ValueError, match='every=0: allowed'):
        reducer(every='0')
    with pytest.raises(ValueError, match='OccupancyGrid'):
        KIND.make(make.IMAGE, '', {}, 1)
    assert reducer().output.error == 'nothing differs'


def test_damaged_forms_are_refused_or_restore_to_something() -> None:
    sender = reducer()
    forms = [sender.reduce(cdr, Level.FULL) for cdr in MAPS[:3]]

    def restore(form: bytes) -> bytes:
        receiver = KIND.restorer()
        receiver.restore(FORM, forms[0])
        return receiver.restore(FORM, form)

    assert make.stands_damage(restore, forms[:2]) > 300
    with pytest.raises(ProtocolError, match='unknown form'):
        KIND.restore('grid_diff/2', forms[0])


def test_small_forms_unfold_to_no_more_than_a_batch() -> None:
    good = reducer().reduce(make.grid(np.zeros((30, 20))), Level.FULL)
    place = good.index((20).to_bytes(4, 'little') + (30).to_bytes(4, 'little'))
    bomb = good[:place] + (2**28).to_bytes(4, 'little') + good[place + 4 :]
    tracemalloc.start()
    with pytest.raises(ProtocolError):
        KIND.restore(FORM, bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


MAPS = growing(25)


def test_a_chain_passes_on_that_a_full_one_is_due() -> None:
    chain = Chain([reducer()])
    forms = []
    for place, cdr in enumerate(growing(4)):
        if place == 2:
            chain.keyframe()
        forms.append(chain.reduce(cdr, Level.FULL, 0.0) or b'')
    assert [_is_full(form) for form in forms] == [True, False, True, False]
