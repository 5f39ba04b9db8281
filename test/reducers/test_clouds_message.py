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

"""Point clouds are read as another implementation has written them, in either byte order."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.clouds_message import read_cloud
from support import sensor_messages as make


@pytest.mark.parametrize('big', [False, True])
@pytest.mark.parametrize('big_points', [False, True])
def test_numbers_are_those_that_were_written(big: bool, big_points: bool) -> None:
    order = '>' if big_points else '<'
    formats = [f'{order}f8', f'{order}f4', f'{order}u2']
    kind = np.dtype(
        {'names': ['t', 'x', 'r'], 'formats': formats, 'offsets': [3, 11, 17], 'itemsize': 21}
    )
    points = np.zeros(3, kind)
    points['t'], points['x'] = [1e9 + 0.25, -1.0, np.nan], [1.5, -2.5, 3.5]
    points['r'] = [1, 2, 3]
    fields = (('r', 17, 4, 1), ('t', 3, 8, 1), ('x', 11, 7, 1))
    cdr = make.cloud(
        points.tobytes(), 3, step=21, fields=fields, big=big, big_points=big_points, frame_id='ä'
    )
    cloud = read_cloud(cdr)
    assert (cloud.header.frame_id, cloud.header.sec, cloud.header.nanosec) == ('ä', 7, 9)
    assert [field.name for field in cloud.fields] == ['r', 't', 'x']
    assert cloud.column(cloud.field('x')).tolist() == [1.5, -2.5, 3.5]
    assert cloud.column(cloud.field('r')).tolist() == [1, 2, 3]
    assert cloud.column(cloud.field('t'))[:2].tolist() == [1e9 + 0.25, -1.0]


def test_written_as_it_was_read() -> None:
    cdr = make.xyzi(np.arange(24), frame_id='odd')
    assert read_cloud(cdr).write() == cdr


def test_rows_may_be_padded_the_last_one_need_not_be() -> None:
    row = np.arange(8, dtype='<f4').tobytes()
    for data in (row + b'pad!' + row + b'pad!', row + b'pad!' + row):
        cloud = read_cloud(make.cloud(data, 2, 2, row_step=36))
        assert cloud.column(cloud.field('x')).tolist() == [0, 4, 0, 4]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for head in (b'\0\1\0\0', b'\0\0\0\0', b''):
        try:
            read_cloud(head + data)
        except ProtocolError:
            pass


def test_refusals() -> None:
    good = make.xyzi(np.arange(16))
    assert read_cloud(good).width == 4
    for bad in (
        b'',
        b'\0\1',
        good[:-20],
        good + bytes(8),
        b'\0\7' + good[2:],  # XCDR2
        make.xyzi(np.arange(16), width=5),
        make.xyzi(np.arange(16), width=2**31, row_step=16),
        make.xyzi(np.arange(16), height=2**32 - 1, width=2**32 - 1, row_step=0),
        make.xyzi(np.arange(16), row_step=3),
        make.cloud(b'', 0, step=16, fields=[('x', 13, 7, 1)]),
        make.cloud(b'', 0, step=16, fields=[('x', 0, 9, 1)]),
        make.cloud(b'', 0, step=16, fields=[('x', 0, 0, 1)]),
        make.cloud(b'', 0, step=16, fields=[('x', 0, 2, 0)]),
        make.cloud(b'', 0, step=16, fields=[('x', 0, 2, 2**30)]),
        make.cloud(b'', 2**31, step=0, row_step=0, fields=[]),
        make.cloud(b'', 0, fields=[('x', 0, 7, 1)] * 65),
    ):
        with pytest.raises(ProtocolError):
            read_cloud(bad)


def test_select_packs_and_aligns() -> None:
    cloud = read_cloud(make.xyzi(np.arange(12)))
    odd = replace(cloud.fields[3], offset=12, datatype=2)
    packed = cloud.select([odd, cloud.fields[0]])
    assert [(field.name, field.offset) for field in packed.fields] == [('intensity', 0), ('x', 4)]
    assert packed.point_step == 8
    assert packed.column(packed.fields[1]).tolist() == [0, 4, 8]
