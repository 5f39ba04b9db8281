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

"""A message's fields as a list, by an independent decoder: what reducers' tests compare."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from support.random_messages import STORE


def has_wide_text(type_name: str) -> bool:
    """
    Tell whether the decoder cannot read a type.

    :param type_name: as in ``sensor_msgs/msg/Imu``
    :returns: whether it has wide strings
    """
    return any(_wide(description) for _, description in STORE.fielddefs[type_name][1])


def _wide(description: Any) -> bool:
    kind, details = description
    if kind.name == 'BASE':
        return bool(details[0] == 'wstring')
    return has_wide_text(details) if kind.name == 'NAME' else _wide(details[0])


def fields(type_name: str, cdr: bytes) -> list[tuple[str, Any]]:
    """
    Decode a message.

    :param type_name: its type
    :param cdr: the message
    :returns: path and value of each field that holds values itself; members of an array have the
        same path, and a sequence is told by its length before them
    """
    return list(_walk(type_name, STORE.deserialize_cdr(cdr, type_name), ''))


def _walk(type_name: str, message: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, description in STORE.fielddefs[type_name][1]:
        yield from _field(description, getattr(message, name), prefix + name)


def _field(description: Any, value: Any, path: str) -> Iterator[tuple[str, Any]]:
    kind, details = description
    if kind.name == 'NAME':
        yield from _walk(details, value, f'{path}.')
    elif kind.name == 'BASE':
        yield path, value
    else:
        element = details[0]
        if kind.name == 'SEQUENCE':
            yield f'{path}#', len(value)
        for one in value:
            yield from _field(element, one, path)


def is_float(type_name: str) -> dict[str, int]:
    """
    Find the floating-point fields of a type.

    :param type_name: the type
    :returns: bytes of a number by path
    """
    found: dict[str, int] = {}

    def visit(name: str, prefix: str) -> None:
        for member, description in STORE.fielddefs[name][1]:
            kind, details = description
            while kind.name in ('ARRAY', 'SEQUENCE'):
                kind, details = details[0]
            if kind.name == 'NAME':
                visit(details, f'{prefix}{member}.')
            elif details[0] in ('float32', 'float64'):
                found[prefix + member] = int(details[0][5:]) // 8

    visit(type_name, '')
    return found


def same(one: Any, other: Any) -> bool:
    """
    Compare two values bit by bit.

    :param one: a value
    :param other: a value
    :returns: whether they are the same, NaN and signs of zeros included
    """
    if isinstance(one, (float, np.floating)):
        return bool(np.float64(one).tobytes() == np.float64(other).tobytes())
    return bool(one == other)
