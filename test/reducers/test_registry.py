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

"""Names, chains and forms: what fits is found, what does not is one line that helps."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
import re
import struct

import numpy as np
import pytest

from ros_cloud_bridge.core.reducer_chain import parse_chain
from ros_cloud_bridge.errors import ProtocolError, UnknownForm
from ros_cloud_bridge.reducers import registry
from ros_cloud_bridge.reducers.fitting import fit
from ros_cloud_bridge.reducers.grids import GridKind
from ros_cloud_bridge.reducers.interface import Level, Output
from ros_cloud_bridge.reducers.restoring import RouteRestorer, RouteRestorers
from ros_cloud_bridge.values import Key, StreamConfig
from ros_cloud_bridge.wire.schema import Schema
from support import sensor_messages as make_message

FLOAT = 'std_msgs/msg/Float64'
SCHEMA = Schema(type_name=FLOAT, definition='float64 data', rihs01='RIHS01_' + 'ab' * 32)


def define(type_name: str) -> str:
    return {FLOAT: 'float64 data', 'std_msgs/msg/String': 'string data'}[type_name]


class Half:
    """Halves what it gets; its form doubles it again."""

    def __init__(self, form: str = '') -> None:
        self.output = Output(type_name=FLOAT, form=form, error='a half of it')

    def reduce(self, cdr: bytes, level: Level) -> bytes | None:
        return cdr[: len(cdr) // 2]


class HalfKind:
    name = 'half'

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> Half:
        if type_name != FLOAT:
            raise ValueError(f'is for {FLOAT}, not for {type_name}')
        return Half(options.get('form', 'half/1'))

    def restore(self, form: str, data: bytes) -> bytes:
        if data == b'bomb':
            raise MemoryError
        return data * 2


class Entry:
    """An entry point."""

    def __init__(self, name: str, load: Callable[[], object]) -> None:
        self.name = name
        self.load = load


def broken() -> object:
    raise ImportError('no module named nothing')


def mismatched() -> object:
    raise ValueError('numpy.dtype size changed\nExpected 96')


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    entries = [
        Entry('half', lambda: HalfKind),
        Entry('broken', broken),
        Entry('older', mismatched),
        Entry('precision', lambda: HalfKind),
    ]
    monkeypatch.setattr(registry, 'entry_points', lambda group: entries)
    registry._foreign.cache_clear()
    registry.find.cache_clear()
    yield
    registry._foreign.cache_clear()
    registry.find.cache_clear()


def test_a_user_s_reducer_is_found_by_its_entry_point_and_ours_come_first() -> None:
    assert 'half' in registry.names()
    assert isinstance(registry.find('half'), HalfKind)
    assert not isinstance(registry.find('precision'), HalfKind)


def test_setup_names_the_same_reducers_as_the_table() -> None:
    text = (Path(__file__).parents[2] / 'setup.py').read_text()
    part = text[text.index("'ros_cloud_bridge.reducers': [") :]
    named = dict(re.findall(r"'(\w+) = ([\w.:]+)'", part[: part.index(']')]))
    assert named == registry.BUILT_IN


@pytest.mark.parametrize('name', registry.BUILT_IN)
def test_every_reducer_of_ours_can_be_found_under_its_name(name: str) -> None:
    try:
        kind = registry.find(name)
    except ValueError as error:
        pytest.skip(str(error))
    assert kind.name == name


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('precison', r'no reducer precison; did you mean precision\? \(there are aggregate,'),
        ('nothing_like_it', r'no reducer nothing_like_it \(there are'),
        ('broken', 'broken cannot be used: no module named nothing'),
        ('older', '^older cannot be used: numpy.dtype size changed Expected 96$'),
        ('precision bit=3', 'precision: unknown option bit, did you mean bits'),
        ('tf_motion metres=far', 'tf_motion: metres=far'),
        ('precision | deadband max_s=0', 'deadband: max_s=0'),
        ('tf_motion | jpeg', '^jpeg: takes .* and is given TransformStamped or TF'),
        ('laser_quantize | stamps', '^stamps: nothing can follow a compact form'),
        ('jpeg | deadband | laser_quantize', 'takes LaserScan, and is given Compressed'),
        ('webp quality=best', 'webp: quality=best: 1 number wanted, from 1 to 100$'),
        ('precision |', 'has an empty place'),
        ('| '.join(['precision '] * 9), 'chains 9 reducers'),
        ('Precision', "'Precision' is no name"),
    ],
)
def test_a_wrong_chain_is_one_line_that_helps(text: str, said: str) -> None:
    found = registry.check(text)
    assert re.search(said, found)
    assert '\n' not in found


@pytest.mark.parametrize('text', ['', '  ', 'precision', 'precision bits=8|deadband', 'half'])
def test_a_right_chain_says_nothing(text: str) -> None:
    assert registry.check(text) == ''


def test_steps_and_options_are_read_in_order() -> None:
    steps = parse_chain(' crop max_range=20 keep=a,b:1 |  voxel ')
    assert [(step.name, dict(step.options)) for step in steps] == [
        ('crop', {'max_range': '20', 'keep': 'a,b:1'}),
        ('voxel', {}),
    ]


def test_a_chain_hands_on_and_adds_up_its_errors() -> None:
    chain = registry.make('precision tolerance=0.5 | deadband by=1', FLOAT, define, 100)
    value = b'\0\1\0\0' + struct.pack('<d', 1.3)
    assert chain.reduce(value, Level.FULL, 0.0) == b'\0\1\0\0' + struct.pack('<d', 1.0)
    assert chain.reduce(value, Level.FULL, 1.0) is None
    assert 'within 0.5' in chain.output.error
    assert 'any field changes by more than 1' in chain.output.error


@pytest.mark.parametrize(
    ('text', 'type_name', 'said'),
    [
        ('half', 'std_msgs/msg/String', 'half: is for std_msgs/msg/Float64'),
        ('precision', 'a/msg/B', 'precision: no definition of a/msg/B'),
        ('half | precision', FLOAT, 'precision: nothing can follow a compact form'),
        ('half form=other/1', FLOAT, 'no decoder would know the form other/1'),
    ],
)
def test_what_does_not_fit_a_type_is_said(text: str, type_name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        registry.make(text, type_name, define, 100)


def test_a_form_does_not_go_with_a_key_that_stands_in_the_message() -> None:
    stream = StreamConfig(name='s', topics=('/t',), reducer='half', key=Key.FRAME_ID)
    with pytest.raises(ValueError, match='frame_id stands in the message'):
        fit(stream, FLOAT, SCHEMA, None)


def test_what_consumers_must_know_of_a_route() -> None:
    stream = StreamConfig(name='s', topics=('/t',), reducer=' precision   bits=8 |half ')
    fitted = fit(stream, FLOAT, SCHEMA, None)
    assert fitted.schema is SCHEMA
    reduction = fitted.reduction
    assert (reduction.text, reduction.form) == ('precision bits=8 |half', 'half/1')
    assert reduction.error == (
        'data within 2^-8 of the value (reduced: 10 times as much, minimal: 100 times; of bits 3 '
        'and 6 less); a half of it'
    )


def test_forms_are_restored_by_their_reducer() -> None:
    assert registry.restore('half/1', b'ab') == b'abab'


def test_an_unknown_form_is_an_error_by_name() -> None:
    with pytest.raises(UnknownForm, match='no reducer here knows the form nobody/1'):
        registry.restore('nobody/1', b'')
    with pytest.raises(UnknownForm, match=r'knows the form broken/1 \(broken cannot be used'):
        registry.restore('broken/1', b'')


def test_whatever_a_foreign_reducer_raises_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError, match='half/1: cannot be restored: MemoryError'):
        registry.restore('half/1', b'bomb')
    with pytest.raises(ProtocolError, match='unknown form precision/1'):
        registry.restore('precision/1', b'')


class Differences:
    """Restores bytes that name how many others must have come before."""

    def __init__(self) -> None:
        self.keys: set[bytes] = set()

    def restore(self, form: str, data: bytes) -> bytes:
        if data[:1] == b'k':
            self.keys.add(data[1:])
            return data[1:]
        if data[1:] not in self.keys:
            raise ProtocolError('needs a key')
        return b'd' + data[1:]


def test_what_nobody_asked_for_is_there_when_a_later_one_needs_it() -> None:
    restorer = RouteRestorer('half/1', Differences())
    for data in (b'k1', b'd1', b'k2'):
        restorer.note(data)
    assert restorer.restore('half/1', b'd2') == b'd2'
    assert restorer.restore('half/1', b'd1') == b'd1'
    with pytest.raises(ProtocolError, match='needs a key'):
        restorer.restore('half/1', b'd3')


def test_what_is_held_for_later_is_bounded() -> None:
    restorer = RouteRestorer('half/1', Differences())
    restorer.note(b'k1')
    for _ in range(5):
        restorer.note(bytes(1024 * 1024))
    assert restorer._bytes <= 4 * 1024 * 1024
    with pytest.raises(ProtocolError, match='needs a key'):
        restorer.restore('half/1', b'd1')


def test_only_forms_that_need_earlier_ones_get_a_restorer_and_few_of_them() -> None:
    restorers = RouteRestorers()
    assert restorers.restorer('b', 1, 'half/1') is None
    assert restorers.restorer('b', 1, 'nobody/1') is None
    made = [restorers.restorer('b', route, 'grid_diff/1') for route in range(20)]
    assert all(made)
    assert restorers.restorer('b', 19, 'grid_diff/1') is made[19]
    assert restorers.restorer('b', 0, 'grid_diff/1') is not made[0]
    assert len(restorers._routes) <= 8


def test_restorers_give_way_to_others_by_what_they_keep() -> None:
    reducer = GridKind().make(make_message.GRID, '', {}, 1 << 26)
    noise = np.random.default_rng(1).integers(0, 100, (100, 100)).astype(np.int8)
    full = reducer.reduce(make_message.grid(noise), Level.FULL)
    restorers = RouteRestorers(most_bytes=25_000)
    made = []
    for route in range(4):
        restorer = restorers.restorer('b', route, 'grid_diff/1')
        assert restorer is not None
        restorer.restore('grid_diff/1', full)
        assert restorer.kept_bytes == 10_000
        made.append(restorer)
    # Two others and the one in use have room, a third other has not.
    for route in (1, 2, 3):
        assert restorers.restorer('b', route, 'grid_diff/1') is made[route]
    assert restorers.restorer('b', 0, 'grid_diff/1') is not made[0]
    # What waits to be restored counts as well, and the one in use always has room.
    alone = RouteRestorers(most_bytes=0)
    only = alone.restorer('b', 1, 'grid_diff/1')
    assert only is not None
    only.note(full)
    assert only.kept_bytes == len(full)
    assert alone.restorer('b', 1, 'grid_diff/1') is only
    assert alone.restorer('b', 2, 'grid_diff/1') is not None
    assert alone.restorer('b', 1, 'grid_diff/1') is not only
