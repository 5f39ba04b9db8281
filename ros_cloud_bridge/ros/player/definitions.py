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

"""Compare message definitions by what their serialized form depends on: types and their order."""

import re

_SEPARATOR = re.compile(r'^={80}\n', re.MULTILINE)


def same_members(one: str, other: str) -> bool:
    """
    Tell whether two ``ros2msg`` texts serialize alike.

    :param one: complete definition
    :param other: complete definition
    :returns: whether every type has the same members in the same order, comments, constants and
        defaults aside
    """
    return _members(one) == _members(other)


def _members(text: str) -> dict[str, list[tuple[str, str]]]:
    members = {}
    for index, part in enumerate(_SEPARATOR.split(text)):
        name, _, body = ('', '', part) if index == 0 else part.partition('\n')
        name = name.removeprefix('MSG:').strip().replace('/msg/', '/')
        package = name.partition('/')[0]
        members[name] = [
            (_full(words[0], package), words[1])
            for line in body.splitlines()
            if len(words := line.partition('#')[0].split(None, 2)) >= 2 and not _is_constant(words)
        ]
    return members


def _is_constant(words: list[str]) -> bool:
    # A default may hold a '=' in its text; a constant has it right behind its name.
    return '=' in words[1] or (len(words) > 2 and words[2].startswith('='))


def _full(type_name: str, package: str) -> str:
    name = type_name.replace('/msg/', '/')
    is_short = name[:1].isupper() and '/' not in name
    return f'{package}/{name}' if is_short and package else name
