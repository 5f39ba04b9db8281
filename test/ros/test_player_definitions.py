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

"""Definitions are compared by members alone."""

from pathlib import Path

from mcap.reader import make_reader
import pytest

from ros_cloud_bridge.errors import MissingTypeSupport
from ros_cloud_bridge.ros.interfaces import load_message, schema_of
from ros_cloud_bridge.ros.player.definitions import same_members

HEADER = '=' * 80 + '\nMSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id\n'


def test_comments_constants_and_defaults_do_not_matter() -> None:
    plain = 'std_msgs/Header header\nfloat32 range\n' + HEADER
    dressed = (
        '# A range.\nuint8 SONAR=0\nstring NAME = "a=b"\nstd_msgs/msg/Header header # when\n\n'
        'float32 range 1.5\n' + HEADER
    )
    assert same_members(plain, dressed)


@pytest.mark.parametrize(
    'other',
    [
        'std_msgs/Header header\nfloat32 range\nfloat32 variance\n' + HEADER,
        'std_msgs/Header header\nfloat64 range\n' + HEADER,
        'float32 range\nstd_msgs/Header header\n' + HEADER,
        'std_msgs/Header header\nfloat32 range\n' + HEADER.replace('frame_id', 'frame'),
    ],
)
def test_members_matter(other: str) -> None:
    assert not same_members('std_msgs/Header header\nfloat32 range\n' + HEADER, other)


def test_real_recordings_differ_only_where_ros_changed(recordings: Path) -> None:
    differing = set()
    compared = 0
    for path in sorted(recordings.glob('*.mcap')):
        with path.open('rb') as file:
            summary = make_reader(file).get_summary()
        assert summary is not None
        for schema in summary.schemas.values():
            try:
                installed = schema_of(load_message(schema.name))
            except MissingTypeSupport:
                continue
            compared += 1
            if not same_members(schema.data.decode(), installed.definition):
                differing.add(schema.name)
    assert compared >= 10
    # Range has gained its member 'variance' after these were recorded.
    assert differing == {'sensor_msgs/msg/Range'}
