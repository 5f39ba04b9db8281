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

"""Triggers of black boxes: as the user writes them, and when they fire."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from ros_cloud_bridge.core.trigger import (
    field_problem,
    FieldProblem,
    parse_trigger,
    read_field,
    Trigger,
    trigger_problem,
    TriggerKind,
    Watch,
)


class Message:
    """Stands in for any generated message class: fields, and the method that names them."""

    def __init__(self, **fields: Any) -> None:
        self._names = tuple(fields)
        for name, value in fields.items():
            setattr(self, name, value)

    def get_fields_and_field_types(self) -> Mapping[str, str]:
        """
        Name the fields.

        :returns: as rosidl's classes do
        """
        return dict.fromkeys(self._names, '')


def status(name: str, level: int, message: str = '') -> Message:
    """
    Make a diagnostics status.

    :param name: its name
    :param level: its level, which rclpy gives as an octet
    :param message: its text
    :returns: the status
    """
    return Message(level=bytes([level]), name=name, message=message)


def diagnostics(**levels: int) -> Message:
    """
    Make a diagnostics array.

    :param levels: by name
    :returns: the array
    """
    return Message(status=[status(name, level, 'why') for name, level in levels.items()])


@dataclass
class Run:
    """A watch and its clock."""

    text: str
    now: float = 50.0
    fired: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.watch = Watch(parse_trigger(self.text))

    def see(self, message: Any, after_s: float = 0.0) -> list[str]:
        """
        Let time go by, then show a message.

        :param message: it
        :param after_s: how long before it nothing comes
        :returns: what fires
        """
        self.now += after_s
        return self.watch.feed(message, self.now)

    def wait(self, seconds: float) -> list[str]:
        """
        Let time go by.

        :param seconds: how long
        :returns: what fires
        """
        self.now += seconds
        return self.watch.tick(self.now)


def test_every_part_of_a_condition() -> None:
    assert parse_trigger(' /odom: twist.twist.linear.x > -1.5e0 for 2 s ') == Trigger(
        text='/odom: twist.twist.linear.x > -1.5e0 for 2 s',
        kind=TriggerKind.FIELD,
        topic='/odom',
        path=('twist', 'twist', 'linear', 'x'),
        operator='>',
        value=-1.5,
        hold_s=2.0,
    )
    assert parse_trigger('/joints:position[3]<=.5').path == ('position', 3)
    assert parse_trigger('wheels/left: goals[2].pose.x != 0').path == ('goals', 2, 'pose', 'x')
    assert parse_trigger('/estop: data == true').value is True
    assert parse_trigger('/mode: data == "stuck for 2s" for 250ms') == Trigger(
        text='/mode: data == "stuck for 2s" for 250ms',
        kind=TriggerKind.FIELD,
        topic='/mode',
        path=('data',),
        operator='==',
        value='stuck for 2s',
        hold_s=0.25,
    )
    assert parse_trigger("/mode: data != ''").value == ''
    assert parse_trigger('/t: x > 1 for 2min').hold_s == 120.0


def test_diagnostics_by_word_and_by_name() -> None:
    every = parse_trigger('/diagnostics: level >= error')
    assert (every.kind, every.name, every.value) == (TriggerKind.DIAGNOSTICS, '', 2)
    # A status is often named by colons and slashes.
    one = parse_trigger('/diagnostics[lidar: /scan [front]]: level == STALE for 3s')
    assert (one.topic, one.name, one.value, one.hold_s) == (
        '/diagnostics',
        'lidar: /scan [front]',
        3,
        3.0,
    )


@pytest.mark.parametrize('text', ['service', 'crash', ' Service '])
def test_words_by_themselves(text: str) -> None:
    assert parse_trigger(text).text == text.strip().lower()
    assert trigger_problem(text) == ''


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        ('', 'must be a condition'),
        ('field', 'must be a condition'),
        ('diagnostics', 'must be a condition'),
        ('/odom', 'must be a condition'),
        ('/odom: x', 'must be a condition'),
        ('/odom: x = 1', 'must be a condition'),
        ('/odom: x > 1 for 2h', 'must be a condition'),
        ('/odom: x > 1 and y > 2', 'must be a condition'),
        ('/odom: _x > 1', 'must be a condition'),
        ('/odom: x > 1\n', ''),
        ('/odom//x: x > 1', 'must be a condition'),
        ('/odom: x > nan', 'compares with nan; must be a number'),
        ('/odom: x > 1e999', 'compares with 1e999; must be a number'),
        ('/odom: x == fault', 'compares with fault; must be a number, true, false or quoted text'),
        ('/odom: x > true', 'compares true by >; only == and != do'),
        ('/odom: x < "b"', 'compares "b" by <; only == and != do'),
        ('/odom: x > 1 for 3601s', 'holds for more than 3600 s'),
        ('/diagnostics: name >= error', "only the field 'level' can be compared, not 'name'"),
        ('/diagnostics[x]: level >= high', 'must be one of ok, warn, error, stale'),
        ('command', ''),
    ],
)
def test_what_is_wrong_is_said(text: str, problem: str) -> None:
    found = trigger_problem(text)
    assert problem in found and bool(problem) is bool(found) and '\n' not in found


def test_no_pattern_takes_long() -> None:
    # Ends within the test's patience, which exponential backtracking would not.
    assert trigger_problem('/' + 'a/' * 20000) and trigger_problem('/t: ' + 'a.' * 20000 + '> 1')
    assert trigger_problem('/t[' + ']:' * 20000) and trigger_problem('/t: x > ' + '1' * 20000)


def test_fields_are_found_or_the_lack_is_named() -> None:
    nested = Message(x=1.5, ok=True, names=['a', 'b'], octet=b'\x02')
    message = Message(pose=nested, flag=False)
    assert read_field(message, ('pose', 'x')) == 1.5
    assert read_field(message, ('pose', 'names', 1)) == 'b'
    assert read_field(message, ('pose', 'octet')) == 2
    assert read_field(message, ('flag',)) is False
    # A list may be longer in the next message.
    assert read_field(message, ('pose', 'names', 2)) is None
    for path, problem in (
        (('speed',), "Message has no field 'speed'; its fields: pose, flag"),
        (('pose', 'y'), "'pose' has no field 'y'; its fields: x, ok, names, octet"),
        (('pose',), "'pose' has fields itself: x, ok, names, octet"),
        (('pose', 'names'), "'pose.names' is a list; write one of its elements"),
        (('pose', 'x', 0), "'pose.x' is no list"),
        (('get_fields_and_field_types',), 'has no field'),
        (('pose', 'x', 'real'), "'pose.x' has no field 'real'; its fields: none"),
    ):
        with pytest.raises(FieldProblem) as raised:
            read_field(message, path)
        assert problem in str(raised.value)


def test_a_type_that_lacks_the_field_is_known_before_a_message_comes() -> None:
    empty = Message(data=0.0, ranges=[], mode='')
    assert field_problem(parse_trigger('/t: data > 1'), empty) == ''
    assert field_problem(parse_trigger('/t: ranges[5] > 1'), empty) == ''
    assert "no field 'datum'" in field_problem(parse_trigger('/t: datum > 1'), empty)
    assert field_problem(parse_trigger('/t: mode == 1'), empty) == "'mode' is text, not a number"
    assert 'is a number, not true or false' in field_problem(
        parse_trigger('/t: data == true'), empty
    )
    assert 'holds no diagnostics' in field_problem(parse_trigger('/t: level >= warn'), empty)
    assert field_problem(parse_trigger('/t: level >= warn'), diagnostics()) == ''


def test_it_fires_when_the_condition_becomes_true_and_not_while_it_stays_so() -> None:
    run = Run('/t: x > 3')
    assert run.see(Message(x=3.0)) == []
    assert run.see(Message(x=3.5)) == ['3.5']
    assert run.see(Message(x=9.0)) == [] and run.wait(100.0) == []
    assert run.see(Message(x=1.0)) == []
    assert run.see(Message(x=4)) == ['4']
    assert run.watch.due_at is None


def test_not_a_number_meets_no_bound() -> None:
    run = Run('/t: x > 3')
    assert run.see(Message(x=4.0)) == ['4.0']
    assert run.see(Message(x=float('nan'))) == []
    assert run.see(Message(x=4.0)) == ['4.0']


def test_a_condition_that_has_to_hold_fires_by_the_clock() -> None:
    run = Run('/t: x > 3 for 2s')
    assert run.see(Message(x=4.0)) == [] and run.watch.due_at == run.now + 2.0
    assert run.see(Message(x=5.0), 1.0) == []
    # Interrupted: it begins anew.
    assert run.see(Message(x=0.0), 0.5) == [] and run.watch.due_at is None
    assert run.see(Message(x=6.0), 0.1) == [] and run.wait(1.9) == []
    # The topic need not speak again.
    assert run.wait(0.2) == ['6.0'] and run.wait(10.0) == []


def test_a_condition_that_held_long_enough_fires_though_the_next_message_ends_it() -> None:
    run = Run('/t: x > 3 for 2s')
    assert run.see(Message(x=4.0)) == []
    assert run.see(Message(x=0.0), 5.0) == ['4.0']
    assert run.wait(5.0) == []


def test_each_status_of_diagnostics_is_followed_by_itself() -> None:
    run = Run('/diagnostics: level >= error')
    assert run.see(diagnostics(left=0, right=1)) == []
    assert run.see(diagnostics(left=2)) == ['error: left: why']
    # Other nodes' arrays say nothing about it, neither good nor bad.
    assert run.see(diagnostics(right=1)) == [] and run.see(diagnostics(left=2)) == []
    assert run.see(diagnostics(right=3, left=2)) == ['stale: right: why']
    assert run.see(diagnostics(left=0)) == [] and run.see(diagnostics(left=2)) != []


def test_one_status_by_name() -> None:
    run = Run('/diagnostics[left]: level >= warn for 1s')
    assert run.see(diagnostics(right=2, left=0)) == []
    assert run.see(diagnostics(left=1)) == [] and run.see(diagnostics(right=0), 2.0) != []
    lone = Run('/toplevel: level == error')
    assert lone.see(status('robot', 2, 'down')) == ['error: robot: down']


def test_names_without_end_take_no_memory_without_end_and_fire_once() -> None:
    run = Run('/diagnostics: level >= error')
    many = diagnostics(**{f'n{number}': 2 for number in range(5000)})
    assert len(run.see(many)) == 1000
    assert run.see(many) == []


def test_a_message_that_cannot_be_read_is_a_problem_and_no_exception() -> None:
    run = Run('/t: x > 3')
    assert run.see(Message(y=4.0)) == [] and "no field 'x'" in run.watch.problem
    assert run.see(Message(x='4')) == [] and 'is text' in run.watch.problem
    assert run.see(Message(x=4.0)) == ['4.0'] and run.watch.problem == ''


def test_a_value_in_words_is_bounded() -> None:
    run = Run('/t: x != ""')
    (value,) = run.see(Message(x='y' * 100000))
    assert len(value) == 200
