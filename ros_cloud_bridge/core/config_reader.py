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

"""Checks of single configuration values, and hints for misspelt keys."""

from collections.abc import Iterable, Iterator, Mapping
import difflib
import math

from ros_cloud_bridge.core.config_fields import Field, Kind
from ros_cloud_bridge.core.config_table import BY_KEY, Group, GROUPS
from ros_cloud_bridge.errors import ConfigError

MAX_TEXT = 1024
_SHOWN = 60
_SECRET_WORDS = ('password', 'passwd', 'passphrase', 'secret', 'token')
_TLS = 'mqtt.tls.'
_TLS_NEEDS = (
    ('cert_file', 'key_file'),
    ('key_file', 'cert_file'),
    ('key_password_env', 'key_file'),
)


def check_value(key: str, field: Field, value: object) -> object:
    """
    Check one value.

    :param key: full key, as in ``stream.pose.max_hz``
    :param field: its field
    :param value: as ROS or YAML gave it; None is an empty list
    :returns: the value as the configuration holds it: text, int, float, bool or tuple of text
    :raises ConfigError: names the key, the value and what is allowed
    """
    if field.kind is Kind.LIST:
        return _list(key, field, value)
    if field.kind is Kind.FLAG:
        if not isinstance(value, bool):
            raise _wrong_type(key, field, value)
        return value
    if field.kind is Kind.TEXT:
        return _text(key, field, value)
    return _number(key, field, value)


def show(value: object, secret: bool = False) -> str:
    """
    Write a value for a message.

    :param value: anything
    :param secret: whether a password might stand there
    :returns: one short line, printable
    """
    if secret and isinstance(value, str):
        return 'its value'
    if isinstance(value, int) and abs(value) > 2**64:
        return 'a huge number'  # Python refuses to write more than 4300 digits
    text = repr(value) if isinstance(value, str) else one_line(str(value))
    return text if len(text) <= _SHOWN else f'{text[: _SHOWN - 3]}...'


def one_line(text: str) -> str:
    """
    Escape what would break a line or a terminal.

    :param text: anything
    :returns: printable text
    """
    return ''.join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def nearest(word: str, candidates: Iterable[str]) -> str:
    """
    Suggest a spelling.

    :param word: what the user wrote
    :param candidates: what would be right
    :returns: ``; did you mean X?``, or '' when nothing is near
    """
    word = word[:100].lower()
    words = tuple(candidates)
    found = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    # 'hz' is not near max_hz letter by letter, but it is a part of it.
    found = found or [candidate for candidate in words if word in candidate.split('_')]
    return f'; did you mean {found[0]}?' if found else ''


def unknown_key(
    key: str, by_key: Mapping[str, Field] = BY_KEY, groups: tuple[Group, ...] = GROUPS
) -> ConfigError:
    """
    Refuse a key that is in no table; its value is not printed, it may be a secret.

    :param key: full key
    :param by_key: the table; the bridge's when left out
    :param groups: its groups
    :returns: the error
    """
    if key.startswith('black_box.') and key.endswith('.reducer'):
        why = 'a black box keeps messages as they were published; reducers are for streams'
        return ConfigError(one_line(key), why)
    section = key.rpartition('.')[0]
    group = next((group for group in groups if group.section == key.partition('.')[0]), None)
    if group is not None:
        section = '.'.join(key.split('.')[:2])
        siblings = tuple(group.by_key)
    else:
        prefix = f'{section}.' if section else ''
        siblings = tuple(k.removeprefix(prefix) for k in by_key if k.startswith(prefix))
    hint = nearest(key.removeprefix(f'{section}.'), siblings) or _elsewhere(key, by_key, groups)
    return ConfigError(one_line(key), f'unknown key{hint}')


def refused_secret(key: str) -> ConfigError | None:
    """
    Refuse a key under which somebody writes a secret.

    :param key: full key that is in no table
    :returns: the error that says where secrets belong, or None for other keys
    """
    leaf = key.rpartition('.')[2].lower()
    named = key.startswith('mqtt.') and leaf.endswith(_SECRET_WORDS)
    if leaf not in _SECRET_WORDS and not named:
        return None
    use = 'mqtt.password_file or mqtt.password_env'
    if key.startswith(_TLS):
        use = 'mqtt.tls.key_password_env'
    return ConfigError(one_line(key), f'secrets never stand in the configuration; use {use}')


