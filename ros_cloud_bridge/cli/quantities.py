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

"""Times, spans and sizes as they stand in arguments."""

import argparse
from collections.abc import Mapping
from datetime import datetime, timezone
import re
import time

SECONDS = {'s': 1, 'min': 60, 'h': 3600, 'd': 86400}
BYTES = {'kB': 10**3, 'MB': 10**6, 'GB': 10**9, 'TB': 10**12}
_QUANTITY = re.compile(r'(\d+(?:\.\d+)?)([A-Za-z]+)')


def quantity(text: str, units: Mapping[str, int]) -> float | None:
    """
    Read a number with its unit.

    :param text: as in ``10min``
    :param units: what each is worth
    :returns: above 0, in what units are worth; None when it is no such number
    """
    found = _QUANTITY.fullmatch(text)
    if found is None or found[2] not in units or float(found[1]) <= 0.0:
        return None
    return float(found[1]) * units[found[2]]


def moment_ns(text: str) -> int:
    """
    Read a time.

    :param text: ISO 8601, UTC unless it says otherwise; Unix seconds; or how long ago (``10min``)
    :returns: nanoseconds since the Unix epoch
    :raises argparse.ArgumentTypeError: says what is allowed
    """
    try:
        ago_s = quantity(text, SECONDS)
        if ago_s is not None:
            return time.time_ns() - round(ago_s * 1e9)
        if re.fullmatch(r'\d+(\.\d+)?', text):
            seconds, _, rest = text.partition('.')
            return int(seconds) * 10**9 + int((rest + '0' * 9)[:9])
        # Python 3.10 knows no Z.
        when = datetime.fromisoformat(text.removesuffix('Z') + '+00:00' * text.endswith('Z'))
        if when.tzinfo is None:
            when = when.replace(tzinfo=timezone.utc)
        return int(when.timestamp()) * 10**9 + when.microsecond * 1000
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f'must be a time such as 2026-07-01T12:00:00, or how long ago (10min), not {text!r}'
        ) from None
