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
A ROS parameter file as rcl reads it, without ROS.

rcl's rules differ from YAML 1.1's in places (``1e3`` is a number, ``y`` is true, ``~`` is text,
empty sections and aliases are refused), so scalars are judged here as rcl does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
import math
from pathlib import Path
import re

import yaml

from ros_cloud_bridge.errors import ConfigError

NODE = 'uplink'
PARAMETERS = 'ros__parameters'
_TRUE = frozenset('Y y yes Yes YES true True TRUE on On ON'.split())
_FALSE = frozenset('N n no No NO false False FALSE off Off OFF'.split())
_INTEGER = re.compile(r'[+-]?(0[xX][0-9a-fA-F]+|[0-9]+)')
_NUMBER = re.compile(r'[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?')
_SPECIAL = re.compile(r'(\.nan|\.NaN|\.NAN|[+-]?(\.inf|\.Inf|\.INF))')
_SECTION = re.compile(r'(/(\*\*|\*|[A-Za-z0-9_]+))+')
_STRING_TAG = 'tag:yaml.org,2002:str'
_MERGE_TAG = 'tag:yaml.org,2002:merge'


@dataclass(slots=True)
class ParameterFile:
    """What a file gives to which nodes; ``problems`` are those that ROS trips over or hides."""

    sections: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    problems: list[ConfigError] = field(default_factory=list)

    def nodes(self) -> tuple[str, ...]:
        """
        Tell which nodes of ours the file names in full.

        :returns: absolute node names; empty when only wildcards reach our node
        """
        names = (name for name, _ in self.sections if '*' not in name)
        return tuple(dict.fromkeys(name for name in names if _last(name) == NODE))

    def flat(self, node: str = '') -> dict[str, object]:
        """
        Merge what a node gets; later sections win, as in ROS.

        :param node: absolute node name; empty for our node in whatever namespace
        :returns: dotted parameter name to value; None is an empty list
        :raises ConfigError: when no section reaches the node
        """
        merged: dict[str, object] = {}
        found = False
        for section, parameters in self.sections:
            if _reaches(section, node):
                found = True
                merged.update(parameters)
        if not found:
            there = ', '.join(section for section, _ in self.sections) or 'none'
            raise ConfigError(
                node or NODE, f'no section is for this node; sections are: {there}; write /**:'
            )
        return merged


