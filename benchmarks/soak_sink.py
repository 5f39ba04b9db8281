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

"""
Child of a soak: the fault scenarios' consumer, which leaves aside what is not durable.

Run with the JSON of support.fault_sink, and ``streams``: the durable ones.
"""

import json
import sys
from typing import Any

from ros_cloud_bridge.cloud.sample import Sample
from support.fault_sink import Sink


class SoakSink(Sink):
    """
    Writes down durable samples alone; of others the next one is as good.

    :param options: as in the module's text
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self._streams = frozenset(options['streams'])
        super().__init__(options)

    def _take(self, sample: Sample) -> None:
        if sample.stream in self._streams:
            super()._take(sample)


if __name__ == '__main__':
    SoakSink(json.loads(sys.argv[1])).run()
