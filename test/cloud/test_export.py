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

"""Tables of recordings: what pyarrow, pandas and CSV read is what the messages hold."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ros_cloud_bridge.cli.main import main

pq = pytest.importorskip('pyarrow.parquet', reason='pyarrow: install the extra export')
mcap_reader = pytest.importorskip('mcap.reader', reason='mcap: install the extra cloud')
random_messages = pytest.importorskip('support.random_messages', reason='rosbags is missing')

from ros_cloud_bridge.cloud.mcap_file import ChunkWriter  # noqa: E402

TIMES = ('builtin_interfaces/msg/Time', 'builtin_interfaces/msg/Duration')
START = 10**18


def follow(value: Any, path: list[str]) -> Any:
    """Give what stands at a path of a message that another library has decoded."""
    if isinstance(value, list) and path:
        return [follow(item, path) for item in value]
    if path:
        (name, *rest) = path
        return follow(getattr(value, name), rest)
    kind = getattr(value, '__msgtype__', '')
    if kind in TIMES:
        return value.sec * 10**9 + value.nanosec
    if isinstance(value, np.ndarray):
        return value.tobytes() if value.dtype == np.uint8 else value.tolist()
    return [follow(item, []) for item in value] if isinstance(value, list) else value


def same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return (
            isinstance(found, list) and len(found) == len(wanted) and all(map(same, found, wanted))
        )
    if isinstance(wanted, float) and math.isnan(wanted):
        return isinstance(found, float) and math.isnan(found)
    if isinstance(wanted, bytes) and isinstance(found, list):
        return bytes(found) == wanted
    # A byte has no sign; the other implementation gives it one.
    return bool(found == wanted or (isinstance(wanted, int) and found == wanted % 256))


def plain(value: Any) -> Any:
    """Turn Arrow's times into nanoseconds."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    return getattr(value, 'value', value)


def write(path: Path, messages: dict[str, tuple[str, list[bytes]]], finish: bool = True) -> None:
    with path.open('wb') as stream:
        writer = ChunkWriter(stream, 'test', 100_000)
        for topic, (type_name, cdrs) in messages.items():
            text = random_messages.definition(type_name).encode()
            schema = writer.add_schema(type_name, 'ros2msg', text)
            channel = writer.add_channel(topic, 'cdr', schema, {})
            for number, cdr in enumerate(cdrs):
                writer.add_message(channel, number, START + number * 10**9, START, cdr)
        writer.flush()
        if finish:
            writer.finish()


def sensor(type_name: str, count: int, **options: Any) -> list[bytes]:
    options = {'little': True, 'ragged': True, 'dirty': False, **options}
    made = random_messages.Sensor(type_name, 3, **options)
    return [made.message() for _ in range(count)]


def export(path: Path, folder: Path, *arguments: str) -> int:
    return main(['export', str(path), '-o', str(folder), *arguments])


@pytest.mark.parametrize('little', [True, False])
@pytest.mark.parametrize(
    'type_name',
    [
        'sensor_msgs/msg/Imu',
        'sensor_msgs/msg/JointState',
        'sensor_msgs/msg/NavSatFix',
        'nav_msgs/msg/Odometry',
        'nav_msgs/msg/OccupancyGrid',
        'tf2_msgs/msg/TFMessage',
        'diagnostic_msgs/msg/DiagnosticArray',
        'sensor_msgs/msg/PointCloud2',
        'trajectory_msgs/msg/JointTrajectory',
        'visualization_msgs/msg/Marker',
    ],
)
def test_values_are_those_of_the_messages(tmp_path: Path, type_name: str, little: bool) -> None:
    cdrs = sensor(type_name, 40, little=little) + sensor(type_name, 30, ragged=False)
    write(tmp_path / 'r.mcap', {'/a/topic': (type_name, cdrs)})
    assert export(tmp_path / 'r.mcap', tmp_path / 'out') == 0
    table = pq.read_table(tmp_path / 'out' / 'a' / 'topic.parquet')
    assert table.num_rows == 70
    assert table['_sequence'].to_pylist() == [*range(70)]
    assert plain(table['_log_time'].to_pylist()) == [START + n * 10**9 for n in range(70)]
    store = random_messages.STORE
    decoded = [store.deserialize_cdr(cdr, type_name) for cdr in cdrs]
    names = [name for name in table.column_names if not name.startswith('_')]
    assert names
    for name in names:
        found = plain(table[name].to_pylist())
        for number, message in enumerate(decoded):
            wanted = follow(message, name.split('.'))
            assert same(found[number], wanted), (name, number, found[number], wanted)


