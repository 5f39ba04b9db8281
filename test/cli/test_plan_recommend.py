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

"""``plan --recommend``: from a recording to a file that a bridge starts with."""

import json
from pathlib import Path
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

mcap_writer = pytest.importorskip('mcap.writer', reason='mcap: install the extra cloud or plan')
pytest.importorskip('PIL', reason='Pillow: install the extra images')

from ros_cloud_bridge.advice.config import config_of, reason, streams_of  # noqa: E402
from ros_cloud_bridge.advice.decide import decide, Room  # noqa: E402
from ros_cloud_bridge.advice.survey import TopicSurvey  # noqa: E402
from ros_cloud_bridge.cli.check_config import check_file  # noqa: E402
from ros_cloud_bridge.cli.main import main  # noqa: E402
from ros_cloud_bridge.cli.parameter_file import parse  # noqa: E402
from ros_cloud_bridge.cli.plan import robot_id_of  # noqa: E402
from ros_cloud_bridge.cli.plan_excerpt import pieces  # noqa: E402
from ros_cloud_bridge.cli.plan_yaml import write  # noqa: E402
from ros_cloud_bridge.core.config import read_config  # noqa: E402
from ros_cloud_bridge.reducers.config_check import reducer_problems  # noqa: E402
from support import sensor_messages as sensors  # noqa: E402
from support.surveys import surveys  # noqa: E402

NS = 1_000_000_000
LATCHED = {'offered_qos_profiles': '- {durability: transient_local, reliability: reliable}'}


def make_robot(path: Path, seconds: int = 12) -> Path:
    """Write what a small robot publishes."""
    store = sensors.STORE
    noise = np.random.default_rng(1)

    def new(type_name: str, **fields: Any) -> tuple[str, bytes]:
        message = store.types[type_name](**fields)
        return type_name, bytes(store.serialize_cdr(message, type_name))

    def imu(second: float) -> tuple[str, bytes]:
        kind = 'sensor_msgs/msg/Imu'
        vector, turn = 'geometry_msgs/msg/Vector3', 'geometry_msgs/msg/Quaternion'
        x, y, z = noise.normal(size=3)
        return new(
            kind,
            header=sensors.header('imu', int(second), int(second % 1 * NS)),
            orientation=store.types[turn](x=0.0, y=0.0, z=0.1 * x, w=1.0),
            orientation_covariance=np.zeros(9),
            angular_velocity=store.types[vector](x=x, y=y, z=z),
            angular_velocity_covariance=np.zeros(9),
            linear_acceleration=store.types[vector](x=y, y=z, z=9.81 + x),
            linear_acceleration_covariance=np.zeros(9),
        )

    def speed(second: float) -> tuple[str, bytes]:
        vector = store.types['geometry_msgs/msg/Vector3']
        x, z = noise.normal(size=2)
        twist = {'linear': vector(x=x, y=0.0, z=0.0), 'angular': vector(x=0.0, y=0.0, z=z)}
        return new('geometry_msgs/msg/Twist', **twist)

    def picture(_: float) -> tuple[str, bytes]:
        y, x = np.mgrid[0:240, 0:320]
        shades = 100 + 50 * np.sin(x / 40) + 40 * np.cos(y / 30) + noise.normal(0, 2, x.shape)
        pixels = np.stack([shades, shades + 9, shades - 9], axis=2).astype(np.uint8)
        return sensors.IMAGE, sensors.image(pixels.tobytes(), 320, 240, 'rgb8')

    def depth(_: float) -> tuple[str, bytes]:
        pixels = noise.integers(500, 5000, (12, 16), np.uint16).repeat(10, 0).repeat(10, 1)
        return sensors.IMAGE, sensors.image(pixels.tobytes(), 160, 120, '16UC1')

    def map_of(_: float) -> tuple[str, bytes]:
        return sensors.GRID, sensors.grid(np.zeros((40, 60), np.int8))

    def door(second: float) -> tuple[str, bytes]:
        return new('std_msgs/msg/Bool', data=int(second) % 2 == 0)

    topics = {
        '/imu': (imu, 50.0, {}),
        '/cmd_vel': (speed, 20.0, {}),
        '/camera/image_raw': (picture, 5.0, {}),
        '/camera/depth': (depth, 5.0, {}),
        '/map': (map_of, 0.0, LATCHED),
        '/door/open': (door, 0.25, {}),
    }
    with path.open('wb') as file:
        writer = mcap_writer.Writer(file)
        writer.start(profile='ros2', library='test')
        due = []
        for name, (make, hz, metadata) in topics.items():
            type_name, _ = make(0.0)
            text, _ = store.generate_msgdef(type_name, ros_version=2)
            schema = writer.register_schema(type_name, 'ros2msg', text.encode())
            channel = writer.register_channel(name, 'cdr', schema, metadata)
            count = max(1, int(hz * seconds))
            due += [(index / hz if hz else 0.0, channel, make) for index in range(count)]
        foreign = writer.register_channel('/odd', 'json', schema)
        writer.add_message(foreign, 10**18, b'{}', 10**18)
        for second, channel, make in sorted(due, key=lambda one: one[:2]):
            time_ns = 10**18 + round(second * NS)
            writer.add_message(channel, time_ns, make(second)[1], time_ns)
        writer.finish()
    return path


