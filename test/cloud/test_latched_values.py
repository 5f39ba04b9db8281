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

"""What is kept of latched topics for the next file: the newest, within bounds."""

import pytest

pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from ros_cloud_bridge.cloud.latched_values import LatchedValues  # noqa: E402
from ros_cloud_bridge.cloud.sample import Sample  # noqa: E402
from support.samples import make_sample  # noqa: E402


def sample(sequence: int, topic: str = '/map', robot_id: str = 'amr-07', size: int = 10) -> Sample:
    return make_sample(
        bytes(size), sequence, topic=topic, robot_id=robot_id, route=len(topic), latched=True
    )


def held(values: LatchedValues, robot_id: str = 'amr-07') -> list[tuple[str, int]]:
    return [(one.topic, one.sequence) for one in values.of(robot_id)]


def test_of_each_topic_so_many_as_a_late_joiner_gets() -> None:
    values = LatchedValues()
    for number in range(1, 5):
        values.add(sample(number), 1)
        values.add(sample(number, '/frames'), 3)
        values.add(sample(number, robot_id='other'), 2)
    assert held(values) == [('/frames', 2), ('/frames', 3), ('/map', 4), ('/frames', 4)]
    assert held(values, 'other') == [('/map', 3), ('/map', 4)]
    assert held(values, 'nobody') == []
    # What comes again is the same.
    values.add(sample(4), 1)
    assert held(values).count(('/map', 4)) == 1


def test_memory_is_bounded_by_robot_and_over_all() -> None:
    values = LatchedValues()
    for number in range(1, 1001):
        values.add(sample(number, '/frames'), 100_000)
    assert len(values.of('amr-07')) == 256
    million = 1024 * 1024
    for number in range(40):
        values.add(sample(number, f'/map{number}', size=million), 1)
    assert sum(len(one.cdr) for one in values.of('amr-07')) <= 16 * million
    assert held(values)[-1] == ('/map39', 39)
    for number in range(20):
        for part in range(16):
            one = sample(part + 1, f'/map{part}', f'amr-{number}', size=million)
            values.add(one, 1)
    kept = [number for number in range(20) if values.of(f'amr-{number}')]
    assert kept == list(range(4, 20))
