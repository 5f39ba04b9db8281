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

"""Reads the options of the reducers of sensor messages, as the configuration has them."""

from collections.abc import Iterable, Mapping
import difflib


def check_names(options: Mapping[str, str], known: Iterable[str]) -> None:
    """
    Refuse what no one knows.

    :param options: by name
    :param known: names
    :raises ValueError: names the first unknown one, and the nearest known
    """
    names = sorted(known)
    for name in options:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f', did you mean {near[0]}?' if near else ''
            raise ValueError(f'unknown option {name}{hint} (there are {", ".join(names)})')


def check_type(type_name: str, *allowed: str) -> None:
    """
    Refuse types that a reducer is not made for.

    :param type_name: of the route
    :param allowed: types
    :raises ValueError: names both
    """
    if type_name not in allowed:
        raise ValueError(f'is for {" and ".join(allowed)}, not for {type_name}')


def number(
    options: Mapping[str, str], name: str, default: float, low: float, high: float
) -> float:
    """
    Read a number.

    :param options: by name
    :param name: of the option
    :param default: where it is not given
    :param low: least
    :param high: most
    :returns: the number
    :raises ValueError: when it is none, or out of bounds
    """
    return numbers(options, name, low, high, 1, (default,))[0]


def whole(options: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """
    Read a whole number.

    :param options: by name
    :param name: of the option
    :param default: where it is not given
    :param low: least
    :param high: most
    :returns: the number
    :raises ValueError: when it is none, or out of bounds
    """
    value = number(options, name, default, low, high)
    if value != int(value):
        raise ValueError(f'{name}={options[name]}: not a whole number')
    return int(value)


def numbers(
    options: Mapping[str, str],
    name: str,
    low: float,
    high: float,
    count: int,
    default: tuple[float, ...],
) -> tuple[float, ...]:
    """
    Read numbers with commas between.

    :param options: by name
    :param name: of the option
    :param low: least
    :param high: most
    :param count: how many
    :param default: where it is not given
    :returns: the numbers
    :raises ValueError: when they are no numbers, out of bounds, or too few or many
    """
    text = options.get(name)
    if text is None:
        return default
    try:
        values = tuple(float(part) for part in text.split(','))
    except ValueError:
        values = ()
    if len(values) != count:
        wanted = f'{count} number{"s" * (count > 1)} wanted, from {low:g} to {high:g}'
        raise ValueError(f'{name}={text}: {wanted}')
    if not all(low <= value <= high for value in values):
        raise ValueError(f'{name}={text}: allowed is {low:g} to {high:g}')
    return values


def choice(options: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    """
    Read one of a few words.

    :param options: by name
    :param name: of the option
    :param allowed: words, the default first
    :returns: the word
    :raises ValueError: when it is another
    """
    word = options.get(name, allowed[0])
    if word not in allowed:
        raise ValueError(f'{name}={word}: allowed is {", ".join(allowed)}')
    return word
