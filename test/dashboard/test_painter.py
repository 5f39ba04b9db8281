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

"""What dashboards get of a message: the table of docs/dashboards.md, and any message at all."""

import json
from pathlib import Path
import re
from typing import Any

import numpy as np
import pytest

from ros_cloud_bridge.dashboard.forms import MAX_BYTES, MAX_FIELDS
from ros_cloud_bridge.dashboard.painter import Painter, Settings, Shown
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import DashboardForm
from ros_cloud_bridge.wire.schema import EMPTY_MEMBER
from support.dashboard_messages import cdr, golden, message
from support.random_messages import definition, Sensor, STORE, TYPES

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'dashboards.md'
TIME_NS = 1764000000123456789
ODOMETRY = 'nav_msgs/msg/Odometry'
DIAGNOSTICS = 'diagnostic_msgs/msg/DiagnosticArray'


def painter(
    type_name: str, *fields: str, form: DashboardForm = DashboardForm.FLAT, topic: str = '/a/b'
) -> Painter:
    settings = Settings(fields=fields, form=form, pictures=False)
    return Painter(topic, type_name, definition(type_name), settings)


def documents(made: Painter, cdr: bytes) -> list[dict[str, Any]]:
    return [json.loads(shown.payload) for shown in made.paint(cdr, TIME_NS)]


def document(made: Painter, cdr: bytes) -> dict[str, Any]:
    (only,) = documents(made, cdr)
    return only


@pytest.mark.parametrize('little', [True, False], ids=['little', 'big'])
def test_the_table_of_the_page_is_what_comes_out(little: bool) -> None:
    table = re.findall(r'^\| `(\w+/msg/\w+)` \| `(.*)` \|', PAGE.read_text(), re.MULTILINE)
    shown = {
        type_name: [made.payload.decode() for made in painter(type_name).paint(raw, TIME_NS)]
        for type_name, raw in golden(little)
    }
    assert shown == {type_name: [text] for type_name, text in table}


@pytest.mark.parametrize('fields', [(), ('*',)], ids=['default', 'all'])
@pytest.mark.parametrize('type_name', TYPES)
def test_any_message_is_flat_and_keeps_its_types(type_name: str, fields: tuple[str, ...]) -> None:
    try:
        made = painter(type_name, *fields)
    except ValueError:
        assert fields
        assert [name for name, _ in STORE.fielddefs[type_name][1]] == [EMPTY_MEMBER]
        return
    kinds: dict[str, type] = {}
    for seed in range(4):
        sensor = Sensor(type_name, seed, little=seed % 2 == 0, ragged=True, dirty=seed > 1)
        for shown in (shown for _ in range(4) for shown in made.paint(sensor.message(), TIME_NS)):
            assert len(shown.payload) <= MAX_BYTES
            found = json.loads(shown.payload, parse_constant=pytest.fail)
            assert found.pop('ts') == TIME_NS // 1_000_000
            assert len(found) <= MAX_FIELDS
            for key, value in found.items():
                kind = float if type(value) is int else type(value)
                assert kind in (bool, float, str)
                assert kinds.setdefault(key, kind) is kind


@pytest.mark.parametrize('type_name', sorted({name for name, _ in golden()}))
def test_a_damaged_message_is_shown_or_refused(type_name: str) -> None:
    made = painter(type_name)
    raw = dict(golden())[type_name]
    refused = 0
    for cut in range(len(raw)):
        for bad in (raw[:cut], raw[:cut] + b'\xff' + raw[cut + 1 :]):
            try:
                for shown in made.paint(bad, TIME_NS):
                    assert json.loads(shown.payload)
                    assert len(shown.payload) <= MAX_BYTES
            except ProtocolError:
                refused += 1
    assert refused


def test_what_is_no_number_is_left_out() -> None:
    raw = cdr('sensor_msgs/msg/Imu', orientation__w=float('nan'), angular_velocity__x=float('inf'))
    found = document(painter('sensor_msgs/msg/Imu'), raw)
    assert not {'roll_deg', 'yaw_deg', 'angular_velocity_x'} & found.keys()
    assert found['angular_velocity_y'] == 0.0
    # As is a whole number that whoever reads it would round.
    for value, shown in ((2**53, True), (2**53 + 1, False)):
        raw = cdr('std_msgs/msg/UInt64', data=value)
        assert ('data' in document(painter('std_msgs/msg/UInt64'), raw)) is shown


def test_single_floats_are_the_decimals_that_they_mean() -> None:
    ranges = np.array([1.8, 2.3], np.float32)
    raw = cdr('sensor_msgs/msg/LaserScan', ranges=ranges, range_min=0.1, range_max=10.0)
    found = document(painter('sensor_msgs/msg/LaserScan'), raw)
    assert (found['nearest'], found['farthest'], found['valid']) == (1.8, 2.3, 2)


def test_texts_are_cut_and_escaped() -> None:
    raw = cdr('std_msgs/msg/String', data='"\x00\n' + 'ü' * 1000)
    text = document(painter('std_msgs/msg/String'), raw)['data']
    assert text.startswith('"\x00\nüü')
    assert (len(text), text[-1]) == (256, '…')


