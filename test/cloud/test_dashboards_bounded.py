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

"""Dashboards in the cloud, told the time: what waits is bounded."""

from typing import Any

from ros_cloud_bridge.cloud.dashboard import Dashboards, Target
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.dashboard.painter import Settings

_MIB = bytes(1024 * 1024)


def _never(*values: object) -> Any:
    raise AssertionError(f'asked for {values}')


def sample(route: int, type_name: str, sequence: int = 1) -> Sample:
    return Sample(
        robot_id='r',
        topic=f'/t{route}',
        type_name=type_name,
        cdr=_MIB,
        source_time_ns=0,
        receive_time_ns=0,
        sent_time_ns=0,
        sequence=sequence,
        stream='s',
        historical=False,
        latched=False,
        boot_id='0' * 16,
        route=route,
        schema_id='0' * 16,
        _decode=_never,
        _schema=_never,
    )


def test_what_waits_is_bounded_in_bytes() -> None:
    target = Target(root='rcb/v1', period_s=1.0, settings=Settings())
    dashboards = Dashboards(target, lambda robot_id, stream: False, _never)
    for route in range(200):
        dashboards.take(sample(route, 'sensor_msgs/msg/Image'), 0.0)
    assert dashboards.given_up == 200 - 128
    # Each of these may be about something else, so each waits.
    for sequence in range(1, 101):
        dashboards.take(sample(200, 'diagnostic_msgs/msg/DiagnosticArray', sequence), 0.0)
    assert dashboards.given_up == 200 - 128 + 100 - 32
