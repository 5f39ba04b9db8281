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

"""What tests of the whole bridge share: a broker and a graph per module, and robots by name."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
import uuid

import pytest

from support.broker import Broker

if TYPE_CHECKING:  # else a machine without ROS could not even skip the tests
    from support.graph import Graph


@pytest.fixture(scope='module')
def broker() -> Iterator[Broker]:
    """
    Start a broker.

    :returns: one that lasts for the module
    """
    with Broker(['max_queued_messages 0']) as running:
        yield running


@pytest.fixture(scope='module')
def graph() -> 'Iterator[Graph]':
    """
    Join the graph.

    :returns: a node that lasts for the module
    """
    from support.graph import Graph

    joined = Graph()
    yield joined
    joined.close()


@pytest.fixture
def robot_id() -> str:
    """
    Name a robot.

    :returns: an id that no other test has
    """
    return f'robot-{uuid.uuid4().hex[:12]}'
