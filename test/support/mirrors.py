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

"""A mirror in a process of its own, in a graph of its own."""

from collections.abc import Mapping
import os

from .bridge_process import BridgeProcess
from .robots import Place


def other_domain() -> int:
    """
    Choose a second graph for a test process.

    :returns: a domain id that no other process of the tests has for its own (see conftest.py)
    """
    return 18 + (int(os.environ['ROS_DOMAIN_ID']) - 60) % 42


def mirror(
    broker: Place, domain_id: int, further: Mapping[str, object] | None = None, *arguments: str
) -> BridgeProcess:
    """
    Start a mirror.

    :param broker: where robots are
    :param domain_id: into which graph they are mirrored
    :param further: parameters
    :param arguments: of the command line
    :returns: the process
    """
    return BridgeProcess(
        {
            'mqtt': {'host': broker.host, 'port': broker.port},
            'graph_period_s': 0.1,
            'diagnostics_period_s': 0.2,
            **(further or {}),
        },
        command=('-m', 'ros_cloud_bridge', 'mirror'),
        environment={'ROS_DOMAIN_ID': str(domain_id)},
        arguments=arguments,
    )