@pytest.mark.parametrize(
    ('patterns', 'keys'),
    [
        (['x', 'yaw_deg'], ['x', 'yaw_deg']),
        (['*_deg', 'speed'], ['roll_deg', 'pitch_deg', 'yaw_deg', 'speed']),
        (['pose.pose.position.*'], ['x', 'y', 'z']),
        (['pose.pose'], ['x', 'y', 'z', 'roll_deg', 'pitch_deg', 'yaw_deg']),
        (['twist.twist.linear.x', 'child_frame_id'], ['linear_x', 'child_frame_id']),
        (['pose.pose.orientation.w'], ['pose_pose_orientation_w']),
        (['twist.covariance'], [f'twist_covariance_{index}' for index in range(36)]),
        (['header.stamp'], ['stamp_s']),
        (['none', 'y'], ['y']),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_patterns_choose_by_key_and_by_path(patterns: list[str], keys: list[str]) -> None:
    found = document(painter(ODOMETRY, *patterns), cdr(ODOMETRY, pose__pose__orientation__w=1.0))
    assert list(found)[1:] == keys


def test_patterns_that_mean_nothing_are_said() -> None:
    with pytest.raises(ValueError, match='nav_msgs/msg/Odometry has no field of none, nor.this'):
        painter(ODOMETRY, 'none', 'nor.this')


def test_elements_of_messages_are_shown_when_asked_for() -> None:
    poses = [message('geometry_msgs/msg/Pose', position__x=float(n)) for n in range(3)]
    raw = cdr('geometry_msgs/msg/PoseArray', poses=poses)
    assert document(painter('geometry_msgs/msg/PoseArray'), raw)['poses_count'] == 3
    found = document(painter('geometry_msgs/msg/PoseArray', 'poses.position.x'), raw)
    assert list(found.items())[1:] == [(f'poses_position_x_{n}', float(n)) for n in range(3)]


def status(name: str, level: int = 0, **values: str) -> Any:
    pairs = [message('diagnostic_msgs/msg/KeyValue', key=k, value=v) for k, v in values.items()]
    return message('diagnostic_msgs/msg/DiagnosticStatus', name=name, level=level, values=pairs)


def parts(*statuses: Any, fields: tuple[str, ...] = ()) -> list[Shown]:
    return list(painter(DIAGNOSTICS, *fields).paint(cdr(DIAGNOSTICS, status=list(statuses)), 0))


def test_each_status_has_a_topic_and_its_values_keep_their_type() -> None:
    shown = parts(status('cpu', 2, load='0.5', mode='fast'), status('disk: /', load='many'))
    assert [made.part for made in shown] == ['cpu', 'disk']
    first, second = (json.loads(made.payload) for made in shown)
    assert (first['level_name'], first['value_load'], first['value_mode_text']) == (
        'error',
        0.5,
        'fast',
    )
    assert (second['value_load_text'], 'value_load' in second) == ('many', False)
    (chosen,) = parts(status('cpu', 1, load='nan', mode='1'), fields=('level', 'value_*'))
    assert json.loads(chosen.payload) == {
        'ts': 0,
        'level': 1,
        'value_load_text': 'nan',
        'value_mode': 1.0,
    }


def test_names_of_statuses_become_one_level_that_is_their_own() -> None:
    names = ['a/b', '#', '+', '', 'x' * 300, 'x' * 301, 'ключ', 'тест', '$SYS', 'jpeg', 'a\0b']
    levels = [made.part for made in parts(*map(status, names))]
    assert levels[0] == 'a_b'
    assert all(re.fullmatch('[A-Za-z0-9_-]{1,64}', level) for level in levels)
    assert len(set(levels)) == len(names)


def test_no_status_hides_behind_one_of_a_like_name() -> None:
    one = painter(DIAGNOSTICS)
    for _ in range(2):
        raw = cdr(DIAGNOSTICS, status=[status('arm: left', 2), status('arm/left', 0)])
        shown = [(made.part, json.loads(made.payload)) for made in one.paint(raw, 0)]
        assert [found['level_name'] for _, found in shown] == ['error', 'ok']
        first, second = (part for part, _ in shown)
        assert (first, second[:9]) == ('arm_left', 'arm_left_')


def test_a_flood_of_statuses_is_bounded() -> None:
    shown = parts(
        *(status(f'n{n}', 0, **{f'k{i}': 'v' * 300 for i in range(200)}) for n in range(70))
    )
    assert len(shown) == 64
    assert all(len(made.payload) <= MAX_BYTES and json.loads(made.payload) for made in shown)


def test_the_form_of_thingsboard() -> None:
    made = painter('std_msgs/msg/Float32', form=DashboardForm.THINGSBOARD, topic='/arm/load')
    raw = cdr('std_msgs/msg/Float32', data=0.5)
    assert document(made, raw) == {'ts': 1764000000123, 'values': {'arm_load_data': 0.5}}
    array = Painter(
        '/d', DIAGNOSTICS, definition(DIAGNOSTICS), Settings(form=DashboardForm.THINGSBOARD)
    )
    (found,) = documents(array, cdr(DIAGNOSTICS, status=[status('a b')]))
    assert found['values']['d_a_b_level'] == 0
