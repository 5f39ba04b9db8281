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

"""Types with ``wstring`` members, which rosbags neither parses from ``.msg`` text nor decodes."""

from collections.abc import Mapping
import re
from typing import Any

from ros_cloud_bridge.wire.schema import Field, Message, rihs01, Shape

_WIDE_LINE = re.compile(
    r'^[ \t]*wstring(?P<shape>(?:<=\d+)?(?:\[[^\]\n]*\])?)[ \t]+(?P<name>[A-Za-z]\w*)',
    re.MULTILINE | re.ASCII,
)


def narrow(text: str) -> tuple[str, frozenset[str]]:
    """
    Write ``string`` where a definition says ``wstring``, so that it can be parsed.

    :param text: definition of one type
    :returns: the changed definition, and the names of the members that were changed
    """
    names = frozenset(match['name'] for match in _WIDE_LINE.finditer(text))
    return _WIDE_LINE.sub(r'string\g<shape> \g<name>', text) if names else text, names


def hash_with_wide_text(
    types: Mapping[str, Any], wide: Mapping[str, frozenset[str]], root: str
) -> str:
    """
    Compute the RIHS01 hash of a type that was parsed with :func:`narrow`'s help.

    :param types: rosbags' description by type name: constants, and fields as (name, description)
    :param wide: names of the members that have wide strings, by type name
    :param root: full name of the type
    :returns: ``RIHS01_`` and 64 hexadecimal digits
    """
    messages = {
        name: Message(
            name=name,
            fields=tuple(
                _field(member, description, wide=member in wide.get(name, ()))
                for member, description in members
            ),
        )
        for name, (_, members) in types.items()
    }
    return rihs01(messages, root)


def _field(name: str, description: Any, *, wide: bool) -> Field:
    kind, details = description
    shape, size = Shape.SINGLE, 0
    if kind.name in ('ARRAY', 'SEQUENCE'):
        (inner, details), size = details
        if kind.name == 'ARRAY':
            shape = Shape.ARRAY
        else:
            shape = Shape.BOUNDED_SEQUENCE if size else Shape.UNBOUNDED_SEQUENCE
        kind = inner
    if kind.name == 'NAME':
        return Field(name=name, type_name=details, shape=shape, size=size)
    base, bound = details
    return Field(
        name=name,
        type_name='wstring' if wide else base,
        shape=shape,
        size=size,
        string_bound=bound,
    )
