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

"""The table of states, all of it; windows, limits and scaling by themselves."""

from itertools import product
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.command_values import Answer, Reason, State
from ros_cloud_bridge.core.commands.effects import LogKey
from ros_cloud_bridge.core.commands.limits import all_finite, parse, problem
from ros_cloud_bridge.core.commands.memory import Memory
from ros_cloud_bridge.core.commands.scaling import factor, scaled
from ros_cloud_bridge.core.commands.states import after, Event, event_of, ImpossibleEvent
from ros_cloud_bridge.core.commands.windows import MOST_EACH, MOST_KEYS, WIDTH, Windows
from support.gates import Signer

_ENDS = {
    Event.SUCCEEDED: State.SUCCEEDED,
    Event.FAILED: State.FAILED,
    Event.CANCELLED: State.CANCELLED,
    Event.TIMED_OUT: State.TIMED_OUT,
    Event.RESTARTED: State.UNKNOWN_AFTER_RESTART,
}
_FOLLOWS = {
    State.RECEIVED: {
        Event.ADMITTED: State.ACCEPTED,
        Event.REFUSED: State.REJECTED,
        Event.RESTARTED: State.UNKNOWN_AFTER_RESTART,
    },
    State.ACCEPTED: {Event.REFUSED: State.REJECTED, Event.PROGRESSED: State.RUNNING, **_ENDS},
    State.RUNNING: {Event.PROGRESSED: State.RUNNING, **_ENDS},
}


@pytest.mark.parametrize(('state', 'event'), list(product(State, Event)))
def test_every_state_and_event(state: State, event: Event) -> None:
    expected = _FOLLOWS.get(state, {}).get(event)
    if expected is not None:
        assert after(state, event) is expected
        return
    with pytest.raises(ImpossibleEvent) as caught:
        after(state, event)
    assert (caught.value.state, caught.value.event) == (state, event)
    assert state.name in str(caught.value)


def test_nothing_follows_on_an_end() -> None:
    assert [s for s in State if s.final] == [s for s in State if s not in _FOLLOWS]


@pytest.mark.parametrize('state', State)
def test_ends_of_dispatched_commands(state: State) -> None:
    if not state.final or state is State.UNKNOWN_AFTER_RESTART:
        with pytest.raises(ImpossibleEvent):
            event_of(state)
    else:
        assert after(State.ACCEPTED, event_of(state)) is state


KEY = (b'kid', b'instance', 'call')


@given(st.lists(st.integers(0, 200), max_size=150))
def test_a_window_against_a_set(sequences: list[int]) -> None:
    windows, seen, high = Windows(), set[int](), 0
    for sequence in sequences:
        fresh = sequence > 0 and sequence > high - WIDTH and sequence not in seen
        reason = windows.take(KEY, sequence, 10, 0)
        assert reason == ('' if fresh else Reason.REPLAYED)
        if fresh:
            seen.add(sequence)
            high = max(high, sequence)


@given(st.lists(st.integers(0, 50), max_size=100))
def test_increasing_numbers(sequences: list[int]) -> None:
    windows, high = Windows(), 0
    for sequence in sequences:
        reason = windows.take(KEY, sequence, 10, 0, increasing=True)
        assert reason == ('' if sequence > high else Reason.OUT_OF_ORDER)
        high = max(high, sequence)


def test_windows_are_forgotten_when_every_deadline_is_past() -> None:
    windows = Windows()
    for number in range(MOST_EACH):
        key = (b'kid', number.to_bytes(8, 'big'), 'call')
        assert windows.take(key, 1, 1000 + number, 500) == ''
    other = (b'kid', b'another-', 'call')
    # One that has seen a later deadline since stays with the later one.
    assert windows.take((b'kid', bytes(8), 'call'), 2, 1001, 501) == ''
    assert windows.take(other, 1, 9000, 1000) == Reason.BUSY
    assert windows.take((b'kid', bytes(8), 'call'), 3, 9000, 1000) == ''
    assert windows.take(other, 1, 9000, 1001) == Reason.BUSY
    assert windows.take(other, 1, 9000, 1002) == ''
    assert len(windows) == MOST_EACH
    # What went may come again with a number of before: its deadline is past all the same.
    assert windows.take((b'kid', bytes(8), 'call'), 1, 9000, 1002) == Reason.REPLAYED


