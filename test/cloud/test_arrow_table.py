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

"""Live samples as tables: typed columns, and what cannot be in one."""

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip('pyarrow', reason='pyarrow: install the extra export')
wire_robot = pytest.importorskip('support.wire_robot', reason='rosbags: install the extra cloud')

from ros_cloud_bridge.cloud import ProtocolError, Sample  # noqa: E402
from ros_cloud_bridge.cloud.arrow import arrow_table  # noqa: E402
from ros_cloud_bridge.reducers.grids import MissingKeyframe  # noqa: E402
from support.samples import make_sample  # noqa: E402

SCHEMA = wire_robot.schema_of(wire_robot.OWN_TYPE)
START = 1_780_000_000_000_000_000


def sample(sequence: int, cdr: bytes, **facts: Any) -> Sample:
    facts |= {'source_time_ns': START + sequence, 'receive_time_ns': START + 1000 * sequence}
    return make_sample(cdr, sequence, schema=SCHEMA, **facts)


def test_fields_are_typed_columns_beside_times_and_numbers() -> None:
    table = arrow_table(
        [sample(n, wire_robot.level_cdr(n / 4, bytes(range(n)), f'tank {n}')) for n in (1, 2, 5)]
    )
    assert {field.name: str(field.type) for field in table.schema} == {
        '_log_time': 'timestamp[ns, tz=UTC]',
        '_publish_time': 'timestamp[ns, tz=UTC]',
        '_sequence': 'uint32',
        'header.stamp': 'timestamp[ns, tz=UTC]',
        'header.frame_id': 'string',
        'level': 'float',
        'raw': 'binary',
        'from': 'string',
    }
    assert table['level'].to_pylist() == [0.25, 0.5, 1.25]
    assert table['raw'].to_pylist() == [b'\0', b'\0\1', b'\0\1\2\3\4']
    assert table['from'].to_pylist() == ['tank 1', 'tank 2', 'tank 5']
    assert table['_sequence'].to_pylist() == [1, 2, 5]
    assert table['_publish_time'].cast('int64').to_pylist() == [START + n for n in (1, 2, 5)]
    assert table['_log_time'].cast('int64').to_pylist() == [START + 1000 * n for n in (1, 2, 5)]


def test_both_byte_orders_stand_in_one_table_in_their_order() -> None:
    little = wire_robot.level_cdr(0.5)
    message = wire_robot.typestore().deserialize_cdr(little, wire_robot.OWN_TYPE)
    big = bytes(
        wire_robot.typestore().serialize_cdr(message, wire_robot.OWN_TYPE, little_endian=False)
    )
    assert big[:2] == b'\0\0'
    table = arrow_table([sample(1, little), sample(2, big), sample(3, little)])
    assert table['level'].to_pylist() == [0.5, 0.5, 0.5]
    assert table['_sequence'].to_pylist() == [1, 2, 3]


def test_differences_from_what_never_came_are_left_out() -> None:
    def restore(form: str, data: bytes) -> bytes:
        if not data:
            raise MissingKeyframe(b'\1')
        return data

    made = [sample(n, cdr, form='grid/1', _restore=restore) for n, cdr in enumerate((b'', b''), 1)]
    assert len(arrow_table(made)) == 0
    made.append(sample(3, wire_robot.level_cdr(2.0), form='grid/1', _restore=restore))
    assert arrow_table(made)['level'].to_pylist() == [2.0]


def test_what_is_no_table_is_said() -> None:
    with pytest.raises(ValueError, match='of one type are wanted, and these are of: none'):
        arrow_table([])
    good = sample(1, wire_robot.level_cdr(1.0))
    with pytest.raises(ValueError, match=r'these are of: mine/msg/Level, mine/msg/Other'):
        arrow_table([good, replace(good, type_name='mine/msg/Other')])
    with pytest.raises(ProtocolError, match='do not fit'):
        arrow_table([good, sample(2, good.cdr[:9])])
