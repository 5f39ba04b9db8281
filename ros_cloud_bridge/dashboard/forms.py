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
The JSON of one sample: flat, of stable types, and bounded.

A key has one type for ever. What JSON has no number for (NaN, infinities, whole numbers that a
double cannot hold) is left out, and so is what is not there: Grafana's MQTT source keeps a row per
message and fills what is missing, but takes a null for a value of the row before.
"""

import json
import math

from ros_cloud_bridge.dashboard.fields import MAX_NAME, Pairs
from ros_cloud_bridge.dashboard.reading import Value
from ros_cloud_bridge.values import DashboardForm

MAX_FIELDS = 128
MAX_TEXT = 256
MAX_BYTES = 16 * 1024
# So much of a double is shown: a tenth of a millimetre on a map, 11 mm on the globe.
_DIGITS = 10
# The greatest whole number up to which a double has all of them.
_EXACT = 1 << 53
_MS_NS = 1_000_000


def encode(pairs: Pairs, time_ns: int, form: DashboardForm, prefix: str = '') -> bytes:
    """
    Write a sample.

    :param pairs: keys and values, in their order; the first of a key counts
    :param time_ns: of its publication, nanoseconds since the Unix epoch
    :param form: how
    :param prefix: what keys begin with in the ThingsBoard form, in which a device has one set
    :returns: UTF-8, at most :data:`MAX_BYTES`
    """
    time_ms = time_ns // _MS_NS
    start = f'"{prefix}_' if prefix and form is DashboardForm.THINGSBOARD else '"'
    parts: list[str] = []
    seen = {'ts'} if form is DashboardForm.FLAT else set()
    left = MAX_BYTES - 64
    for name, value in pairs:
        shown = _shown(value)
        if shown is None or name in seen or not name or len(name) > MAX_NAME:
            continue
        seen.add(name)
        part = start + json.dumps(name, ensure_ascii=False)[1:] + ':' + shown
        left -= len(part.encode()) + 1
        if left < 0 or len(parts) >= MAX_FIELDS:
            break
        parts.append(part)
    body = ','.join(parts)
    if form is DashboardForm.THINGSBOARD:
        return f'{{"ts":{time_ms},"values":{{{body}}}}}'.encode()
    return f'{{"ts":{time_ms}{"," if body else ""}{body}}}'.encode()


def _shown(value: Value | None) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        cut = value if len(value) <= MAX_TEXT else value[: MAX_TEXT - 1] + '…'
        return json.dumps(cut, ensure_ascii=False)
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, int):
        return str(value) if abs(value) <= _EXACT else None
    # Rounded first: the greatest double has ten digits that none has.
    rounded = float(f'{value:.{_DIGITS}g}')
    # Without a negative zero.
    return repr(rounded + 0.0) if math.isfinite(rounded) else None
