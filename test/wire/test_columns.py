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

"""Columns: every int64 column survives."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.wire.columns import decode_column, encode_column

LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1
integers = st.one_of(
    st.integers(LOWEST, HIGHEST), st.integers(-300, 300), st.sampled_from([LOWEST, HIGHEST])
)


@given(st.lists(integers, min_size=1, max_size=300))
def test_round_trip(values: list[int]) -> None:
    low, width, planes = encode_column(np.array(values, dtype=np.int64))
    assert low == min(values)
    assert len(planes) == width * len(values)
    assert decode_column(low, width, memoryview(planes), len(values)).tolist() == values


@pytest.mark.parametrize(
    ('values', 'width'),
    [
        ([7, 7, 7], 0),
        ([0, 255], 1),
        ([-1, 255], 2),
        ([5, 5 + 65535], 2),
        ([0, 1 << 24], 4),
        ([LOWEST, HIGHEST], 8),
    ],
)
def test_width_is_the_least_that_holds_the_spread(values: list[int], width: int) -> None:
    assert encode_column(np.array(values, dtype=np.int64))[1] == width


def test_planes_are_least_significant_first() -> None:
    low, width, planes = encode_column(np.array([0x10, 0x0210, 0x0312], dtype=np.int64))
    assert (low, width, planes) == (0x10, 2, bytes([0, 0, 2, 0, 2, 3]))


@pytest.mark.parametrize(
    ('low', 'width', 'size', 'count'),
    [(0, 9, 9, 1), (0, -1, 0, 1), (0, 2, 3, 2), (0, 0, 1, 1), (1 << 63, 0, 0, 1), (0, 1, 0, 1)],
)
def test_parts_that_do_not_fit_are_refused(low: int, width: int, size: int, count: int) -> None:
    with pytest.raises(ProtocolError):
        decode_column(low, width, memoryview(bytes(size)), count)
