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

"""Samples as text and as JSON."""

import base64
from collections.abc import Callable
import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from ros_cloud_bridge.cloud.format import FieldFilter, sample_json, sample_text, to_json_value
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.errors import UnknownSchema
from ros_cloud_bridge.wire.schema import Schema
from support.wire_robot import level_cdr, OWN_TYPE, typestore

TYPES = typestore().types
ALL = FieldFilter()


def decode(schema_id: str, type_name: str, cdr: bytes) -> Any:
    return typestore().deserialize_cdr(cdr, type_name)


def no_schema(schema_id: str, type_name: str) -> Schema:
    raise UnknownSchema(type_name)


def make(
    type_name: str,
    cdr: bytes,
    *,
    topic: str = '/t',
    decoder: Callable[[str, str, bytes], Any] = decode,
    latched: bool = False,
) -> Sample:
    return Sample(
        robot_id='rover',
        topic=topic,
        type_name=type_name,
        cdr=cdr,
        source_time_ns=5_000_000_000,
        receive_time_ns=5_000_001_000,
        sent_time_ns=5_100_000_000,
        sequence=17,
        stream='all',
        historical=False,
        latched=latched,
        boot_id='00' * 8,
        route=3,
        schema_id='0' * 16,
        _decode=decoder,
        _schema=no_schema,
    )


def of(message: Any) -> Sample:
    name = message.__msgtype__
    return make(name, bytes(typestore().serialize_cdr(message, name)))


def header(frame: str) -> Any:
    stamp = TYPES['builtin_interfaces/msg/Time'](sec=1, nanosec=2)
    return TYPES['std_msgs/msg/Header'](stamp=stamp, frame_id=frame)


def imu() -> Sample:
    quaternion = TYPES['geometry_msgs/msg/Quaternion'](0.0, 0.0, math.nan, 1.0)
    vector = TYPES['geometry_msgs/msg/Vector3'](1.5, math.inf, -math.inf)
    nine = np.arange(9.0)
    return of(
        TYPES['sensor_msgs/msg/Imu'](header('imu'), quaternion, nine, vector, nine, vector, nine)
    )


def test_text_of_a_sample() -> None:
    assert sample_text(imu(), ALL, 5_250_000_000).splitlines() == [
        'rover /t #17 age 0.250 s sensor_msgs/msg/Imu',
        '  header: {stamp: {sec: 1, nanosec: 2}, frame_id: imu}',
        '  orientation: {x: 0, y: 0, z: nan, w: 1}',
        '  orientation_covariance: [0, 1, 2, 3, … 9 in all]',
        '  angular_velocity: {x: 1.5, y: inf, z: -inf}',
        '  angular_velocity_covariance: [0, 1, 2, 3, … 9 in all]',
        '  linear_acceleration: {x: 1.5, y: inf, z: -inf}',
        '  linear_acceleration_covariance: [0, 1, 2, 3, … 9 in all]',
    ]


def test_text_of_nested_messages_and_long_values() -> None:
    value = TYPES['diagnostic_msgs/msg/KeyValue'](key='k', value='v' * 300)
    status = TYPES['diagnostic_msgs/msg/DiagnosticStatus'](
        level=1, name='motor: left', message='', hardware_id='true', values=[value] * 6
    )
    sample = of(TYPES['diagnostic_msgs/msg/DiagnosticArray'](header('x'), [status]))
    item = f'            - {{key: k, value: "{"v" * 120}"… 300 characters}}'
    lines = sample_text(sample, ALL, 0).splitlines()
    assert lines[:8] == [
        'rover /t #17 age -5.000 s diagnostic_msgs/msg/DiagnosticArray',
        '  header: {stamp: {sec: 1, nanosec: 2}, frame_id: x}',
        '  status: (1)',
        '    - level: 1',
        '      name: "motor: left"',
        '      message: ""',
        '      hardware_id: "true"',
        '      values: (6)',
    ]
    assert lines[-1] == '        … 2 more'
    assert [line.strip() for line in lines if 'v' * 120 in line] == [
        item.strip().replace('- {key: k, ', '').removesuffix('}')
    ] * 4


def test_control_characters_of_a_robot_do_not_reach_the_terminal() -> None:
    sample = make(OWN_TYPE, level_cdr(0.0, text='\x1b]0;mine\x07\n\u202eabc'), topic='/t\x1b[2J')
    text = sample_text(sample, ALL, 0)
    assert all(c.isprintable() or c == '\n' for c in text)
    assert len(text.splitlines()) == 5


