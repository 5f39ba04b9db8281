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

"""Diagnostics: one JSON object per status, on a topic of its own."""

from collections.abc import Iterator
import math

from ros_cloud_bridge.dashboard.fields import Pairs
from ros_cloud_bridge.dashboard.reading import Reading, Value
from ros_cloud_bridge.dashboard.sensors import key_of

ARRAY = 'diagnostic_msgs/msg/DiagnosticArray'
STATUS = 'diagnostic_msgs/msg/DiagnosticStatus'
# Of one message.
MOST_STATUSES = 64
_LEVELS = ('ok', 'warn', 'error', 'stale')


def needs_all(type_name: str) -> bool:
    """
    Tell whether a message of a type does not say all that the one before it said.

    :param type_name: as in ``sensor_msgs/msg/Imu``
    :returns: whether each has to be looked at, for each may be about something else
    """
    return type_name in (ARRAY, STATUS)


def statuses(reading: Reading, prefix: str) -> Iterator[tuple[str, Pairs]]:
    """
    Take a message apart.

    :param reading: a DiagnosticArray, or a DiagnosticStatus
    :param prefix: of its statuses: ``status.``, or empty
    :returns: name, and keys and values, of each status
    """
    found: list[dict[str, Value]] = []
    key = ''
    for path, value in reading.in_order():
        if not path.startswith(prefix):
            continue
        name = path.removeprefix(prefix)
        if name == 'level':
            if len(found) >= MOST_STATUSES:
                break
            found.append({'level': value, 'level_name': _level(value)})
        elif found and name in ('name', 'message', 'hardware_id'):
            found[-1][name] = value
        elif found and name == 'values.key':
            key = key_of(str(value))
        elif found and name == 'values.value' and key:
            name, value = _typed(f'value_{key}', str(value))
            found[-1].setdefault(name, value)
    for status in found:
        yield str(status.get('name', '')), tuple(status.items())


def _level(value: Value) -> str:
    level = int(value)
    return _LEVELS[level] if 0 <= level < len(_LEVELS) else str(level)


def _typed(name: str, value: str) -> tuple[str, Value]:
    """
    Give a value's number where it is one, else its text under another key.

    Diagnostics know texts alone; a key must keep its type, whatever the robot writes there next.
    """
    try:
        parsed = float(value)
    except ValueError:
        parsed = math.nan
    if math.isfinite(parsed):
        return name, parsed
    return f'{name}_text', value
