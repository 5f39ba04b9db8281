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

"""Parameters of a real node: files, wildcards, empty lists, integers, changes at run time."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

rclpy = pytest.importorskip('rclpy')

from rclpy.lifecycle import LifecycleNode  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402

from ros_cloud_bridge.cli.parameter_file import load_file  # noqa: E402
from ros_cloud_bridge.core.config import read_config  # noqa: E402
from ros_cloud_bridge.errors import ConfigError  # noqa: E402
from ros_cloud_bridge.ros.parameters import (  # noqa: E402
    adopt_overrides,
    flat_parameters,
    read_parameters,
    try_change,
)
from ros_cloud_bridge.values import Priority  # noqa: E402

CONFIGS = sorted(
    path
    for path in (Path(__file__).parents[2] / 'config').glob('*.yaml')
    if path.name != 'mirror.yaml'
)
MakeNode = Callable[..., LifecycleNode]
YAML = """
/**:
  ros__parameters:
    robot_id: amr-07
    use_sim_time: false
    auto_start: false
    qos_overrides: {/odom: {subscription: {depth: 5}}}
    discovery: {deny: []}
    streams: [pose, scan]
    stream:
      pose: {topics: [/odom, amcl_pose], max_hz: 10, priority: high, deny: []}
      scan: {topics: ["/scan*"], max_hz: 2.5}
"""


@pytest.fixture
def make_node(tmp_path: Path) -> Iterator[MakeNode]:
    undo: list[Callable[[], object]] = []

    def make(yaml: str = '', *arguments: str) -> LifecycleNode:
        context = rclpy.Context()
        words = ['--ros-args']
        if yaml:
            file = tmp_path / 'params.yaml'
            file.write_text(yaml)
            words += ['--params-file', str(file)]
        words += [word for argument in arguments for word in ('-p', argument)]
        rclpy.init(args=words, context=context)
        undo.append(context.try_shutdown)
        node = LifecycleNode(
            'uplink', namespace='/ns', context=context, allow_undeclared_parameters=True
        )
        undo.append(node.destroy_node)
        return node

    yield make
    for step in reversed(undo):
        step()


def test_a_file_with_integers_and_empty_lists_is_read(make_node: MakeNode) -> None:
    config = read_parameters(make_node(YAML))
    assert config.robot_id == 'amr-07'
    assert config.discovery.deny == ()
    pose, scan = config.streams
    assert (pose.topics, pose.deny) == (('/odom', 'amcl_pose'), ())
    assert (pose.max_hz, pose.priority, scan.max_hz) == (10.0, Priority.HIGH, 2.5)
    assert isinstance(pose.max_hz, float)


def test_the_command_line_alone_is_enough_and_wins(make_node: MakeNode) -> None:
    config = read_parameters(
        make_node(
            '',
            'robot_id:=r1',
            'streams:=[a]',
            'stream.a.topics:=[/a]',
            'stream.a.deny:=[]',
            'stream.a.max_hz:=3',
        )
    )
    assert (config.robot_id, config.streams[0].topics) == ('r1', ('/a',))
    assert read_parameters(make_node(YAML, 'robot_id:=other')).robot_id == 'other'


def test_a_section_for_the_node_overrides_the_wildcard(make_node: MakeNode) -> None:
    # A section of its own also replaces a value by one of another type, which -p does not.
    own = '/ns/uplink:\n  ros__parameters: {robot_id: own, stream: {pose: {max_hz: 7.5}}}\n'
    config = read_parameters(make_node(YAML + own))
    assert (config.robot_id, config.streams[0].max_hz) == ('own', 7.5)
    assert config.streams[0].topics == ('/odom', 'amcl_pose')


def test_parameters_of_ros_are_left_out(make_node: MakeNode) -> None:
    node = make_node(YAML)
    adopt_overrides(node)
    adopt_overrides(node)
    flat = flat_parameters(node)
    assert flat['discovery.deny'] is None
    assert not {'use_sim_time', 'auto_start'} & set(flat)
    assert not any(name.startswith('qos_overrides') for name in flat)
    assert node.get_parameter('auto_start').value is False


@pytest.mark.parametrize(
    ('argument', 'line'),
    [
        ('stream.pose.max_hzz:=3', 'stream.pose.max_hzz: unknown key; did you mean max_hz?'),
        ('robot_id:=7', "robot_id: 7 is a whole number; must be text; write it in quotes: '7'"),
        ('stream.pose.topics:=/odom', "stream.pose.topics: '/odom' is text; must be a list: "
         'write [/odom]'),
        ('stream.scan.max_hz:=.nan', 'stream.scan.max_hz: nan is not a finite number; '
         'allowed: 0.0001 to 100000 Hz, or 0 (no limit)'),
        ('stream.pose.weight:=[1, 2]', 'stream.pose.weight: [1, 2] is a list; must be a number'),
        ('streams:=[1, 2]', "streams: 1 in the list is a whole number; must be text: write '1'"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_one_line(make_node: MakeNode, argument: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_parameters(make_node(YAML, argument))
    assert str(caught.value) == line


def test_a_node_without_parameters_says_what_it_needs(make_node: MakeNode) -> None:
    with pytest.raises(ConfigError, match='^streams: names no stream'):
        read_parameters(make_node())


def test_parameters_change_at_run_time_through_ros(make_node: MakeNode) -> None:
    node = make_node(YAML)
    current = read_parameters(node)
    taken = [current]

    def judge(changes: list[Parameter]) -> object:
        result, config = try_change(node, changes, taken[-1])
        if config is not None:
            taken.append(config)
        return result

    node.add_on_set_parameters_callback(judge)

    def change(name: str, value: object) -> str:
        result = node.set_parameters([Parameter(name, value=value)])[0]
        assert result.successful is (result.reason == '')
        return str(result.reason)

    assert change('stream.pose.max_hz', 2.5) == ''
    assert taken[-1].streams[0].max_hz == 2.5
    assert change('stream.pose.max_hz', 3) == ''
    assert change('stream.scan.weight', 2) == ''  # not in the file, but changeable
    assert taken[-1].streams[1].weight == 2.0
    assert change('use_sim_time', False) == ''
    before = taken[-1]
    assert change('stream.pose.max_hz', -1).startswith('stream.pose.max_hz: -1 is out of range')
    assert change('stream.pose.hz', 1) == 'stream.pose.hz: unknown key; did you mean max_hz?'
    assert change('mqtt.host', 'other') == (
        'mqtt.host: is read-only while the bridge runs; change it and restart'
    )
    assert (
        change('stream.pose.max_hz', None) == 'stream.pose.max_hz: has no value; must be a number'
    )
    assert taken[-1] == before
    assert read_parameters(node) == before


def test_an_unconfigured_node_takes_any_change_and_checks_later(make_node: MakeNode) -> None:
    node = make_node(YAML)
    adopt_overrides(node)
    node.add_on_set_parameters_callback(lambda changes: try_change(node, changes, None)[0])
    assert node.set_parameters([Parameter('mqtt.host', value='other')])[0].successful
    assert read_parameters(node).mqtt.host == 'other'


def test_a_parameter_is_described(make_node: MakeNode) -> None:
    node = make_node(YAML)
    read_parameters(node)
    described = node.describe_parameter('stream.pose.weight')
    assert described.description == 'Share of the link among the streams of one class.'
    assert described.additional_constraints == '0.001 to 1000'
    assert described.dynamic_typing
    assert node.describe_parameter('robot_id').description.endswith('while the bridge runs.')


def test_an_emptied_list_of_streams_is_refused(make_node: MakeNode) -> None:
    own = '/ns/uplink:\n  ros__parameters: {streams: []}\n'
    with pytest.raises(ConfigError) as caught:
        read_parameters(make_node(YAML + own))
    assert str(caught.value) == 'streams: names no stream; must be a list, as in [pose, scan]'


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_the_node_reads_each_file_as_check_config_does(make_node: MakeNode, path: Path) -> None:
    config = read_parameters(make_node(path.read_text()))
    assert config == read_config(load_file(path))
