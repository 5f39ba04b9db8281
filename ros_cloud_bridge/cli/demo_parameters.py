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

"""What the bridge of a demonstration sends: every topic of the rover, the large ones reduced."""

from collections.abc import Mapping
import json
import sys

from ros_cloud_bridge.reducers.registry import check

# By topic; together they show every reducer at work. Levels and options: docs/reducers.md.
REDUCED: Mapping[str, str] = {
    '/imu/data': 'aggregate n=5 | precision | stamps',
    '/odom': 'select drop=*covariance | precision',
    '/tf': 'tf_motion',
    '/odom_transform': 'tf_motion',
    '/map_transform': 'tf_motion metres=0.05 radians=0.02',
    '/fix': 'precision',
    '/battery_state': 'deadband by=0.1 | precision',
    '/diagnostics': 'deadband fields=status.level,status.message',
    '/scan': 'stamps | laser_quantize',
    '/explored': 'grid_diff',
    '/camera/image_raw': 'jpeg bytes=6000',
    '/camera/image_mono': 'webp quality=60 every=5',
    '/camera/depth/image_raw': 'depth resolution=0.01',
    '/camera/depth/points': (
        'cloud_crop range=0.5,6 | cloud_voxel leaf=0.05 point=first | cloud_fields drop=intensity '
        '| cloud_quantize resolution=0.005'
    ),
}

# Every topic, nothing thinned but by reducers: whatever they give is promised.
_HEAD = """\
/**:
  ros__parameters:
    robot_id: {robot}
    mqtt: {{host: 127.0.0.1, port: {port}}}
    discovery: {{period_s: 0.2}}
    health_period_s: 1.0
    diagnostics_period_s: 0.0
    streams: [{streams}]
    stream:
"""
_REDUCED = """\
      {stream}: {{topics: [{topic}], keep: fifo, max_samples: 20000, reducer: {reducer}}}
"""
_REST = """\
      all: {topics: ["re:/.*"], deny: [/parameter_events], keep: fifo, max_samples: 20000}
"""


def usable(reducers: Mapping[str, str]) -> dict[str, str]:
    """
    Leave out the reducers that this machine lacks a library for, and say so.

    :param reducers: by topic
    :returns: the others
    """
    found = {}
    for topic, text in reducers.items():
        wrong = check(text)
        if wrong:
            print(f'{topic} goes out as it is: {wrong}', file=sys.stderr)
        else:
            found[topic] = text
    return found


def bridge_parameters(robot_id: str, port: int, reducers: Mapping[str, str]) -> str:
    """
    Write the bridge's configuration.

    :param robot_id: the robot
    :param port: the broker's, on this machine
    :param reducers: by topic; each gets a stream of its own
    :returns: YAML
    """
    streams = {topic[1:].replace('/', '_'): topic for topic in reducers}
    text = _HEAD.format(robot=robot_id, port=port, streams=', '.join([*streams, 'all']))
    for stream, topic in streams.items():
        # JSON's quotes keep what looks like YAML.
        reducer = json.dumps(reducers[topic])
        text += _REDUCED.format(stream=stream, topic=topic, reducer=reducer)
    return text + _REST
