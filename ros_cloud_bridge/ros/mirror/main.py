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

"""The executable ``mirror``: hosts the mirror until SIGINT or SIGTERM."""

from collections.abc import Sequence
import sys

from ros_cloud_bridge.ros.hosting import run_nodes
from ros_cloud_bridge.ros.mirror.node import MirrorNode


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the mirror.

    :param argv: arguments, ``--ros-args`` included; those of the process when left out
    :returns: 0 after SIGINT or SIGTERM, 2 when the configuration cannot be used
    """
    return run_nodes('mirror', argv, lambda: [MirrorNode()])


if __name__ == '__main__':
    sys.exit(main())