def broken_mqtt(values: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """
    Find keys of the MQTT connection that do not go together.

    :param values: checked values by full key
    :returns: the key, what is wrong with it, and the key that it needs if it needs one
    """
    if values.get('mqtt.password_file') and values.get('mqtt.password_env'):
        yield 'mqtt.password_env', 'is given beside mqtt.password_file; give only one', ''
    for leaf, other in _TLS_NEEDS:
        key, needed = f'{_TLS}{leaf}', f'{_TLS}{other}'
        if values.get(key) and not values.get(needed):
            yield key, f'is given without {needed}; both are needed', needed


def _elsewhere(key: str, by_key: Mapping[str, Field], groups: tuple[Group, ...]) -> str:
    """Suggest the same last word in another section."""
    leaf = key.rpartition('.')[2]
    for known in by_key:
        if known.rpartition('.')[2] == leaf:
            return f'; did you mean {known}?'
    for group in groups:
        if leaf in group.by_key:
            return f'; did you mean {group.section}.NAME.{leaf}?'
    return nearest(key, by_key)


def _wrong_type(key: str, field: Field, value: object) -> ConfigError:
    article = 'a ' if field.kind in (Kind.INTEGER, Kind.NUMBER, Kind.LIST) else ''
    must = field.allowed if field.choices else f'{article}{field.kind.value}'
    if value is None:
        return ConfigError(key, f'has no value; must be {must}')
    shown = show(value, field.secret)
    hint = ''
    if field.kind is Kind.TEXT and isinstance(value, (int, float)) and not field.secret:
        hint = f"; write it in quotes: '{value}'"
    if field.kind is Kind.INTEGER and isinstance(value, float) and value.is_integer():
        hint = f'; write {int(value)}'
    return ConfigError(key, f'{shown} is {_called(value)}; must be {must}{hint}')


def _called(value: object) -> str:
    if isinstance(value, bool):
        return 'true or false'
    if isinstance(value, int):
        return 'a whole number'
    if isinstance(value, float):
        return 'a decimal number'
    if isinstance(value, str):
        return 'text'
    return 'a list' if isinstance(value, (list, tuple)) else f'of type {type(value).__name__}'


def _number(key: str, field: Field, value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong_type(key, field, value)
    if isinstance(value, float):
        if field.kind is Kind.INTEGER:
            raise _wrong_type(key, field, value)
        if not math.isfinite(value):
            raise ConfigError(key, f'{value} is not a finite number; allowed: {field.allowed}')
    in_range = field.low <= value <= field.high or (value == 0 and bool(field.zero_means))
    if not in_range:
        raise ConfigError(key, f'{show(value)} is out of range; allowed: {field.allowed}')
    return value if field.kind is Kind.INTEGER else float(value)


def _text(key: str, field: Field, value: object) -> str:
    if field.choices and isinstance(value, int) and str(value) in field.choices:
        return str(value)  # protocol: 5 is a number to YAML
    if not isinstance(value, str):
        raise _wrong_type(key, field, value)
    if field.choices and value not in field.choices:
        hint = nearest(value, field.choices)
        raise ConfigError(
            key, f'{show(value)} is none of its values; allowed: {field.allowed}{hint}'
        )
    problem = _text_problem(field, value)
    if problem:
        raise ConfigError(key, f'{show(value, field.secret)} {problem}')
    return value


def _text_problem(field: Field, value: str) -> str:
    if len(value) > MAX_TEXT:
        return f'is longer than {MAX_TEXT} characters'
    if not value.isprintable():
        return 'holds a character that cannot be printed'
    return one_line(field.problem(value)) if field.problem else ''


def _list(key: str, field: Field, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        raise ConfigError(
            key, f'{show(value)} is text; must be a list: write [{one_line(value)[:_SHOWN]}]'
        )
    if not isinstance(value, (list, tuple)):
        raise _wrong_type(key, field, value)
    for item in value:
        if not isinstance(item, str):
            problem = (
                f"{show(item)} in the list is {_called(item)}; must be text: write '{show(item)}'"
            )
            raise ConfigError(key, problem)
        problem = _text_problem(field, item)
        if problem:
            raise ConfigError(key, f'{show(item)} {problem}')
    return tuple(value)
