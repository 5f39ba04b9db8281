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

"""Numbers in a few characters, for the columns of ``top``."""

_HOLE = '-'
_PREFIXES = ('', 'k', 'M', 'G', 'T', 'P', 'E')
_SPANS = ((86400.0, 'd'), (3600.0, 'h'), (60.0, 'min'))


def amount(value: float) -> str:
    """
    Write a number with three digits or so.

    :param value: from 0 on
    :returns: as in ``0.25``, ``9.8``, ``312``, ``1234``, ``31.2k``
    """
    if value < 9999.5:
        if value >= 99.95 or value == int(value):
            return f'{value:.0f}'
        return f'{value:.1f}' if value >= 0.95 else f'{value:.2g}'
    return _scaled(value)


def rate(value: float) -> str:
    """
    Write how often something happens; steady rates keep their width.

    :param value: per second
    :returns: as in ``0.25``, ``5.0``, ``312``
    """
    return f'{value:.1f}' if 0.95 <= value < 99.95 else amount(value)


def byte_count(value: float | None) -> str:
    """
    Write a number of bytes.

    :param value: bytes, or None
    :returns: as in ``940 B``, ``31.2 kB``; a hyphen for None
    """
    if value is None:
        return _HOLE
    number = _scaled(value) if value >= 999.5 else f'{value:.0f}'
    prefix = number[-1] if number[-1].isalpha() else ''
    return f'{number.removesuffix(prefix)} {prefix}B'


def seconds(value: float | None) -> str:
    """
    Write a span of time.

    :param value: seconds from 0 on, or None
    :returns: as in ``0.4 ms``, ``24 ms``, ``1.2 s``, ``45 s``, ``3 min``, ``12 d``; a hyphen for
        None
    """
    if value is None:
        return _HOLE
    if value < 0.9995:
        return (
            f'{value * 1e3:.0f} ms' if value >= 0.00095 or not value else f'{value * 1e3:.1f} ms'
        )
    if value < 9.95:
        return f'{value:.1f} s'
    for unit_s, name in _SPANS:
        if value >= 2.0 * unit_s:
            return f'{value / unit_s:.0f} {name}'
    return f'{value:.0f} s'


def _scaled(value: float) -> str:
    for prefix in _PREFIXES:
        if value < 999.5:
            return f'{value:.1f}{prefix}' if value < 99.95 else f'{value:.0f}{prefix}'
        value /= 1e3
    return f'{value:.0f}Z'