def test_types_are_typed(tmp_path: Path) -> None:
    types = ('sensor_msgs/msg/NavSatFix', 'nav_msgs/msg/Odometry', 'visualization_msgs/msg/Marker')
    topics = {f'/t{number}': (name, sensor(name, 3)) for number, name in enumerate(types)}
    write(tmp_path / 'r.mcap', topics)
    assert export(tmp_path / 'r.mcap', tmp_path / 'out') == 0
    fix, odometry, marker = (pq.read_schema(tmp_path / 'out' / f't{n}.parquet') for n in range(3))
    assert str(fix.field('latitude').type) == 'double'
    assert str(fix.field('status.status').type) == 'int8'
    assert str(fix.field('header.frame_id').type) == 'string'
    assert str(fix.field('header.stamp').type) == 'timestamp[ns, tz=UTC]'
    covariance = odometry.field('pose.covariance').type
    assert (covariance.list_size, str(covariance.value_type)) == (36, 'double')
    assert str(marker.field('frame_locked').type) == 'bool'
    assert str(marker.field('lifetime').type) == 'duration[ns]'
    assert str(marker.field('points.x').type).startswith('list<')


def test_numbers_that_are_none_and_texts_that_are_no_utf8_stay(tmp_path: Path) -> None:
    store = random_messages.STORE
    joint = store.types['sensor_msgs/msg/JointState']
    header = store.types['std_msgs/msg/Header'](
        store.types['builtin_interfaces/msg/Time'](7, 8), 'größe'
    )
    values = [np.array([math.nan, math.inf, -0.0]), np.array([]), np.array([-math.inf])]
    cdrs = [
        bytes(
            store.serialize_cdr(
                joint(header, ['a', 'bb'][:number], value, value, value), joint.__msgtype__
            )
        )
        for number, value in enumerate(values)
    ]
    broken = cdrs[1].replace('größe'.encode(), b'gr\xff\xffsse')
    write(tmp_path / 'r.mcap', {'/j': (joint.__msgtype__, [*cdrs, broken])})
    assert export(tmp_path / 'r.mcap', tmp_path / 'out') == 0
    table = pq.read_table(tmp_path / 'out' / 'j.parquet')
    position = table['position'].to_pylist()
    assert math.isnan(position[0][0]) and position[0][1] == math.inf
    assert math.copysign(1.0, position[0][2]) == -1.0
    assert position[1:3] == [[], [-math.inf]]
    assert table['name'].to_pylist()[:3] == [[], ['a'], ['a', 'bb']]
    assert table['header.frame_id'].to_pylist() == ['größe'] * 3 + ['gr\ufffd\ufffdsse']
    assert export(tmp_path / 'r.mcap', tmp_path / 'csv', '--format', 'csv') == 0
    with (tmp_path / 'csv' / 'j.csv').open(newline='', encoding='utf-8') as stream:
        rows = list(csv.DictReader(stream))
    assert json.loads(rows[0]['position']) == ['NaN', 'Infinity', -0.0]
    assert json.loads(rows[2]['name']) == ['a', 'bb']
    assert rows[0]['header.stamp'].startswith('1970-01-01 00:00:07.000000008')


