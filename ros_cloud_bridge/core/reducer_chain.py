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
How a chain of reducers is written: ``cloud_crop range=1,20 | cloud_voxel leaf=0.1``.

Names and options in words, separated by blanks; ``|`` hands on to the next. What names and options
there are the registry of ``reducers/`` knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
import re

MAX_CHAIN = 8
MAX_TEXT = 512
_NAME = re.compile(r'[a-z][a-z0-9_]*')
_VALUE = re.compile(r'[!-{}~]+')


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStep:
    """One reducer of a chain, as it was written."""

    name: str
    options: Mapping[str, str]


def parse_chain(text: str) -> tuple[ChainStep, ...]:
    """
    Read a chain.

    :param text: what the user wrote; empty for no reducer
    :returns: its steps
    :raises ValueError: says in one line what is wrong
    """
    if not text.strip():
        return ()
    if len(text) > MAX_TEXT:
        raise ValueError(f'has {len(text)} characters; at most {MAX_TEXT} are read')
    parts = text.split('|')
    if len(parts) > MAX_CHAIN:
        raise ValueError(f'chains {len(parts)} reducers; at most {MAX_CHAIN} are taken')
    return tuple(_step(part.split()) for part in parts)


def _step(words: list[str]) -> ChainStep:
    if not words:
        raise ValueError("has an empty place; write reducers as in 'stamps | laser_quantize'")
    name, *rest = words
    if not _NAME.fullmatch(name):
        raise ValueError(f'{name!r} is no name of a reducer')
    options: dict[str, str] = {}
    for word in rest:
        option, equals, value = word.partition('=')
        if not equals or not _NAME.fullmatch(option) or not _VALUE.fullmatch(value):
            raise ValueError(f'{word!r} is no option of {name}; write name=value without blanks')
        if option in options:
            raise ValueError(f'{option} is given twice to {name}')
        options[option] = value
    return ChainStep(name=name, options=options)


def chain_problem(text: str) -> str:
    """
    Say what is wrong with how a chain is written.

    :param text: what the user wrote
    :returns: one line, empty when nothing is
    """
    try:
        parse_chain(text)
    except ValueError as error:
        return f'cannot be read: {error}'
    return ''
