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

"""Text tables, and the facts about a machine that figures are read with."""

from collections.abc import Sequence
import os
import platform


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """
    Lay out a table: the first column to the left, the others to the right.

    :param heads: column heads
    :param rows: as many cells each
    :returns: lines
    """
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return '  '.join((first, *rest)).rstrip()

    return '\n'.join([line(heads), line(['-' * width for width in widths]), *map(line, rows)])


def number(value: float | None, digits: int = 0) -> str:
    """
    Write a number, or a dash for none.

    :param value: the number
    :param digits: behind the point
    :returns: text with thousands separated
    """
    return '-' if value is None else f'{value:,.{digits}f}'


def ratio(value: float | None, reference: float | None) -> str:
    """
    Write a ratio, or a dash where there is none.

    :param value: the measured one
    :param reference: what it is held against
    :returns: as in ``0.83 x``
    """
    return '-' if value is None or not reference else f'{value / reference:.2f} x'


def machine() -> dict[str, object]:
    """
    Describe the machine as far as figures depend on it.

    :returns: JSON-able facts
    """
    return {
        'processor': _processor(),
        'cores': len(os.sched_getaffinity(0)),
        'python': platform.python_version(),
        'kernel': platform.release(),
        'ros_distro': os.environ.get('ROS_DISTRO', ''),
        'rmw': os.environ.get('RMW_IMPLEMENTATION', 'default'),
    }


def _processor() -> str:
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as lines:
            for text in lines:
                if text.startswith('model name'):
                    return text.partition(':')[2].strip()
    except OSError:
        pass
    return platform.machine()