def test_json_has_everything() -> None:
    document = json.loads(sample_json(imu(), ALL))
    fields = document.pop('fields')
    assert document == {
        'kind': 'sample',
        'robot': 'rover',
        'topic': '/t',
        'type': 'sensor_msgs/msg/Imu',
        'stream': 'all',
        'route': 3,
        'boot_id': '00' * 8,
        'sequence': 17,
        'source_time_ns': 5_000_000_000,
        'receive_time_ns': 5_000_001_000,
        'sent_time_ns': 5_100_000_000,
        'latched': False,
        'historical': False,
    }
    assert fields['orientation'] == {'x': 0.0, 'y': 0.0, 'z': 'NaN', 'w': 1.0}
    assert fields['angular_velocity'] == {'x': 1.5, 'y': 'Infinity', 'z': '-Infinity'}
    assert fields['orientation_covariance'] == list(range(9))
    assert list(fields)[0] == 'header'
    assert len(fields) == 7


def test_json_of_bytes_keywords_and_the_message_itself() -> None:
    cdr = level_cdr(0.5, b'\x00\xff\x10', 'é')
    document = json.loads(sample_json(make(OWN_TYPE, cdr), ALL, cdr=True))
    assert document['fields'] == {
        'header': {'stamp': {'sec': 12, 'nanosec': 34}, 'frame_id': 'é'},
        'level': 0.5,
        'raw': base64.b64encode(b'\x00\xff\x10').decode(),
        'from': 'é',
    }
    assert base64.b64decode(document['cdr']) == cdr


def test_constants_are_no_fields() -> None:
    status = TYPES['sensor_msgs/msg/NavSatStatus'](status=1, service=2)
    assert json.loads(sample_json(of(status), ALL))['fields'] == {'status': 1, 'service': 2}


def test_message_without_members() -> None:
    sample = make('std_msgs/msg/Empty', b'\0\1\0\0\0')
    assert json.loads(sample_json(sample, ALL))['fields'] == {}
    assert sample_text(sample, ALL, 0) == 'rover /t #17 age -5.000 s std_msgs/msg/Empty'


def test_undecodable_sample_says_why() -> None:
    def fail(schema_id: str, type_name: str, cdr: bytes) -> Any:
        raise UnknownSchema(type_name)

    sample = make('a/msg/B', b'1234', decoder=fail, latched=True)
    document = json.loads(sample_json(sample, ALL))
    assert document['fields'] is None
    assert document['error'] == 'no schema for a/msg/B has arrived yet'
    assert sample_text(sample, ALL, 0).splitlines() == [
        'rover /t #17 age -5.000 s a/msg/B latched',
        '  no schema for a/msg/B has arrived yet (4 bytes)',
    ]


@pytest.mark.parametrize(
    ('patterns', 'fields'),
    [
        (['header.frame_id'], {'header': {'frame_id': 'imu'}}),
        (['*.stamp'], {'header': {'stamp': {'sec': 1, 'nanosec': 2}}}),
        (['orientation'], {'orientation': {'x': 0.0, 'y': 0.0, 'z': 'NaN', 'w': 1.0}}),
        (
            ['orientation.x', '*.sec'],
            {'header': {'stamp': {'sec': 1}}, 'orientation': {'x': 0.0}},
        ),
        (['nothing'], {}),
    ],
)
def test_fields_are_chosen_by_path(patterns: list[str], fields: dict[str, Any]) -> None:
    assert json.loads(sample_json(imu(), FieldFilter(patterns)))['fields'] == fields


def test_fields_within_arrays_of_messages_are_chosen_without_index() -> None:
    values = [TYPES['diagnostic_msgs/msg/KeyValue'](key=key, value='1') for key in 'ab']
    status = TYPES['diagnostic_msgs/msg/DiagnosticStatus'](1, 'n', 'm', 'h', values)
    sample = of(TYPES['diagnostic_msgs/msg/DiagnosticArray'](header('x'), [status, status]))
    chosen = FieldFilter(['status.name', 'status.values.key'])
    one = {'name': 'n', 'values': [{'key': 'a'}, {'key': 'b'}]}
    assert json.loads(sample_json(sample, chosen))['fields'] == {'status': [one, one]}


NUMBERS = st.floats(width=32) | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.text()


@given(st.recursive(NUMBERS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_values_are_always_valid_json(value: Any) -> None:
    text = json.dumps(to_json_value(value), allow_nan=False)
    assert json.dumps(to_json_value(json.loads(text)), allow_nan=False) == text


@pytest.mark.parametrize('dtype', ['int8', 'uint16', 'int64', 'float32', 'float64', 'bool'])
def test_arrays_become_lists(dtype: str) -> None:
    assert to_json_value(np.array([0, 1, 1], dtype)) == [0, 1, 1]
