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

"""Channels for commands: their keys and refusals."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.config import (
    changed_at_run_time,
    find_problems,
    flatten,
    may_change_at_run_time,
    read_config,
    refuse_read_only,
)
from ros_cloud_bridge.core.config_command_table import COMMAND_FIELDS, KINDS_OF_KEY
from ros_cloud_bridge.core.config_fields import Field, Kind
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.values import AuditConfig, ChannelConfig, ChannelKind, Trust

ROBOT: dict[str, object] = {
    'robot_id': 'amr-07',
    'streams': ['pose'],
    'stream.pose.topics': ['/odom'],
}
DRIVE: dict[str, object] = {
    'command.drive.kind': 'topic',
    'command.drive.ros_name': 'cmd_vel',
    'command.drive.type': 'geometry_msgs/msg/Twist',
    'command.drive.lease': True,
}
DOCK: dict[str, object] = {
    'command.dock.kind': 'service',
    'command.dock.ros_name': '/dock',
    'command.dock.type': 'std_srvs/srv/SetBool',
}
COUNT: dict[str, object] = {
    'command.count.kind': 'action',
    'command.count.ros_name': '/count',
    'command.count.type': 'test_msgs/action/Fibonacci',
}
ROVER: dict[str, object] = {
    'command.rover.kind': 'parameter',
    'command.rover.ros_name': '/rover',
    'command.rover.parameters': ['max_speed_m_s'],
}
NAMES = ['drive', 'dock', 'count', 'rover', 'bridge']
BASE: dict[str, object] = {
    **ROBOT,
    'commands': NAMES,
    **DRIVE,
    **DOCK,
    **COUNT,
    **ROVER,
    'command.bridge.kind': 'bridge',
}
NAME_RULE = 'must be 1 to 64 characters out of A-Z a-z 0-9 _ -'


def test_channels_without_more_have_the_defaults() -> None:
    config = read_config(BASE)
    assert config.trust is Trust.SIGNATURES
    assert (config.operator_keys, config.robot_key_file, config.audit) == ('', '', AuditConfig())
    assert config.channels == (
        ChannelConfig(
            name='drive',
            kind=ChannelKind.TOPIC,
            ros_name='cmd_vel',
            type_name='geometry_msgs/msg/Twist',
            lease=True,
            stop='{}',
            scale=('linear.*', 'angular.*'),
        ),
        ChannelConfig(
            name='dock',
            kind=ChannelKind.SERVICE,
            ros_name='/dock',
            type_name='std_srvs/srv/SetBool',
        ),
        ChannelConfig(
            name='count',
            kind=ChannelKind.ACTION,
            ros_name='/count',
            type_name='test_msgs/action/Fibonacci',
        ),
        ChannelConfig(
            name='rover',
            kind=ChannelKind.PARAMETER,
            ros_name='/rover',
            parameters=('max_speed_m_s',),
        ),
        ChannelConfig(name='bridge', kind=ChannelKind.BRIDGE),
    )


def test_nobody_may_do_anything_by_default() -> None:
    config = read_config(ROBOT)
    assert (config.channels, config.operator_keys) == ((), '')
    assert all(channel.operators == () for channel in read_config(BASE).channels)


def test_every_key_arrives_where_it_belongs() -> None:
    config = read_config(
        BASE
        | {
            'trust': 'transport',
            'operator_keys': '/keys',
            'robot_key_file': '/robot.key',
            'audit.file': '/audit.jsonl',
            'audit.max_bytes': 1048576,
            'audit.files': 2,
            'audit.mqtt': True,
            'command.drive.type': 'ackermann_msgs/msg/AckermannDrive',
            'command.drive.operators': ['alice', 'ops-*'],
            'command.drive.max_hz': 50,
            'command.drive.max_ttl_s': 2,
            'command.drive.max_bytes': 4096,
            'command.drive.max_running': 1,
            'command.drive.limits': ['speed: -0.5..1.0'],
            'command.drive.qos_depth': 1,
            'command.drive.reliable': False,
            'command.drive.lease_s': 5,
            'command.drive.watchdog_s': 0.3,
            'command.drive.stop': '{speed: 0.0}',
            'command.drive.scale': ['speed'],
            'command.drive.latency_full_s': 0.1,
            'command.drive.latency_stop_s': 0.5,
            'command.dock.timeout_s': 30,
            'command.count.feedback_hz': 5,
        }
    )
    assert config.trust is Trust.TRANSPORT
    assert (config.operator_keys, config.robot_key_file) == ('/keys', '/robot.key')
    assert config.audit == AuditConfig(file='/audit.jsonl', max_bytes=1048576, files=2, mqtt=True)
    drive, dock, count = config.channels[:3]
    assert drive == ChannelConfig(
        name='drive',
        kind=ChannelKind.TOPIC,
        ros_name='cmd_vel',
        type_name='ackermann_msgs/msg/AckermannDrive',
        operators=('alice', 'ops-*'),
        max_hz=50.0,
        max_ttl_s=2.0,
        max_bytes=4096,
        max_running=1,
        limits=('speed: -0.5..1.0',),
        qos_depth=1,
        reliable=False,
        lease=True,
        lease_s=5.0,
        watchdog_s=0.3,
        stop='{speed: 0.0}',
        scale=('speed',),
        latency_full_s=0.1,
        latency_stop_s=0.5,
    )
    assert (dock.timeout_s, count.feedback_hz) == (30.0, 5.0)
    latched = {'command.drive.lease': False, 'command.drive.transient_local': True}
    assert read_config(BASE | latched).channels[0].transient_local


@pytest.mark.parametrize(
    ('type_name', 'scale'),
    [
        ('geometry_msgs/msg/Twist', ('linear.*', 'angular.*')),
        ('geometry_msgs/msg/TwistStamped', ('twist.linear.*', 'twist.angular.*')),
    ],
)
def test_a_twist_shrinks_as_a_whole_unless_told_otherwise(
    type_name: str, scale: tuple[str, ...]
) -> None:
    typed = BASE | {'command.drive.type': type_name}
    assert read_config(typed).channels[0].scale == scale
    assert read_config(typed | {'command.drive.scale': ['none']}).channels[0].scale == ()
    only = {'command.drive.scale': ['linear.x']}
    assert read_config(typed | only).channels[0].scale == ('linear.x',)
    # Without a lease nothing is scaled.
    assert read_config(typed | {'command.drive.lease': False}).channels[0].scale == ()


def drop(*keys: str) -> dict[str, object]:
    return dict.fromkeys(keys, DROPPED)


DROPPED = object()
KINDS = 'topic, service, action, parameter, bridge'


def changed(changes: dict[str, object]) -> dict[str, object]:
    merged = BASE | changes
    return {key: value for key, value in merged.items() if value is not DROPPED}


@pytest.mark.parametrize(
    ('changes', 'line'),
    [
        (drop('command.dock.kind'), f'command.dock.kind: is missing; must be one of {KINDS}'),
        (
            {'command.dock.kind': 'topics'},
            f"command.dock.kind: 'topics' is none of its values; allowed: {KINDS}; did you mean "
            'topic?',
        ),
        (
            drop('command.drive.ros_name'),
            'command.drive.ros_name: is missing; give the name of the topic',
        ),
        (
            drop('command.dock.ros_name'),
            'command.dock.ros_name: is missing; give the name of the service',
        ),
        (
            drop('command.count.ros_name'),
            'command.count.ros_name: is missing; give the name of the action',
        ),
        (
            drop('command.rover.ros_name'),
            'command.rover.ros_name: is missing; give the name of the node',
        ),
        (
            {'command.dock.ros_name': 'a b'},
            "command.dock.ros_name: 'a b' is no ROS name; write one as in /cmd_vel, or cmd_vel "
            'below the namespace',
        ),
        (
            {'command.dock.ros_name': '/a//b'},
            "command.dock.ros_name: '/a//b' is no ROS name; write one as in /cmd_vel, or cmd_vel "
            'below the namespace',
        ),
        (
            drop('command.drive.type'),
            'command.drive.type: is missing; give the type of the topic, as in pkg/msg/X',
        ),
        (
            drop('command.dock.type'),
            'command.dock.type: is missing; give the type of the service, as in pkg/srv/X',
        ),
        (
            drop('command.count.type'),
            'command.count.type: is missing; give the type of the action, as in pkg/action/X',
        ),
        (
            {'command.dock.type': 'SetBool'},
            "command.dock.type: 'SetBool' is no type; write it in full, as in "
            'geometry_msgs/msg/Twist',
        ),
        (
            {'command.dock.type': 'std_msgs/msg/Bool'},
            "command.dock.type: 'std_msgs/msg/Bool' is no type of a service; must be pkg/srv/X",
        ),
        (
            {'command.drive.type': 'std_srvs/srv/SetBool'},
            "command.drive.type: 'std_srvs/srv/SetBool' is no type of a topic; must be pkg/msg/X",
        ),
        (
            {'command.count.type': 'std_srvs/srv/SetBool'},
            "command.count.type: 'std_srvs/srv/SetBool' is no type of an action; must be "
            'pkg/action/X',
        ),
        (
            {'command.rover.parameters': None},
            'command.rover.parameters: names no parameter; must be a list, as in '
            '[max_speed, "gain_*"]',
        ),
        (
            {'command.rover.parameters': ['a b']},
            "command.rover.parameters: 'a b' must be the name of a parameter, as in max_speed, "
            'or a glob',
        ),
        (
            {'command.rover.type': 'std_msgs/msg/Bool'},
            'command.rover.type: is for kind topic, service, action; kind is parameter',
        ),
        (
            {'command.bridge.ros_name': '/x'},
            'command.bridge.ros_name: is for kind topic, service, action, parameter; kind is '
            'bridge',
        ),
        (
            {'command.bridge.type': 'std_msgs/msg/Bool'},
            'command.bridge.type: is for kind topic, service, action; kind is bridge',
        ),
        (
            {'command.dock.lease': True},
            'command.dock.lease: is for kind topic; kind is service',
        ),
        (
            {'command.dock.watchdog_s': 0.2},
            'command.dock.watchdog_s: is for kind topic; kind is service',
        ),
        (
            {'command.dock.parameters': ['x']},
            'command.dock.parameters: is for kind parameter; kind is service',
        ),
        (
            {'command.dock.feedback_hz': 1},
            'command.dock.feedback_hz: is for kind action; kind is service',
        ),
        (
            {'command.drive.limits': ['linear.x: 0.5']},
            "command.drive.limits: 'linear.x: 0.5' '0.5' is no rule; write 'PATH: LOW..HIGH', "
            "'PATH: in A, B' or 'PATH: at most N'",
        ),
        (
            {'command.rover.limits': ['max_speed_m_s: 2..1']},
            "command.rover.limits: 'max_speed_m_s: 2..1' 2..1 holds no number",
        ),
        (
            {'command.count.qos_depth': 5},
            'command.count.qos_depth: is for kind topic; kind is action',
        ),
        (
            {'command.drive.watchdog_s': 0.6},
            'command.drive.watchdog_s: 0.6 is out of range; allowed: 0.05 to 0.5 s',
        ),
        (
            {'command.drive.watchdog_s': 0},
            'command.drive.watchdog_s: 0 is out of range; allowed: 0.05 to 0.5 s',
        ),
        (
            {'command.drive.lease': False, 'command.drive.watchdog_s': 0.2},
            'command.drive.watchdog_s: is given without lease: true',
        ),
        (
            {'command.drive.lease': False, 'command.drive.stop': '{}'},
            'command.drive.stop: is given without lease: true',
        ),
        (
            {'command.drive.latency_full_s': 1},
            'command.drive.latency_full_s: 1 s is not below latency_stop_s, 1 s',
        ),
        (
            {'command.drive.latency_stop_s': 0.2},
            'command.drive.latency_full_s: 0.25 s is not below latency_stop_s, 0.2 s',
        ),
        (
            {'command.drive.transient_local': True},
            'command.drive.transient_local: is true, but lease too: a node that comes later would '
            'move by an old message',
        ),
        (
            {'command.drive.scale': ['none', 'linear.x']},
            "command.drive.scale: 'none' stands beside others; it means no field at all",
        ),
        (
            {'command.drive.scale': ['linear..x']},
            "command.drive.scale: 'linear..x' must be field names joined by '.', as in linear.x, "
            '* for any one',
        ),
        (
            {'command.drive.type': 'std_msgs/msg/Float64', 'command.drive.stop': '{}'},
            'command.drive.scale: is missing, and std_msgs/msg/Float64 has no default; name the '
            'fields that shrink as the latency grows, or [none]',
        ),
        (
            {'command.drive.type': 'std_msgs/msg/Float64', 'command.drive.scale': ['none']},
            'command.drive.stop: is missing, and std_msgs/msg/Float64 has no default; give the '
            "message that means standing still, as YAML in quotes; '{}' is all zeros",
        ),
        (
            {'command.drive.stop.linear.x': 0.0},
            'command.drive.stop: is text that holds YAML; write it in quotes: '
            "'{linear: {x: 0.0}}'",
        ),
        (
            {
                'commands': [*NAMES, 'drive2'],
                'command.drive2.kind': 'topic',
                'command.drive2.ros_name': 'cmd_vel',
                'command.drive2.type': 'geometry_msgs/msg/Twist',
            },
            "command.drive2.ros_name: 'cmd_vel' is the topic of channel drive as well; with a "
            'lease it must be the only one',
        ),
        (
            {'command.dock.operators': ['alice.old']},
            "command.dock.operators: 'alice.old' must be an operator's name, 1 to 64 characters "
            'out of A-Z a-z 0-9 _ -, * and ?',
        ),
        (
            {'command.dock.max_bytes': 65537},
            'command.dock.max_bytes: 65537 is out of range; allowed: 256 to 65536 bytes',
        ),
        (
            {'command.dock.max_ttl_s': 0},
            'command.dock.max_ttl_s: 0 is out of range; allowed: 0.1 to 3600 s',
        ),
        (
            {'mqtt.protocol': '3.1.1'},
            "mqtt.protocol: '3.1.1' knows no message expiry, without which a broker hands on "
            'commands however late; commands need 5 or auto',
        ),
        (
            {'commands': ['time'], 'command.time.kind': 'bridge'},
            "commands: 'time' is reserved: operators ask there for the time of the robot",
        ),
        ({'commands': ['a.b']}, f"commands: 'a.b' {NAME_RULE}"),
        (
            {'commands': [*NAMES, 'dock']},
            "commands: 'dock' stands twice; each channel needs its own name",
        ),
        (
            {'commands': [*NAMES, 'lift']},
            "commands: 'lift' is named but not described; add command.lift.kind",
        ),
        (
            {'command.dok.kind': 'bridge'},
            'command.dok: described here, but commands does not name it; did you mean dock?',
        ),
        (
            {'command.dock.operator': ['a']},
            'command.dock.operator: unknown key; did you mean operators?',
        ),
        (
            {'commands.operators': ['a']},
            'commands.operators: unknown key; did you mean command.NAME.operators?',
        ),
        (
            {'trust': 'none'},
            "trust: 'none' is none of its values; allowed: signatures, transport",
        ),
        ({'audit.files': 0}, 'audit.files: 0 is out of range; allowed: 1 to 1000'),
        (
            {'root': 'r' * 60, 'robot_id': 'a' * 64, 'commands': [*NAMES, 'c' * 64],
             f'command.{"c" * 64}.kind': 'bridge'},
            f"commands: '{'c' * 64}' is too long for MQTT topics of 256 bytes beside root, "
            'robot_id and the name of an operator; at most 61 characters',
        ),
    ],
)  # fmt: skip
def test_a_problem_is_one_line_that_says_what_is_allowed(
    changes: dict[str, object], line: str
) -> None:
    flat = changed(changes)
    assert line in [str(problem) for problem in find_problems(flat)]
    with pytest.raises(ConfigError) as caught:
        read_config(flat)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('changes', 'lines'),
    [
        # What a wrong value leads to is not told as well.
        ({'command.drive.latency_stop_s': -1}, 1),
        ({'command.drive.type': 'Twist'}, 1),
        ({'command.drive.ros_name': 'a b'}, 1),
        ({'command.dock.kind': 'servce'}, 1),
        ({'command.drive.lease': 1}, 1),
        ({'command.drive.scale': 'linear.x'}, 1),
        ({'command.drive.latency_full_s': 2, 'command.dock.lease': True}, 2),
    ],
)
def test_one_mistake_is_one_line(changes: dict[str, object], lines: int) -> None:
    assert len(find_problems(changed(changes))) == lines


def test_a_topic_without_lease_may_have_several_channels() -> None:
    two: dict[str, object] = {
        'command.drive.lease': False,
        'commands': [*NAMES, 'other'],
        'command.other.kind': 'topic',
        'command.other.ros_name': 'cmd_vel',
        'command.other.type': 'geometry_msgs/msg/Twist',
    }
    assert find_problems(changed(two)) == ()


def test_a_black_box_can_be_triggered_by_a_command_where_commands_come_in() -> None:
    box: dict[str, object] = {
        'black_boxes': ['crash'],
        'black_box.crash.topics': ['/imu'],
        'black_box.crash.triggers': ['service', ' Command'],
    }
    assert read_config(BASE | box).black_boxes[0].triggers == ('service', 'command')
    without = {key: value for key, value in changed(box).items() if 'bridge' not in key}
    without['commands'] = NAMES[:-1]
    assert [str(problem) for problem in find_problems(without)] == [
        "black_box.crash.triggers: 'command' needs a channel of kind bridge in commands"
    ]


def test_every_key_but_the_general_ones_names_its_kinds() -> None:
    general = {'kind', 'operators', 'max_hz', 'max_ttl_s', 'max_bytes', 'max_running'}
    general |= {'limits', 'timeout_s'}
    assert {field.key for field in COMMAND_FIELDS} == general | set(KINDS_OF_KEY)


def test_nothing_of_a_channel_changes_at_run_time() -> None:
    old, new = read_config(BASE), read_config(BASE | {'command.dock.operators': ['mallory']})
    assert changed_at_run_time(old, new) == ()
    assert not may_change_at_run_time('command.dock.operators')
    with pytest.raises(ConfigError, match='command.dock.operators: is read-only'):
        refuse_read_only(old, new)
    with pytest.raises(ConfigError, match='operator_keys: is read-only'):
        refuse_read_only(old, read_config(BASE | {'operator_keys': '/elsewhere'}))


def values_of(field: Field) -> st.SearchStrategy[object]:
    if field.choices:
        return st.sampled_from(field.choices)
    if field.kind is Kind.FLAG:
        return st.booleans()
    if field.kind is Kind.INTEGER:
        return st.integers(int(field.low), int(field.high))
    if field.kind is Kind.NUMBER:
        return st.floats(field.low, field.high)
    texts: dict[str, list[str]] = {
        'operators': ['alice', 'ops-*', '*'],
        'limits': ['linear.x: 0..1', 'data: at most 8'],
        'parameters': ['max_speed', 'gain_*'],
        'scale': ['linear.x', '*', 'none'],
        'stop': ['{}', '{linear: {x: 0.0}}'],
        'ros_name': ['a', '/b/c'],
        'type': ['std_msgs/msg/Bool', 'geometry_msgs/msg/Twist', 'std_srvs/srv/Empty'],
    }
    one = st.sampled_from(texts[field.key])
    return st.lists(one, max_size=3) if field.kind is Kind.LIST else one


@given(data=st.data(), name=st.sampled_from(NAMES))
def test_what_is_accepted_reads_back_as_itself(data: st.DataObject, name: str) -> None:
    flat = dict(BASE)
    for field in COMMAND_FIELDS:
        if field.key != 'kind' and data.draw(st.booleans()):
            flat[f'command.{name}.{field.key}'] = data.draw(values_of(field))
    if find_problems(flat):
        return
    config = read_config(flat)
    assert read_config(flatten(config)) == config


def test_signed_confirmations_need_keys() -> None:
    flat = {'robot_id': 'r', 'streams': ['s'], 'stream.s.topics': ['/t']}
    problem = 'confirm_trust: is given without operator_keys; both are needed'
    signed = {**flat, 'confirm_trust': 'signatures'}
    assert [str(found) for found in find_problems(signed)] == [problem]
    config = read_config({**signed, 'operator_keys': '/keys'})
    assert config.confirm_trust is Trust.SIGNATURES
    assert read_config(flat).confirm_trust is Trust.TRANSPORT
