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

"""What ``tail`` writes of which samples, and what it says to one who waits in vain."""

from dataclasses import replace
import json
from typing import Any

import pytest

wire_robot = pytest.importorskip('support.wire_robot', reason='rosbags is missing')

from ros_cloud_bridge.cli.tail_lines import Chooser, ShortLines, text_lines  # noqa: E402
from ros_cloud_bridge.cli.tail_silence import why_silent  # noqa: E402
from ros_cloud_bridge.cloud.presence import RobotState  # noqa: E402
from ros_cloud_bridge.cloud.sample import Sample  # noqa: E402
from ros_cloud_bridge.core.selection import compile_pattern  # noqa: E402
from support.samples import make_sample  # noqa: E402

NOW_NS = 1_780_000_000_000_000_000


def sample(sequence: int, type_name: str, message: Any, **facts: Any) -> Sample:
    store = wire_robot.typestore()
    cdr = bytes(store.serialize_cdr(message, type_name))
    made = make_sample(
        cdr,
        sequence,
        schema=wire_robot.schema_of(type_name),
        decode=lambda *_: store.deserialize_cdr(cdr, type_name),
        source_time_ns=NOW_NS - 250_000_000,
    )
    return replace(made, **facts)


def level(sequence: int, **facts: Any) -> Sample:
    message = wire_robot.typestore().deserialize_cdr(
        wire_robot.level_cdr(0.5), wire_robot.OWN_TYPE
    )
    return sample(sequence, wire_robot.OWN_TYPE, message, **facts)


def test_a_rate_holds_on_average_and_what_it_leaves_out_is_counted() -> None:
    chooser = Chooser(lambda topic: True, 0, 2.0)
    shown = []
    for sequence in range(1, 101):
        notes = chooser.notes(level(sequence), sequence / 10.0)
        if notes is not None:
            shown.append((sequence, notes))
    # Ten seconds at 10 Hz.
    assert [sequence for sequence, _ in shown] == list(range(1, 101, 5))
    assert shown[0][1] == []
    assert all(notes == ['4 more not shown'] for _, notes in shown[1:])
    # A pause saves nothing up, and another route has a rate of its own.
    assert chooser.notes(level(101), 60.0) == ['4 more not shown']
    assert chooser.notes(level(102), 60.1) is None
    assert chooser.notes(level(1, route=2), 60.1) == []


def test_missing_numbers_are_noted_where_they_are_missing() -> None:
    chooser = Chooser(lambda topic: True, 0, None)
    found = [chooser.notes(level(n), 0.0) for n in (7, 8, 11, 10, 12)]
    assert found == [[], [], ['2 missing before it'], [], []]
    assert chooser.notes(level(20, historical=True), 0.0) == []
    assert chooser.notes(level(40, boot_id='11' * 8), 0.0) == []


def test_what_is_not_wanted_or_too_old_is_left_out() -> None:
    chooser = Chooser(lambda topic: topic == '/level', NOW_NS - 10**9, None)
    assert chooser.notes(level(1, topic='/other'), 0.0) is None
    assert chooser.notes(level(2, source_time_ns=NOW_NS - 10**9 - 1), 0.0) is None
    assert chooser.notes(level(3, source_time_ns=NOW_NS - 10**9), 0.0) == []


def scan(ranges: list[float]) -> Any:
    types, np = wire_robot.typestore().types, pytest.importorskip('numpy')
    stamp = types['builtin_interfaces/msg/Time'](sec=1, nanosec=2)
    header = types['std_msgs/msg/Header'](stamp=stamp, frame_id='lidar\x1b[2J')
    numbers = np.array(ranges, np.float32)
    return types['sensor_msgs/msg/LaserScan'](
        header, -1.0, 1.0, 0.1, 0.0, 0.1, 0.1, 8.0, numbers, numbers[:0]
    )


def test_a_line_per_sample() -> None:
    ranges = [2.0, float('inf'), 0.5, *[3.0] * 17]
    line = ShortLines([])(sample(4, 'sensor_msgs/msg/LaserScan', scan(ranges)), NOW_NS, ['x'])
    assert line.startswith('rover /level #4 age 0.250 s sensor_msgs/msg/LaserScan (x)  ')
    assert 'nearest=0.5 ' in line and 'valid=19 total=20' in line
    assert '\n' not in line and '\x1b' not in line
    chosen = ShortLines(['nearest'])(sample(4, 'sensor_msgs/msg/LaserScan', scan(ranges)), 0, [])
    assert chosen.endswith('  nearest=0.5')
    own = ShortLines([])(level(1), NOW_NS, [])
    assert 'level=0.5' in own and 'from="tank"' in own
    broken = ShortLines([])(level(1, cdr=b'\0\1\0\0\1'), NOW_NS, [])
    assert broken.endswith('; 5 bytes)')


def test_long_arrays_say_what_they_span() -> None:
    ranges = [2.0, float('nan'), 0.5, *[3.0] * 34]
    text = text_lines(['ranges'])(sample(4, 'sensor_msgs/msg/LaserScan', scan(ranges)), NOW_NS, [])
    assert text.splitlines()[1] == (
        '  ranges: [2, nan, 0.5, 3, … 37 in all, 0.5 to 3, 1 not finite]'
    )


def state(robot_id: str, online: bool = True, reason: str = 'birth') -> dict[str, RobotState]:
    made = RobotState(
        robot_id=robot_id,
        online=online,
        reason=reason,
        boot_id='00' * 8,
        connection=1,
        retained=False,
    )
    return {robot_id: made}


def info(**streams: Any) -> dict[str, Any]:
    """Make an ``info`` of streams with a topic of their name each."""
    return {
        'streams': [{'name': name, **keys} for name, keys in streams.items()],
        'routes': [
            {'route': n, 'stream': name, 'topic': f'/{name}', 'type': 'a/msg/A', 'schema': ''}
            for n, name in enumerate(streams, 1)
        ],
    }


@pytest.mark.parametrize(
    ('patterns', 'states', 'infos', 'said'),
    [
        ([], {}, {}, "no robot 'amr*' has ever said anything"),
        ([], state('amr-07', False, 'connection_lost'), {}, 'amr-07 is offline (connection_lost)'),
        (
            ['/odim'],
            state('amr-07'),
            {'amr-07': info(odom={}, scan={})},
            'amr-07 sends no /odim; did you mean /odom? (there are /odom, /scan)',
        ),
        (
            ['/cam*'],
            state('amr-07'),
            {'amr-07': info(odom={}, camera={'on_demand': True})},
            '/camera: sent on demand only, ask with --lease camera --name NAME',
        ),
        (['/odom'], state('amr-07'), {'amr-07': info(odom={})}, 'amr-07 online, /odom: top says'),
        ([], state('amr-07'), {}, 'amr-07 online, no topic yet'),
        ([], state('amr-07'), {'amr-07': {'routes': 7, 'streams': [5, {'name': []}]}}, 'no topic'),
        ([], state('amr-07'), {'amr-07': {'routes': [], 'streams': 'x'}}, 'no topic yet'),
    ],
)
def test_why_nothing_comes(
    patterns: list[str],
    states: dict[str, RobotState],
    infos: dict[str, dict[str, Any]],
    said: str,
) -> None:
    compiled = [compile_pattern(pattern) for pattern in patterns]
    found = why_silent(
        'amr*',
        patterns,
        lambda topic: not compiled or any(one.matches(topic) for one in compiled),
        states,
        json.loads(json.dumps(infos)),
    )
    assert said in found
