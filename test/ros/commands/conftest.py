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

"""Servers in this process, and actuators that know them."""

from collections.abc import Iterator
import os
import threading

import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('test_msgs')
from rclpy.context import Context  # noqa: E402
from rclpy.executors import MultiThreadedExecutor  # noqa: E402

from support.actuator_rig import Rig  # noqa: E402
from support.command_servers import CommandServers  # noqa: E402


@pytest.fixture(scope='module')
def servers() -> Iterator[CommandServers]:
    context = Context()
    rclpy.init(context=context)
    node = CommandServers(f'servers_{os.getpid()}', context)
    executor = MultiThreadedExecutor(num_threads=8, context=context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    yield node
    node.stopping.set()
    executor.shutdown()
    thread.join()
    node.destroy_node()
    context.try_shutdown()


@pytest.fixture(scope='module')
def shared(servers: CommandServers) -> Iterator[Rig]:
    rig = Rig(servers.get_name())
    rig.wait_for_servers()
    yield rig
    rig.close()


@pytest.fixture
def rig(servers: CommandServers) -> Iterator[Rig]:
    rig = Rig(servers.get_name())
    rig.wait_for_servers()
    yield rig
    rig.close()
