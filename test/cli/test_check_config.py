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

"""``check-config`` on right and wrong files, the files of config/, the page on the keys."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.cli.check_config import check_file
from ros_cloud_bridge.cli.main import main
from ros_cloud_bridge.cli.parameter_file import load_file, parse, ros_scalar
from ros_cloud_bridge.core.config import flatten, read_config
from ros_cloud_bridge.core.config_box_table import BLACK_BOX_FIELDS
from ros_cloud_bridge.core.config_command_table import COMMAND_FIELDS
from ros_cloud_bridge.core.config_docs import key_tables
from ros_cloud_bridge.core.config_stream_table import STREAM_FIELDS
from ros_cloud_bridge.core.config_table import FIELDS
from ros_cloud_bridge.core.reducer_chain import parse_chain
from ros_cloud_bridge.core.selection import TopicSelector
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.reducers.registry import BUILT_IN

PROJECT = Path(__file__).parents[2]
MIRROR_CONFIG = PROJECT / 'config' / 'mirror.yaml'
CONFIGS = sorted(set((PROJECT / 'config').glob('*.yaml')) - {MIRROR_CONFIG})
HEAD = '/**:\n  ros__parameters:\n'
BASE = HEAD + '    robot_id: amr-07\n    streams: [pose]\n    stream: {pose: {topics: [/odom]}}\n'

# The topics of each recording, and of the rover with tf2_msgs and without.
TOPICS = {
    'a1_husky_metered': '/husky_velocity_controller/odom /imu/data /fix',
    'a1_husky_outdoor': '/husky_velocity_controller/odom /imu/data /fix',
    'a2_px4_multirotor_rtk': '/diagnostics /range_down /gps/fix /battery /baro /imu/data /odom '
    '/mag',
    'a3_tilt_laser_xsens': '/scan /imu_data /position_gps /velocity /gravity_vector '
    '/magnetic_vector /tf',
    'a4_car_camera': '/camera/image_raw/compressed',
    'a5_kitti_lidar': '/velodyne_points /velodyne_points_full',
    'rover': '/odom /imu/data /scan /camera/image_raw /camera/camera_info /battery_state /fix '
    '/diagnostics /rosout /map /robot_description /tf /tf_static /odom_transform /map_transform '
    '/explored /camera/image_mono /camera/depth/image_raw /camera/depth/points',
}


def check(tmp_path: Path, text: str, node: str = '') -> tuple[tuple[str, ...], bool]:
    path = tmp_path / 'params.yaml'
    path.write_text(text)
    return check_file(path, node)


# What stands before the last line, without its reasons.
BESIDES = {
    'reference': ['note: command.drive: what listens to /cmd_vel needs a time-out of its own'],
    'rover': [
        'warning: operator_keys: names no directory: every command will be refused',
        'note: command.drive: what listens to cmd_vel needs a time-out of its own',
    ],
}


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_the_projects_files_are_right_and_doubtful_only_on_purpose(path: Path) -> None:
    lines, ok = check_file(path, look_for_files=False)
    assert ok
    expected = BESIDES.get(path.stem, [])
    assert len(lines) == len(expected) + 1, lines
    assert all(line.startswith(text) for line, text in zip(lines, expected, strict=False))
    assert lines[-1].startswith('ok: robot ')


def test_the_reference_shows_every_key_of_a_channel() -> None:
    flat = load_file(PROJECT / 'config' / 'reference.yaml')
    shown = {key.split('.', 2)[2] for key in flat if key.startswith('command.')}
    assert shown == {field.key for field in COMMAND_FIELDS}
    config = read_config(flat)
    written = {channel.kind.value for channel in config.channels}
    assert written == {'topic', 'service', 'action', 'parameter', 'bridge'}
    # It shows the defaults of a channel, but for what says that it is required or not the default.
    defaults = {field.key: field.default for field in COMMAND_FIELDS}
    own = {'kind', 'ros_name', 'type', 'operators', 'limits', 'lease', 'stop', 'scale'}
    drive = {key.split('.')[2] for key in flat if key.startswith('command.drive.')}
    for key in drive - own:
        assert flat[f'command.drive.{key}'] == defaults[key], key


@pytest.mark.parametrize('robot', TOPICS)
def test_each_topic_of_a_robot_has_its_stream(robot: str) -> None:
    config = read_config(load_file(PROJECT / 'config' / f'{robot}.yaml'))
    selector = TopicSelector(config)
    assert config.mqtt.host == 'localhost'
    for topic in TOPICS[robot].split():
        assert selector.stream_for(topic) is not None, topic
        assert selector.overlaps(topic) == (), topic


def test_there_is_a_file_for_each_robot_and_the_reference() -> None:
    assert [path.stem for path in CONFIGS] == sorted([*TOPICS, 'reference'])


def test_the_files_show_every_reducer() -> None:
    chains = [
        stream.reducer
        for path in CONFIGS
        for stream in read_config(load_file(path)).streams
        if stream.reducer
    ]
    assert {step.name for chain in chains for step in parse_chain(chain)} == set(BUILT_IN)


def test_the_reference_shows_every_key_and_its_default() -> None:
    flat = load_file(PROJECT / 'config' / 'reference.yaml')
    expected = [field.key for field in FIELDS]
    expected += [f'stream.pose.{field.key}' for field in STREAM_FIELDS]
    expected += [f'black_box.crash.{field.key}' for field in BLACK_BOX_FIELDS]
    assert set(expected) <= set(flat)
    own = {'robot_id', 'streams', 'black_boxes', 'discovery.deny', 'demand.allow'}
    own |= {'commands', 'operator_keys'}
    own |= {f'black_box.crash.{key}' for key in ('topics', 'deny', 'triggers')}
    own |= {f'stream.pose.{key}' for key in ('topics', 'deny', 'max_hz', 'priority', 'ladder')}
    own |= {'stream.pose.dashboard_hz', 'stream.pose.dashboard_fields'}
    written = flatten(read_config(flat))
    defaults = {field.key: field.default for field in FIELDS}
    defaults.update({f'stream.pose.{field.key}': field.default for field in STREAM_FIELDS})
    defaults.update({f'black_box.crash.{field.key}': field.default for field in BLACK_BOX_FIELDS})
    assert {key: written[key] for key in expected if key not in own} == {
        key: value for key, value in defaults.items() if key not in own
    }


def test_the_page_shows_the_table() -> None:
    page = (PROJECT / 'docs' / 'configuration.md').read_text(encoding='utf-8')
    shown = page.partition('check-config --keys -->\n')[2].partition('\n<!-- end of keys')[0]
    assert shown == key_tables(), 'put the output of check-config --keys there'


def test_the_table_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['check-config', '--keys']) == 0
    assert capsys.readouterr().out == key_tables() + '\n'


def test_the_command_names_each_file_and_fails_if_one_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right, wrong = tmp_path / 'right.yaml', tmp_path / 'wrong.yaml'
    right.write_text(BASE)
    wrong.write_text(BASE.replace('topics: [/odom]', 'topics: [/odom], max_hzz: 1, weight: 0'))
    assert main(['check-config', str(right), str(wrong)]) == 2
    assert capsys.readouterr().out.splitlines() == [
        f'{right}: ok: robot amr-07, 1 stream, mosquitto at localhost:1883',
        f'{wrong}: stream.pose.max_hzz: unknown key; did you mean max_hz?',
        f'{wrong}: stream.pose.weight: 0 is out of range; allowed: 0.001 to 1000',
    ]
    assert main(['check-config', str(right)]) == 0
    assert main(['check-config']) == 2


@pytest.mark.parametrize(
    ('text', 'line'),
    [
        ('', 'file: is empty; must hold /**: ros__parameters: and the keys'),
        ('a: [1', "line 1, column 6: is no valid YAML: expected ',' or ']', but got "
         "'<stream end>'"),
        ('a:\n\tb: 1', "line 2, column 1: is no valid YAML: found character '\\t' that cannot "
         'start any token'),
        (BASE + '---\na: 1', 'line 6, column 1: is no valid YAML: but found another document'),
        ('robot_id: x\n', 'line 1, column 11: /robot_id stands outside ros__parameters; '
         'write /**: first'),
        ('- x\n', 'line 1, column 1: the file stands outside ros__parameters; write /**: first'),
        (BASE + '    robot_id: again\n', "line 6, column 5: 'robot_id' stands twice, first in "
         'line 3; ROS would drop one'),
        (BASE + '    mqtt: {tls: {}}\n', 'line 6, column 17: mqtt.tls is an empty section, which '
         'ROS cannot read; leave it out'),
        (BASE + '    root: &r a\n    mqtt: {client_id: *r}\n', 'line 7, column 23: ROS reads no '
         'aliases (*name); write the value out'),
        (BASE + '    root:\n', 'line 6, column 10: root: has no value'),
        (BASE.replace('[pose]', '[pose, 1]'), 'line 4, column 14: streams: ROS reads lists of one '
         'type only; put the texts in quotes'),
        (BASE.replace('[pose]', '[[pose]]'), 'line 4, column 15: streams: a list holds single '
         'values only'),
        (BASE.replace('/**:', '/rover:'), 'uplink: no section is for this node; sections are: '
         '/rover; write /**:'),
        (BASE.replace('/**:', '"a b":'), "line 2, column 3: '/a b' is no node name"),
        (
            BASE.replace('amr-07', '07'),
            "robot_id: 7 is a whole number; must be text; write it in quotes: '7'",
        ),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_with_its_place(tmp_path: Path, text: str, line: str) -> None:
    lines, ok = check(tmp_path, text)
    assert not ok
    assert lines[0] == line
    assert not any(other.startswith('ok') for other in lines)


def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    missing = check_file(tmp_path / 'none.yaml')
    assert missing == (('file: cannot be read: No such file or directory',), False)
    assert check_file(tmp_path) == (('file: cannot be read: Is a directory',), False)
    binary = tmp_path / 'binary.yaml'
    binary.write_bytes(b'\xff\xfe\x00')
    assert check_file(binary) == (('file: cannot be read: is no UTF-8 text',), False)


def test_missing_certificates_are_errors_unless_another_machine_has_them(tmp_path: Path) -> None:
    there = tmp_path / 'key.pem'
    there.write_text('')
    path = tmp_path / 'params.yaml'
    path.write_text(
        BASE + '    mqtt:\n      password_file: /nowhere/hunter2\n'
        f'      tls: {{cert_file: /nowhere/cert.pem, key_file: {there}}}\n'
    )
    assert check_file(path) == (
        (
            "mqtt.tls.cert_file: '/nowhere/cert.pem' is no file on this machine",
            'mqtt.password_file: names no file on this machine',
        ),
        False,
    )
    lines, ok = check_file(path, look_for_files=False)
    assert ok
    assert lines == ('ok: robot amr-07, 1 stream, mosquitto at localhost:8883 with TLS',)


def test_what_is_doubtful_is_a_warning(tmp_path: Path) -> None:
    lines, ok = check(
        tmp_path,
        HEAD
        + '    robot_id: r\n'
        + '    mqtt: {host: broker.example.com, port: 8883, username: me}\n'
        + '    discovery: {deny: ["/secret*"]}\n'
        + '    streams: [a, b]\n'
        + '    stream:\n'
        + '      a: {topics: ["/o*", /secret], max_age_s: 0.05}\n'
        + '      b: {topics: [/odom, "/o*", /map]}\n',
    )
    assert ok
    assert lines == (
        'warning: stream.a.topics: /secret is named, but a deny pattern leaves it out',
        'warning: stream.a.max_age_s: 0.05 s is less than max_delay_s (0.1 s): samples may expire '
        'while their batch fills',
        'warning: stream.b.topics: /odom goes to stream a, which stands first',
        "warning: stream.b.topics: '/o*' stands in stream a already",
        'warning: mqtt.port: 8883 is the port for TLS, but no mqtt.tls key is given',
        'warning: mqtt.username: the login goes over the network unencrypted; '
        'set mqtt.tls.enabled',
        'ok: robot r, 2 streams, mosquitto at broker.example.com:8883',
    )


BOX = BASE + (
    '    black_boxes: [crash]\n'
    '    spool: {max_bytes: 33554432}\n'
    '    black_box:\n'
    '      crash:\n'
    '        topics: ["/imu*"]\n'
    '        triggers: ["/imu: linear_acceleration.z > 30.0"]\n'
)


@pytest.mark.parametrize(
    ('added', 'where'),
    [
        ('', 'spool.max_bytes (33554432 bytes)'),
        ('        spool_bytes: 1048576\n', 'black_box.crash.spool_bytes (1048576 bytes)'),
    ],
)
def test_a_span_without_enough_room_is_a_warning(tmp_path: Path, added: str, where: str) -> None:
    lines, ok = check(tmp_path, BOX + added)
    assert ok
    assert lines == (
        f'warning: black_box.crash.max_span_bytes: 67108864 bytes are above {where}: of a long '
        'span a part may be lost for want of room',
        'ok: robot amr-07, 1 stream, 1 black box, mosquitto at localhost:1883',
    )
    lines, ok = check(tmp_path, f'{BOX}{added}        max_span_bytes: 1048576\n')
    assert (ok, len(lines)) == (True, 1)


def warnings(tmp_path: Path, added: str) -> list[str]:
    lines, ok = check(tmp_path, BASE + added)
    assert ok
    return [line.removeprefix('warning: ') for line in lines[:-1]]


def test_a_place_where_nothing_would_be_found_again_is_a_warning(tmp_path: Path) -> None:
    file = tmp_path / 'file'
    file.touch()
    assert warnings(tmp_path, '    state_dir: var/rcb\n') == [
        "state_dir: 'var/rcb' is relative: a bridge that is started from elsewhere does not find "
        'what it left there'
    ]
    assert warnings(tmp_path, '    state_dir: $HOME/rcb\n') == [
        "state_dir: '$HOME/rcb' is taken as it stands: variables are not replaced, ~ is"
    ]
    assert warnings(tmp_path, f'    state_dir: {file}\n') == [
        f"state_dir: '{file}' is no directory: nothing could be kept on disk"
    ]
    for good in ('~/rcb', str(tmp_path), str(tmp_path / 'new'), "''"):
        assert warnings(tmp_path, f'    state_dir: {good}\n') == []
    path = tmp_path / 'elsewhere.yaml'
    path.write_text(f'{BASE}    state_dir: {file}\n')
    assert len(check_file(path, look_for_files=False)[0]) == 1


def test_acknowledgements_without_reasons_are_a_warning(tmp_path: Path) -> None:
    durable = (
        '/**/uplink:\n  ros__parameters:\n    mqtt: {protocol: 3.1.1}\n'
        '    black_boxes: [crash]\n'
        '    black_box: {crash: {topics: [/imu], triggers: [service]}}\n'
        '    stream: {pose: {keep: durable}}\n'
    )
    assert [line.partition(' counts')[0] for line in warnings(tmp_path, durable)] == [
        f"mqtt.protocol: 3.1.1 has no reason codes: of '{name}'" for name in ('pose', 'crash')
    ]
    kept = 'confirm: consumer, confirm_by: archive'
    sure = durable.replace('durable}', f'durable, {kept}}}').replace(
        'service]}', f'service], {kept}}}'
    )
    assert warnings(tmp_path, sure) == []
    assert warnings(tmp_path, durable.replace('3.1.1', 'auto')) == []


def test_a_trigger_that_yaml_takes_for_a_pair_is_told_how_to_be_written(tmp_path: Path) -> None:
    text = (
        BASE + '    black_boxes: [b]\n    black_box: {b: {topics: [/a], triggers: [/a: x > 1]}}\n'
    )
    lines, ok = check(tmp_path, text)
    assert not ok
    assert (
        "black_box.b.triggers: a list holds single values only; put a text that holds ': ' in "
        in (lines[0])
    )


COMMANDS = (
    '    operator_keys: {keys}\n'
    '    commands: [drive, dock]\n'
    '    command:\n'
    '      drive:\n'
    '        {{kind: topic, ros_name: /cmd_vel, type: geometry_msgs/msg/Twist,\n'
    '         operators: [alice],\n'
    '         lease: true, stop: "{stop}"}}\n'
    '      dock:\n'
    '        {{kind: service, ros_name: /dock, type: std_srvs/srv/SetBool, operators: [alice]}}\n'
)
NOTE = (
    'note: command.drive: what listens to /cmd_vel needs a time-out of its own: after a kill '
    '(SIGKILL) or a power cut nobody publishes stop; nothing here replaces an emergency stop'
)


def with_commands(tmp_path: Path, stop: str = '{}') -> str:
    return BASE + COMMANDS.format(keys=tmp_path, stop=stop)


def test_a_channel_that_moves_something_comes_with_a_note(tmp_path: Path) -> None:
    assert check(tmp_path, with_commands(tmp_path)) == (
        (
            NOTE,
            'ok: robot amr-07, 1 stream, 2 channels for commands, mosquitto at localhost:1883',
        ),
        True,
    )


@pytest.mark.parametrize(
    ('stop', 'problem'),
    [
        ('{linear: {x: 0.0}}', ''),
        ('{linear', "is no valid YAML: expected ',' or '}', but got '<stream end>'"),
        ('0.0', "is no map of fields; must be as in '{linear: {x: 0.0}}'"),
        ('[linear]', "is no map of fields; must be as in '{linear: {x: 0.0}}'"),
        ('{1: 2}', "is no map of fields; must be as in '{linear: {x: 0.0}}'"),
        ('{a: !!python/none x}', 'is no valid YAML: could not determine a constructor for the tag '
         "'tag:yaml.org,2002:python/none'"),
        ('{a: 2020-13-01}', 'is no valid YAML'),
        ('[' * 500, 'is no valid YAML'),
    ],
)  # fmt: skip
def test_the_stop_message_must_be_a_map(tmp_path: Path, stop: str, problem: str) -> None:
    lines, ok = check(tmp_path, with_commands(tmp_path, stop=stop))
    if not problem:
        assert ok
        return
    assert not ok
    assert len(lines) == 1
    assert lines[0].startswith(f'command.drive.stop: {problem}')


@pytest.mark.parametrize(
    ('old', 'new', 'warning'),
    [
        (
            'operators: [alice],\n',
            'operators: [],\n',
            'command.drive.operators: names nobody: nobody may use the channel',
        ),
        (
            '    operator_keys:',
            '    trust: transport\n    operator_keys:',
            'trust: transport takes any sender for the operator in the MQTT topic; only the '
            "broker's permissions keep others out",
        ),
        (
            '    operator_keys: ',
            "    operator_keys: ''  # ",
            'operator_keys: names no directory: every command will be refused',
        ),
        (
            '    operator_keys: ',
            '    operator_keys: /nowhere  # ',
            "operator_keys: '/nowhere' is no directory on this machine: without it every command "
            'will be refused',
        ),
    ],
)
def test_what_lets_nobody_in_or_anybody_is_a_warning(
    tmp_path: Path, old: str, new: str, warning: str
) -> None:
    text = with_commands(tmp_path)
    lines, ok = check(tmp_path, text.replace(old, new, 1))
    assert ok
    assert lines[:-1] == (f'warning: {warning}', NOTE)
    assert check(tmp_path, text)[0][:-1] == (NOTE,)


def test_without_channels_nothing_is_said_of_keys(tmp_path: Path) -> None:
    lines, ok = check(tmp_path, BASE + '    trust: transport\n    operator_keys: /nowhere\n')
    assert (ok, len(lines)) == (True, 1)


FLEET = BASE + (
    '/a/uplink: {ros__parameters: {robot_id: a}}\n'
    'b:\n  uplink: {ros__parameters: {robot_id: b}}\n'
    '/other: {ros__parameters: {whatever: 3}}\n'
)


def test_a_file_for_a_fleet_is_checked_for_each_node(tmp_path: Path) -> None:
    lines, ok = check(tmp_path, FLEET)
    assert ok
    assert [line.partition(',')[0] for line in lines] == [
        '/a/uplink: ok: robot a',
        '/b/uplink: ok: robot b',
    ]
    lines, ok = check(tmp_path, FLEET, '/c/uplink')
    assert (ok, lines[0].partition(',')[0]) == (True, 'ok: robot amr-07')
    lines, ok = check(tmp_path, FLEET.replace('robot_id: b', 'robot_id: b/b'))
    assert not ok
    assert lines[1].startswith("/b/uplink: robot_id: 'b/b' must be")


@pytest.mark.parametrize(
    ('section', 'reached'),
    [
        ('/**', ('/uplink', '/ns/uplink', '/a/b/uplink')),
        ('/*', ('/uplink',)),
        ('uplink', ('/uplink',)),
        ('/uplink', ('/uplink',)),
        ('/ns/uplink', ('/ns/uplink',)),
        ('ns/uplink', ('/ns/uplink',)),
        ('/ns/*', ('/ns/uplink',)),
        ('/ns/**', ('/ns/uplink',)),
        ('/*/uplink', ('/ns/uplink',)),
        ('/**/uplink', ('/uplink', '/ns/uplink', '/a/b/uplink')),
        ('/a/**/uplink', ('/a/b/uplink',)),
    ],
)
def test_a_section_reaches_the_nodes_that_it_reaches_in_ros(
    section: str, reached: tuple[str, ...]
) -> None:
    file = parse(f'{section}: {{ros__parameters: {{k: 1}}}}\n')
    for node in ('/uplink', '/ns/uplink', '/a/b/uplink'):
        if node in reached:
            assert file.flat(node) == {'k': 1}
        else:
            with pytest.raises(ConfigError, match='no section is for this node'):
                file.flat(node)


def test_later_sections_win_key_by_key() -> None:
    text = '/ns/uplink: {ros__parameters: {a: 1, b: 1}}\n/**: {ros__parameters: {b: 2}}\n'
    assert parse(text).flat('/ns/uplink') == {'a': 1, 'b': 2}


def test_an_empty_list_is_none_as_in_ros() -> None:
    assert parse(HEAD + '    a: {deny: []}\n').flat() == {'a.deny': None}


SCALARS = [
    '7', '07', '010', '08', '0x10', '-1', '+5', '99999999999999999999', '-0', '00',
    '1.5', '.5', '5.', '1e3', '1E-3', '1e400', '-2.5e+3', '.inf', '-.inf', '+.Inf', '1_000',
    '12:30', '2020-01-01', '0o17', '3.1.1', 'on', 'off', 'y', 'N', 'TRUE', 'tRUE', '~', 'null',
    '/odom', 'amr-07', '"5"', "'on'", '""', '!!str 5', '!!str on', '"/scan*"', '0x', '1e', 'e5',
    '.', '+', '-5', '1.2.3', '[1, 2]', '[a, "b"]', '[true, off]', '[1.5, 2.5]', '[]',
    '[/odom, "re:/a.*"]', '|\n      hello', 'a b',
]  # fmt: skip


@pytest.mark.parametrize('text', SCALARS)
def test_values_are_read_as_ros_reads_them(text: str, tmp_path: Path) -> None:
    rclpy = pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
    path = tmp_path / 'params.yaml'
    path.write_text(f'{HEAD}    k: {text}\n')
    context = rclpy.Context()
    rclpy.init(args=['--ros-args', '--params-file', str(path)], context=context)
    node = rclpy.create_node('uplink', context=context)
    try:
        there = node._parameter_overrides['k'].value
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)
    here = load_file(path)['k']
    if isinstance(here, list):
        there = list(there)
    assert (here, type(here)) == (there, type(there))


@given(st.text(min_size=1, max_size=12) | st.from_regex('[-+]?[0-9a-fxX._eE]{1,8}'))
def test_any_scalar_is_read(text: str) -> None:
    value = ros_scalar(text)
    assert isinstance(value, (bool, int, float)) or value == text


@given(st.text(max_size=60) | st.text('{}[]:,&*-?|>\'"#%@! \nab/_', max_size=60))
def test_any_text_is_a_file_or_a_config_error(text: str) -> None:
    try:
        file = parse(text)
        if not file.problems:
            file.flat()
    except ConfigError as error:
        assert '\n' not in str(error)


@pytest.mark.parametrize(
    ('reducer', 'said'),
    [
        (
            'tf_moton',
            'stream.pose.reducer: no reducer tf_moton; did you mean tf_motion? (there are',
        ),
        (
            'precision tolerence=1',
            'stream.pose.reducer: precision: unknown option tolerence, did you mean tolerance?',
        ),
    ],
)
def test_reducers_are_checked_by_name_and_option(tmp_path: Path, reducer: str, said: str) -> None:
    text = (PROJECT / 'config' / 'reference.yaml').read_text()
    changed = text.replace("reducer: ''", f'reducer: {reducer}')
    assert changed != text
    path = tmp_path / 'c.yaml'
    path.write_text(changed)
    lines, ok = check_file(path, look_for_files=False)
    assert not ok
    assert lines[0].startswith(said)
    assert len(lines) == 1
