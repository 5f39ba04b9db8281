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

"""How a benchmark's process talks with its children: JSON lines on standard input and output."""

from collections.abc import Callable, Mapping
import json
import sys
from typing import Any

Answer = Mapping[str, Any]


def serve(handlers: Mapping[str, Callable[..., Answer]]) -> None:
    """
    Say that this child is ready, then answer commands until standard input ends.

    :param handlers: what to call for which command, with the command's other fields by name
    """
    _say({'ready': True})
    for line in sys.stdin:
        command = json.loads(line)
        _say(handlers[command.pop('do')](**command))


def _say(answer: Answer) -> None:
    sys.stdout.write(json.dumps(answer) + '\n')
    sys.stdout.flush()


def percentile(values: list[float], share: float) -> float | None:
    """
    Give a percentile.

    :param values: in any order
    :param share: 0 to 1
    :returns: the value of that rank; None when there are none
    """
    if not values:
        return None
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