def read_file(path: Path) -> ParameterFile:
    """
    Read a parameter file.

    :param path: YAML file
    :returns: its sections and what is wrong with them
    :raises ConfigError: when it cannot be read or is no YAML; names line and column
    """
    try:
        return parse(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise ConfigError('file', f'cannot be read: {error.strerror}') from None
    except UnicodeDecodeError:
        raise ConfigError('file', 'cannot be read: is no UTF-8 text') from None


def load_file(path: Path, node: str = '') -> dict[str, object]:
    """
    Read what a parameter file gives to our node.

    :param path: YAML file
    :param node: absolute node name; empty for our node in whatever namespace
    :returns: dotted parameter name to value; None is an empty list
    :raises ConfigError: for the first problem
    """
    file = read_file(path)
    if file.problems:
        raise file.problems[0]
    return file.flat(node)


def parse(text: str) -> ParameterFile:
    """
    Parse the text of a parameter file.

    :param text: YAML
    :returns: its sections and what is wrong with them
    :raises ConfigError: when it is no YAML; names line and column
    """
    file = ParameterFile()
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise _at(event.start_mark, 'ROS reads no aliases (*name); write the value out')
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _at(mark, f'is no valid YAML: {error.problem}') from None
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise ConfigError('file', f'is no valid YAML: {reason}') from None
    except RecursionError:
        raise ConfigError('file', 'is no valid YAML: nested too deep') from None
    if root is None:
        raise ConfigError('file', f'is empty; must hold /**: {PARAMETERS}: and the keys')
    _read_sections(root, '', file)
    return file


def _read_sections(node: yaml.Node, name: str, file: ParameterFile) -> None:
    """Walk down namespaces and node names until the parameters begin."""
    if not isinstance(node, yaml.MappingNode):
        place = name or 'the file'
        file.problems.append(
            _at(node.start_mark, f'{place} stands outside {PARAMETERS}; write /**: first')
        )
        return
    for key, value in _items(node, file):
        if key != PARAMETERS:
            _read_sections(value, f'{name}/{key.strip("/")}', file)
            continue
        parameters: dict[str, object] = {}
        if not _SECTION.fullmatch(name):
            file.problems.append(_at(node.start_mark, f"'{name}' is no node name"))
        elif isinstance(value, yaml.MappingNode):
            _read_parameters(value, '', parameters, file)
        else:
            file.problems.append(_at(value.start_mark, f'{PARAMETERS} holds no keys'))
        file.sections.append((name, parameters))


def _read_parameters(
    node: yaml.MappingNode, prefix: str, into: dict[str, object], file: ParameterFile
) -> None:
    for key, value in _items(node, file):
        name = f'{prefix}{key}'
        if isinstance(value, yaml.MappingNode):
            if not value.value:
                text = f'{name} is an empty section, which ROS cannot read; leave it out'
                file.problems.append(_at(value.start_mark, text))
            _read_parameters(value, f'{name}.', into, file)
            continue
        try:
            into[name] = _value(name, value)
        except ConfigError as error:
            file.problems.append(error)


def _items(node: yaml.MappingNode, file: ParameterFile) -> Iterator[tuple[str, yaml.Node]]:
    seen: dict[str, int] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE_TAG:
            file.problems.append(_at(key.start_mark, 'a key must be text'))
            continue
        name = str(key.value)
        if name in seen:
            text = f"'{name}' stands twice, first in line {seen[name]}; ROS would drop one"
            file.problems.append(_at(key.start_mark, text))
        seen.setdefault(name, key.start_mark.line + 1)
        yield name, value


def _value(name: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        return _scalar(name, node)
    values = []
    for item in node.value:
        if not isinstance(item, yaml.ScalarNode):
            pair = isinstance(item, yaml.MappingNode)
            hint = "; put a text that holds ': ' in quotes" if pair else ''
            raise _at(item.start_mark, f'{name}: a list holds single values only{hint}')
        values.append(_scalar(name, item))
    if len({type(value) for value in values}) > 1:
        raise _at(
            node.start_mark, f'{name}: ROS reads lists of one type only; put the texts in quotes'
        )
    return values or None


def _scalar(name: str, node: yaml.ScalarNode) -> object:
    text = str(node.value)
    # Without a style the scalar is plain; an explicit !!str makes it text all the same.
    explicit = node.tag == _STRING_TAG and node.style is None and _looks_typed(text)
    if node.style or explicit:
        return text
    if not text:
        raise _at(node.start_mark, f'{name}: has no value')
    return ros_scalar(text)


def _looks_typed(text: str) -> bool:
    """Tell whether YAML would not have called this text by itself."""
    tag: str = yaml.SafeLoader('').resolve(yaml.ScalarNode, text, (True, False))
    return tag != _STRING_TAG


def ros_scalar(text: str) -> bool | int | float | str:
    """
    Read a plain scalar as rcl's parser does.

    :param text: not empty, written without quotes
    :returns: the value
    """
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        number = _c_integer(text)
        if number is not None and -(2**63) <= number < 2**63:
            return number
    if _SPECIAL.fullmatch(text):
        return float(text.replace('.', ''))
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text


def _c_integer(text: str) -> int | None:
    """Read an integer as strtol with base 0 does: 0x10 is 16, 010 is 8, 08 is none."""
    digits = text.lstrip('+-')
    base = 16 if digits[:2] in ('0x', '0X') else 8 if len(digits) > 1 and digits[0] == '0' else 10
    try:
        return int(text, base)
    except ValueError:
        return None


def _reaches(section: str, node: str) -> bool:
    if not node:
        return _last(section) in (NODE, '*', '**')
    parts = {'**': r'(/\w+)*', '*': r'/\w+'}
    tokens = section.strip('/').split('/')
    pattern = ''.join(parts.get(token, f'/{re.escape(token)}') for token in tokens)
    return re.fullmatch(pattern, node) is not None


def _last(section: str) -> str:
    return section.rpartition('/')[2]


def _at(mark: yaml.Mark | None, problem: str) -> ConfigError:
    if mark is None:
        return ConfigError('file', problem)
    return ConfigError(f'line {mark.line + 1}, column {mark.column + 1}', problem)
