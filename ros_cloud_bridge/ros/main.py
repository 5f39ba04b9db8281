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

"""The executable ``bridge``: hosts the bridge's nodes until SIGINT or SIGTERM."""

from collections.abc import Sequence
from pathlib import Path
import sys

from rclpy.lifecycle import LifecycleNode

from ros_cloud_bridge.journal import Journal
from ros_cloud_bridge.ros.hosting import run_nodes
from ros_cloud_bridge.ros.uplink import UplinkNode


def main(argv: Sequence[str] | None = None, journal_file: Path | None = None) -> int:
    """
    Run the bridge.

    :param argv: arguments, ``--ros-args`` included; those of the process when left out
    :param journal_file: where to note every accepted sample, if not None
    :returns: 0 after SIGINT or SIGTERM, 2 when the configuration cannot be used
    """
    journal = None if journal_file is None else Journal(journal_file)
    try:
        return run_nodes('bridge', argv, lambda: _nodes(journal))
    finally:
        if journal is not None:
            journal.close()


def _nodes(journal: Journal | None) -> list[LifecycleNode]:
    uplink = UplinkNode(journal)
    nodes: list[LifecycleNode] = [uplink]
    if uplink.get_parameter_or('commands').value:
        # Another node in the graph costs something: there is none where nobody commands anything.
        from ros_cloud_bridge.ros.commands.node import CommandNode

        nodes.append(CommandNode(uplink))
    return nodes


if __name__ == '__main__':
    sys.exit(main())