@pytest.fixture(scope='module')
def robot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_robot(tmp_path_factory.mktemp('robot') / 'tiny bot.mcap')


def recommend(folder: Path, recording: Path, *arguments: str) -> tuple[dict[str, Any], Path]:
    found, file = folder / 'plan.json', folder / 'robot.yaml'
    options = ['--recommend', '-o', str(file), '--json', str(found), *arguments]
    assert main(['plan', str(recording), *options]) == 0
    document: dict[str, Any] = json.loads(found.read_text())
    return document, file


def by_topic(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry['topic']: entry for entry in found['topics']}


def test_a_small_robot_on_a_thin_link(
    robot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, file = recommend(tmp_path, robot, '--link', '64k')
    topics = by_topic(found)
    assert {name: entry['kind'] for name, entry in topics.items()} == {
        '/camera/depth': 'depth',
        '/camera/image_raw': 'image',
        '/cmd_vel': 'velocity',
        '/door/open': 'events',
        '/imu': 'inertial',
        '/map': 'latched',
    }
    assert found['left_out'] == {'/odd': "its messages are encoded as 'json', not cdr"}
    assert found['troubles'] == [] and found['fits']
    # Measured with the real reducers: what each takes, and how far it is off.
    options = topics['/camera/image_raw']['options']
    assert options['jpeg']['bytes_per_s'] < 0.3 * options['']['bytes_per_s']
    assert 'JPEG' in options['jpeg']['error']
    assert topics['/imu']['options']['precision']['bytes_per_s'] < (
        0.7 * topics['/imu']['options']['']['bytes_per_s']
    )
    config = read_config(parse(file.read_text()).flat())
    assert config.robot_id == 'tiny-bot'
    streams = {topic: stream for stream in config.streams for topic in stream.topics}
    assert streams['/door/open'].keep.value == 'durable'
    assert streams['/cmd_vel'].priority.name == 'HIGH'
    assert streams['/camera/image_raw'].priority.name == 'LOW'
    assert check_file(file) == (
        ('ok: robot tiny-bot, 6 streams, mosquitto at localhost:1883',),
        True,
    )
    said = capsys.readouterr().out
    assert 'all of it' in said and 'holds: ' in said
    assert 'at most off by: ' in said
    # It proves itself: what it takes is within what was planned with.
    run = found['dry_run']
    assert run['link']['bytes_per_s'] < 1.15 * found['room_bytes_per_s']
    assert all(entry['stream'] in {s.name for s in config.streams} for entry in run['topics'])


def test_a_wide_link_takes_all_bit_for_bit(robot: Path, tmp_path: Path) -> None:
    found, file = recommend(tmp_path, robot, '--link', '50M')
    assert {entry['gives_up'] for entry in found['topics']} == {'nothing'}
    assert 'reducer' not in file.read_text()
    assert found['rounds'] == 1


def test_a_budget_is_kept(robot: Path, tmp_path: Path) -> None:
    found, file = recommend(tmp_path, robot, '--link', '1M', '--monthly', '2000', '--robot', 'amr')
    month = found['dry_run']['month']
    assert month['budget_bytes'] == 2_000_000_000
    assert month['bytes'] < month['budget_bytes']
    config = read_config(parse(file.read_text()).flat())
    assert config.link.monthly_budget_mb == 2000.0 and config.robot_id == 'amr'
    assert by_topic(found)['/camera/image_raw']['on_demand']
    # Somebody who looks at it is served.
    (leased,) = [
        entry
        for run in found['leased'].values()
        for entry in run['topics']
        if entry['topic'] == '/camera/image_raw' and entry['sent']
    ]
    assert leased['stream'] in found['leased']


def test_a_real_recording_on_a_thin_link(recordings: Path, tmp_path: Path) -> None:
    found, file = recommend(
        tmp_path, recordings / 'a3_tilt_laser_xsens.mcap', '--link', '64k', '--delay', '25ms'
    )
    topics = by_topic(found)
    assert found['troubles'] == []
    assert found['lossless_bytes_per_s'] > found['room_bytes_per_s'] > found['planned_bytes_per_s']
    assert 'laser_quantize' in topics['/scan']['reducer']
    assert 'tf_motion' in topics['/tf']['reducer']
    assert topics['/velocity']['measured_bytes_per_s'] > 0
    ages = {entry['topic']: entry['age_ms'] for entry in found['dry_run']['topics']}
    assert ages['/position_gps']['p95'] < ages['/imu_data']['p95']
    # What the file says is what was tried.
    place = tmp_path / 'again.json'
    arguments = ['--link', '64k', '--delay', '25ms', '--seconds', '30', '--json', str(place)]
    recording = str(recordings / 'a3_tilt_laser_xsens.mcap')
    assert main(['plan', str(file), recording, *arguments]) == 0
    again = json.loads(place.read_text())
    assert again['topics'] == found['dry_run']['topics']


@given(
    surveys(),
    st.floats(500.0, 2e6),
    st.sampled_from([0.0, 10.0, 500.0, 20_000.0]),
)
def test_whatever_is_recommended_is_a_right_configuration(
    topics: list[TopicSurvey], link_bytes_per_s: float, monthly_mb: float
) -> None:
    bytes_per_s = min(link_bytes_per_s, monthly_mb * 0.35 or link_bytes_per_s)
    room = Room(
        bytes_per_s=bytes_per_s,
        burst_bytes_per_s=link_bytes_per_s,
        message_bytes=100.0,
        metered=bytes_per_s < link_bytes_per_s,
    )
    advice = decide(topics, room)
    streams = streams_of(advice, link_bytes_per_s)
    config = config_of(streams, 'robot', advice.thrift, monthly_mb)
    reasons = [reason(stream, link_bytes_per_s, room.metered) for stream in streams]
    text = write(config, streams, reasons, ['Made by a test: for nobody.'])
    file = parse(text)
    assert file.problems == []
    # rcl's reading of the file gives back the same configuration, which has no problems.
    assert read_config(file.flat()) == config
    assert list(reducer_problems(config)) == []
    assert sorted(one for stream in config.streams for one in stream.topics) == sorted(
        one.topic for one in topics
    )
    assert max(map(len, text.splitlines())) <= 99 + max(len(one.topic) for one in topics)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(['plan', *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ''
    (line,) = told.err.splitlines()
    return line


def test_what_does_not_go_together_gets_one_clear_line(
    robot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    link = ('--link', '64k')
    recording = str(robot)
    assert 'give it the RECORDING alone' in refused(
        capsys, 'robot.yaml', recording, *link, '--recommend'
    )
    assert '--recommend would make one' in refused(capsys, recording, *link)
    for option in (('-o', 'x.yaml'), ('--monthly', '5'), ('--robot', 'x')):
        assert 'goes with --recommend' in refused(capsys, 'r.yaml', recording, *link, *option)
    assert '--lease' in refused(capsys, recording, *link, '--recommend', '--lease', 'x')
    assert '--robot' in refused(capsys, recording, *link, '--recommend', '--robot', 'a/b')
    nothing = refused(capsys, recording, *link, '--recommend', '--topics', '/odd')
    assert nothing.endswith("/odd: its messages are encoded as 'json', not cdr")
    place = str(tmp_path / 'none' / 'robot.yaml')
    quick = ('--recommend', '--topics', '/door/*', '--seconds', '1')
    assert main(['plan', recording, *link, *quick, '-o', place]) == 2
    assert f'{place}: cannot be written' in capsys.readouterr().err


def test_a_long_recording_is_looked_at_in_parts() -> None:
    begin, end = 10**18, 10**18 + 3600 * NS
    found = pieces(begin, end, 10**6)
    assert found[0][0] == begin and found[-1][1] == end + 1
    assert sum(last - first for first, last in found) / NS == pytest.approx(60.0)
    assert all(one[1] < other[0] for one, other in zip(found, found[1:], strict=False))
    # Of a large one less, of a short one all.
    large = pieces(begin, end, 100 * 10**9)
    assert sum(last - first for first, last in large) / NS == pytest.approx(9.2, abs=0.1)
    assert pieces(begin, begin + 100 * NS, 10**6) == ((begin, begin + 100 * NS + 1),)
    assert pieces(begin, begin, 10**6) == ((begin, begin + 1),)


def test_parts_of_a_long_recording_follow_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'long.mcap'
    with path.open('wb') as file:
        writer = mcap_writer.Writer(file)
        writer.start(profile='ros2', library='test')
        schema = writer.register_schema('std_msgs/msg/UInt32', 'ros2msg', b'uint32 data')
        channel = writer.register_channel('/count', 'cdr', schema)
        number = random.Random(1)
        for index in range(0, 1200):
            cdr = b'\0\1\0\0' + number.randbytes(4)
            writer.add_message(channel, index * NS // 2, cdr, index * NS // 2)
        writer.finish()
    found, _ = recommend(tmp_path, path, '--link', '64k')
    assert found['recording_s'] == pytest.approx(599.5)
    assert found['surveyed_s'] == pytest.approx(60.0, abs=1.0)
    (count,) = found['topics']
    assert count['hz'] == pytest.approx(2.0, rel=0.02)
    assert '60 s of 600 s surveyed, in 4 parts' in capsys.readouterr().out
    # Published at its rhythm, without gaps where a part ends.
    assert found['dry_run']['topics'][0]['published'] == pytest.approx(120, abs=2)


@pytest.mark.parametrize(
    ('name', 'robot_id'),
    [('a1_husky.mcap', 'a1_husky'), ('Wagen 7 (neu).mcap', 'Wagen-7-neu'), ('日.mcap', 'robot')],
    ids=['plain', 'blanks', 'nothing_left'],
)
def test_a_robot_is_named_after_its_recording(name: str, robot_id: str) -> None:
    assert robot_id_of(Path(name)) == robot_id