def test_each_key_has_windows_of_its_own() -> None:
    windows = Windows()
    for number in range(2 * MOST_EACH):
        windows.take((b'kid', number.to_bytes(8, 'big'), 'call'), 1, 1000, 0)
    assert len(windows) == MOST_EACH
    assert windows.take((b'dik', bytes(8), 'call'), 1, 1000, 0) == ''


def test_keys_are_forgotten_when_every_deadline_is_past() -> None:
    windows = Windows()
    for number in range(MOST_KEYS):
        kid = number.to_bytes(8, 'big')
        assert windows.take((kid, b'first', 'call'), 1, 1000 + number, 500) == ''
        assert windows.take((kid, b'second', 'call'), 1, 2000 + number, 500) == ''
    other = (b'another-', b'first', 'call')
    assert windows.take(other, 1, 9000, 1999) == Reason.BUSY
    assert windows.take(other, 1, 9000, 2000) == Reason.BUSY
    assert windows.take(other, 1, 9000, 2001) == ''
    # Those that stay have lost what is past, and nothing else.
    assert windows.take(((1).to_bytes(8, 'big'), b'second', 'call'), 1, 9000, 2001) == 'replayed'
    assert len(windows) == MOST_KEYS


@pytest.mark.parametrize(
    ('text', 'fields', 'breach'),
    [
        ('linear.x: -0.5..1.0', {'linear': {'x': 1.0}}, ''),
        ('linear.x: -0.5..1.0', {'linear': {'x': 2.5}}, 'linear.x: 2.5 is outside -0.5..1'),
        ('linear.x: -0.5..1.0', {'linear': {'x': math.nan}}, 'linear.x: nan is outside -0.5..1'),
        ('linear.x: -0.5..1.0', {'linear': {'x': '0'}}, "linear.x: '0' is no number"),
        ('linear.x: -0.5..1.0', {'linear': {'x': True}}, 'linear.x: True is no number'),
        ('linear.x: -0.5..1.0', {'linear': {'x': [0.0]}}, 'linear.x: [0.0] is no number'),
        ('linear.x: -0.5..1.0', {'linear': 0.5}, 'linear: 0.5 is no number'),
        ('linear.x: -0.5..1.0', {'linear': None}, 'linear: None is no number'),
        ('linear.x: -0.5..1.0', {}, ''),
        ('linear.x: -0.5..1.0', None, ''),
        ('linear.x: 0.5..1.0', None, 'linear.x: absent is outside 0.5..1'),
        ('x: 1..inf', {'x': 2**70}, ''),
        ('a.*: 0..1', {'a': [0, 1, 2]}, 'a.2: 2 is outside 0..1'),
        ('a.*: 0..1', {'a': b'\x00\x02'}, 'a.1: 2 is outside 0..1'),
        ('a.*: 0..1', {'a': 1}, 'a.*: 1 is no number'),
        ('a.*: 0..1', {}, ''),
        ('*.x: 0..1', {'a': {'x': 1}, 'b': {'x': 3}}, 'b.x: 3 is outside 0..1'),
        ('p.*.x: 1..2', {'p': [{'x': 1}, {}]}, 'p.1.x: absent is outside 1..2'),
        ('mode: in slow, fast, 3', {'mode': 'fast'}, ''),
        ('mode: in slow, fast, 3', {'mode': 3}, ''),
        ('mode: in slow, fast, 3', {'mode': 4}, 'mode: 4 is none of slow, fast, 3'),
        ('mode: in slow, fast', {}, 'mode: absent is none of slow, fast'),
        ("mode: in '', fast", {}, ''),
        ('mode: in 0, 1', {}, ''),
        ('on: in true', {'on': True}, ''),
        ('on: in true', {'on': False}, 'on: False is none of true'),
        ('on: in 1', {'on': True}, 'on: True is none of 1'),
        ('text: at most 3', {'text': 'four'}, 'text: length 4 is more than 3'),
        ('text: at most 3', {'text': 'abc'}, ''),
        ('text: at most 3', {'text': 3}, 'text: 3 has no length'),
        ('text: at most 3', {}, ''),
    ],
)
def test_limits(text: str, fields: Any, breach: str) -> None:
    assert problem(text) == ''
    assert parse(text).breach(fields) == breach


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('', 'forms'),
        ('linear.x', 'forms'),
        ('linear.x:', 'forms'),
        ('linear..x: 0..1', 'no path'),
        ('linear x: 0..1', 'no path'),
        ('x: 1..0', 'holds no number'),
        ('x: nan..1', 'holds no number'),
        ('x: a..b', 'no numbers'),
        ('x: ..1', 'no numbers'),
        ('x: below 3', 'no rule'),
        ('x: at most -1', 'no rule'),
        ('x: in a,,b', 'empty'),
    ],
)
def test_limits_that_are_none(text: str, said: str) -> None:
    assert said in problem(text)
    assert '\n' not in problem(text)


