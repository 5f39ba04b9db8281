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

"""Fields of a message on the command line: JSON or YAML, a file, or standard input."""

import json
from pathlib import Path
import sys
from typing import Any

import yaml

from ros_cloud_bridge.errors import ConfigError

_MOST_CHARACTERS = 1 << 20


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML without dates: 2026-01-01 is text, as no message has a field for anything else."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != 'tag:yaml.org,2002:timestamp']
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_fields(text: str) -> dict[str, Any]:
    """
    Read the fields of a message.

    :param text: JSON or YAML; ``@FILE`` reads a file, ``-`` standard input; empty for no fields
    :returns: fields by name
    :raises ConfigError: says what is wrong
    """
    value = parse_value(_content(text), 'FIELDS')
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ConfigError('FIELDS', "are no map; write them as in '{linear: {x: 0.5}}'")
    return value


def parse_value(text: str, what: str) -> Any:
    """
    Read a value.

    :param text: JSON or YAML
    :param what: it is, for the error
    :returns: plain values
    :raises ConfigError: when it is neither
    """
    try:
        # First, for YAML 1.1 takes 1e3 for a text.
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        reason = error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error)
        raise ConfigError(what, f'are neither JSON nor YAML: {reason}') from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(what, f'cannot be read: {error}') from None


def _content(text: str) -> str:
    if text == '-':
        return sys.stdin.read(_MOST_CHARACTERS)
    if not text.startswith('@'):
        return text
    try:
        with Path(text[1:]).open(encoding='utf-8') as file:
            return file.read(_MOST_CHARACTERS)
    except OSError as error:
        raise ConfigError('FIELDS', f'{text[1:]}: {error.strerror}') from None
    except UnicodeDecodeError:
        raise ConfigError('FIELDS', f'{text[1:]}: is no UTF-8 text') from None