def test_topics_fields_and_times_are_chosen_and_pandas_reads_it(tmp_path: Path) -> None:
    pandas = pytest.importorskip('pandas')
    imu = sensor('sensor_msgs/msg/Imu', 10)
    write(tmp_path / 'r.mcap', dict.fromkeys(('/imu', '/other'), ('sensor_msgs/msg/Imu', imu)))
    arguments = ('--topic', '/i*', '--fields', 'angular_velocity', '--fields', '*.frame_id')
    times = ('--since', str(START // 10**9 + 2), '--until', '2001-09-09T01:46:45Z')
    assert export(tmp_path / 'r.mcap', tmp_path / 'out', *arguments, *times) == 0
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['imu.parquet']
    frame = pandas.read_parquet(tmp_path / 'out' / 'imu.parquet')
    assert list(frame.columns)[3:] == [
        'header.frame_id',
        'angular_velocity.x',
        'angular_velocity.y',
        'angular_velocity.z',
    ]
    decoded = [random_messages.STORE.deserialize_cdr(c, 'sensor_msgs/msg/Imu') for c in imu]
    wanted = [message.angular_velocity.y for message in decoded[2:5]]
    assert np.array_equal(frame['angular_velocity.y'].to_numpy(), wanted, equal_nan=True)


def test_what_is_damaged_is_one_line_and_what_stands_before_it_is_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'r.mcap'
    write(path, {'/imu': ('sensor_msgs/msg/Imu', sensor('sensor_msgs/msg/Imu', 900))})
    whole = path.read_bytes()
    half = len(whole) // 2
    mangled = {
        'cut.mcap': (whole[:half], 'is cut off at byte'),
        'hurt.mcap': (whole[:half] + bytes(64) + whole[half + 64 :], 'damaged'),
        'text.mcap': (b'no recording', 'is no MCAP file'),
    }
    for name, (data, said) in mangled.items():
        (tmp_path / name).write_bytes(data)
        assert export(tmp_path / name, tmp_path / name.removesuffix('.mcap')) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert str(tmp_path / name) in line and said in line
    for name in ('cut', 'hurt'):
        table = pq.read_table(tmp_path / name / 'imu.parquet')
        assert 0 < table.num_rows < 900
        assert table['_sequence'].to_pylist() == [*range(table.num_rows)]
    assert export(tmp_path / 'none.mcap', tmp_path / 'none') == 1
    assert 'No such file' in capsys.readouterr().err


def test_a_message_that_does_not_fit_costs_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imu = sensor('sensor_msgs/msg/Imu', 50)
    imu[17] = imu[17][:100]
    imu[33] = b''
    write(
        tmp_path / 'r.mcap',
        {'/imu': ('sensor_msgs/msg/Imu', imu), '/../up': ('sensor_msgs/msg/Imu', imu[:5])},
    )
    assert export(tmp_path / 'r.mcap', tmp_path / 'out') == 0
    assert '2 messages left out' in capsys.readouterr().err
    table = pq.read_table(tmp_path / 'out' / 'imu.parquet')
    assert table['_sequence'].to_pylist() == [n for n in range(50) if n not in (17, 33)]
    # A hostile name stays below the folder.
    assert (tmp_path / 'out' / '_..' / 'up.parquet').exists()
    assert export(tmp_path / 'r.mcap', tmp_path / 'out') == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert 'exists; --force replaces it' in line
    assert not list((tmp_path / 'out').rglob('*.part'))


def test_real_recordings(tmp_path: Path, recordings: Path) -> None:
    path = recordings / 'a3_tilt_laser_xsens.mcap'
    assert export(path, tmp_path / 'out') == 0
    scans = pq.read_table(tmp_path / 'out' / 'scan.parquet')
    with path.open('rb') as stream:
        entries = list(mcap_reader.make_reader(stream).iter_messages(topics=['/scan']))
    store = random_messages.STORE
    for number, (_, _, message) in enumerate(entries):
        decoded = store.deserialize_cdr(message.data, 'sensor_msgs/msg/LaserScan')
        assert same(scans['ranges'][number].as_py(), decoded.ranges.tolist())
    assert len(scans) == len(entries) > 0