def test_a_long_value_is_shown_short() -> None:
    breach = parse('x: 0..1').breach({'x': 'y' * 10_000})
    assert len(breach) < 100


@given(st.recursive(st.floats(), lambda inner: st.lists(inner, max_size=3), max_leaves=8))
def test_finite_numbers(value: Any) -> None:
    def flat(item: Any) -> list[float]:
        return [item] if isinstance(item, float) else [x for i in item for x in flat(i)]

    assert all_finite({'x': [value]}) == all(map(math.isfinite, flat(value)))


@pytest.mark.parametrize(
    ('age_s', 'expected'),
    [(-1.0, 1.0), (0.25, 1.0), (0.4375, 0.75), (0.625, 0.5), (1.0, 0.0), (5.0, 0.0)],
)
def test_the_factor_falls_in_a_line(age_s: float, expected: float) -> None:
    assert factor(age_s, 0.25, 1.0) == pytest.approx(expected)


def test_a_factor_without_a_slope() -> None:
    assert [factor(age, 0.5, 0.5) for age in (0.5, 0.6)] == [1.0, 0.0]


def test_scaling_leaves_the_original_alone() -> None:
    fields = {'linear': {'x': 1.0, 'y': 2}, 'axes': [1.0, {'v': 2.0}], 'on': True, 'name': 'a'}
    copy = {'linear': {'x': 1.0, 'y': 2}, 'axes': [1.0, {'v': 2.0}], 'on': True, 'name': 'a'}
    assert scaled(fields, ('linear', 'x'), 0.5)['linear'] == {'x': 0.5, 'y': 2}
    assert scaled(fields, ('linear',), 0.5)['linear'] == {'x': 0.5, 'y': 1.0}
    assert scaled(fields, ('axes', '*', 'v'), 0.5)['axes'] == [1.0, {'v': 1.0}]
    assert scaled(fields, ('axes',), 0.5)['axes'] == [0.5, {'v': 1.0}]
    assert scaled(fields, ('absent', 'x'), 0.5) == copy
    assert scaled(fields, ('on',), 0.5)['on'] is True
    assert fields == copy


def test_memory_is_bounded_in_number_and_bytes() -> None:
    memory = Memory(most=10, most_bytes=10_000)
    signer = Signer('ann')
    keys = []
    for number in range(30):
        command = signer.command('call', 'call')
        answer = _answer(command.id, 'x' * 10)
        key = _key(command.id)
        keys.append(key)
        memory.keep(key, bytes([number]), answer)
    assert [memory.find(key) is not None for key in keys] == [False] * 20 + [True] * 10
    memory.keep(keys[0], b'', _answer(keys[0].id, 'y' * 9_000))
    assert memory.find(keys[0]) is not None
    assert sum(memory.find(key) is not None for key in keys) < 4


def _answer(identity: bytes, detail: Any) -> Answer:
    return Answer(id=identity, epoch=b'', robot_ms=0, state=State.SUCCEEDED, detail=detail)


def _key(identity: bytes) -> LogKey:
    return LogKey(kid=b'k' * 8, id=identity)
