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

"""Parameters that commands read and set."""

from typing import Any

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('test_msgs')
from ros_cloud_bridge.command_values import State  # noqa: E402
from support.actuator_rig import outcome, Rig  # noqa: E402
from support.command_servers import CommandServers, TOO_HIGH  # noqa: E402


def test_parameters_are_read(shared: Rig) -> None:
    ended = shared.run('parameters', 'get', {'names': ['gain', 'tags']})
    assert ended.state is State.SUCCEEDED, ended
    assert ended.detail == {'values': {'gain': 1.5, 'tags': ['a']}}
    assert shared.run('parameters', 'list').detail == {'names': ['gain', 'tags']}
    described = shared.run('parameters', 'describe', {'names': ['gain', 'tags']}).detail
    assert described == {'parameters': {'gain': {'type': 'double'}, 'tags': {'type': 'string[]'}}}


def test_an_undeclared_parameter_is_null_or_named(shared: Rig) -> None:
    # As the node's rclpy has it.
    ended = shared.run('parameters', 'get', {'names': ['gain', 'missing']})
    if ended.state is State.SUCCEEDED:
        assert ended.detail['values'] == {'gain': 1.5, 'missing': None}
    else:
        assert ended.reason == "refused_by_server: not declared: 'missing'"


def test_parameters_are_set(shared: Rig, servers: CommandServers) -> None:
    def value(name: str) -> Any:
        return servers.get_parameter(name).value

    assert shared.run('parameters', 'set', {'values': {'gain': 4, 'tags': []}}).reason == ''
    assert (value('gain'), list(value('tags'))) == (4.0, [])
    assert type(value('gain')) is float
    assert shared.run('parameters', 'set', {'values': {'tags': ['b', 'c']}}).reason == ''
    assert list(value('tags')) == ['b', 'c']


def test_the_nodes_refusal_is_passed_on_and_nothing_is_set(
    shared: Rig, servers: CommandServers
) -> None:
    before = servers.get_parameter('tags').value
    ended = shared.run('parameters', 'set', {'values': {'tags': ['z'], 'gain': 11.0}})
    assert ended.state is State.FAILED
    assert ended.reason == f'refused_by_server: {TOO_HIGH}'
    assert servers.get_parameter('tags').value == before
    ended = shared.run('parameters', 'set', {'values': {'gain': 'high'}})
    assert outcome(ended) == (State.FAILED, 'refused_by_server')
    ended = shared.run('parameters', 'set', {'values': {'missing': 1}})
    assert outcome(ended) == (State.FAILED, 'refused_by_server')


def test_a_channel_reaches_its_own_parameters_only(shared: Rig) -> None:
    for type_, arguments in (
        ('get', {'names': ['gain', 'hidden']}),
        ('describe', {'names': ['hidden']}),
        ('set', {'values': {'gain': 1.0, 'hidden': 2}}),
    ):
        ended = shared.run('parameters', type_, arguments)
        assert outcome(ended) == (State.FAILED, 'not_permitted')
        assert "'hidden'" in ended.reason


@pytest.mark.parametrize(
    ('type_', 'arguments', 'said'),
    [
        ('get', None, "expected {'names': [...]}"),
        ('get', {'names': []}, 'names: expected a list'),
        ('get', {'names': [1]}, 'names[0]: expected string, got the integer 1'),
        ('list', {'names': ['a']}, 'list takes no arguments'),
        ('set', {'values': {'gain': None}}, 'values.gain: expected'),
        ('set', {'values': {'gain': [1, 'a']}}, 'values.gain: expected'),
        ('set', {'values': {'gain': {}}}, 'values.gain: expected'),
        ('set', {'values': {'gain': 2**63}}, 'values.gain.integer_value: expected int64'),
        ('set', {'values': {'missing': []}}, 'values.missing: an empty list'),
    ],
)
def test_bad_arguments_of_parameters_are_named(
    shared: Rig, type_: str, arguments: Any, said: str
) -> None:
    ended = shared.run('parameters', type_, arguments)
    assert ended.state is State.FAILED
    assert ended.reason.startswith(f'bad_fields: {said}')
