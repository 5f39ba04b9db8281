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

"""From flat ROS parameters to the checked configuration of a mirror."""

from collections.abc import Iterator, Mapping

from ros_cloud_bridge.core.config import is_foreign
from ros_cloud_bridge.core.config_build import build_mqtt
from ros_cloud_bridge.core.config_reader import (
    broken_mqtt,
    check_value,
    one_line,
    refused_secret,
    show,
    unknown_key,
)
from ros_cloud_bridge.core.mirror_table import (
    MIRROR_BY_KEY,
    MirrorConfig,
    MirrorOperator,
    ROBOT,
    StampClock,
)
from ros_cloud_bridge.errors import ConfigError

_OPERATOR = 'operator.'


def read_mirror_config(flat: Mapping[str, object]) -> MirrorConfig:
    """
    Check parameters and make the mirror's configuration of them.

    :param flat: dotted parameter name to value, as ROS has them; None is an empty list
    :returns: the configuration
    :raises ConfigError: for the first problem
    """
    values, problems = _read(flat)
    if problems:
        raise problems[0]
    given = {key: value for key, value in values.items() if '.' not in key}
    if 'clock' in given:
        given['clock'] = StampClock(given['clock'])
    operator = {
        key.removeprefix(_OPERATOR): value
        for key, value in values.items()
        if key.startswith(_OPERATOR)
    }
    return MirrorConfig(
        **given,  # type: ignore[arg-type]
        mqtt=build_mqtt(values),
        operator=MirrorOperator(**operator),  # type: ignore[arg-type]
    )


def find_mirror_problems(flat: Mapping[str, object]) -> tuple[ConfigError, ...]:
    """
    Check parameters and tell everything that is wrong.

    :param flat: as for :func:`read_mirror_config`
    :returns: the errors; empty when :func:`read_mirror_config` would return
    """
    return tuple(_read(flat)[1])


def _read(flat: Mapping[str, object]) -> tuple[dict[str, object], list[ConfigError]]:
    values: dict[str, object] = {}
    problems: list[ConfigError] = []
    for key, value in flat.items():
        try:
            if not isinstance(key, str):
                raise ConfigError(show(key), 'is no parameter name; must be text')
            if is_foreign(key):
                continue
            entry = MIRROR_BY_KEY.get(key)
            if entry is None:
                raise _unknown(key, value)
            values[key] = check_value(key, entry, value)
        except ConfigError as error:
            problems.append(error)
    wrong = {problem.key for problem in problems}
    problems += [error for error in _whole(values, wrong) if error.key not in wrong]
    return values, problems


def _unknown(key: str, value: object) -> ConfigError:
    if secret := refused_secret(key):
        return secret
    if any(known.startswith(f'{key}.') for known in MIRROR_BY_KEY):
        what = 'an empty section' if value is None else 'a section, not a value'
        return ConfigError(one_line(key), f'is {what}; write its keys below it')
    return unknown_key(key, MIRROR_BY_KEY, ())


def _whole(values: Mapping[str, object], wrong: set[str]) -> Iterator[ConfigError]:
    for key, problem, needed in broken_mqtt(values):
        if needed not in wrong:
            yield ConfigError(key, problem)
    namespace, robots = str(values.get('namespace', ROBOT)), str(values.get('robots', '*'))
    if ROBOT not in namespace and set('*?[') & set(robots) and 'robots' not in wrong:
        yield ConfigError(
            'namespace',
            f'{namespace!r} lacks {ROBOT}, but robots ({robots!r}) may match several, whose '
            'topics would mix',
        )
    if values.get('leases') and not values.get('name'):
        yield ConfigError('name', "is needed for leases: the robots' demand.allow names it")
    if values.get(f'{_OPERATOR}name'):
        if not values.get(f'{_OPERATOR}robot_keys'):
            yield ConfigError(
                f'{_OPERATOR}robot_keys',
                f'is missing; {_OPERATOR}name commands only robots whose keys it holds, see '
                "'ros-cloud-bridge keys trust'",
            )
        if values.get('mqtt.protocol') == '3.1.1':
            yield ConfigError('mqtt.protocol', f'3.1.1 is given with {_OPERATOR}name; needs 5')
    elif given := [key for key in values if key.startswith(_OPERATOR) and values[key]]:
        if f'{_OPERATOR}name' not in wrong:
            problem = f'is given without {_OPERATOR}name; nothing is commanded without it'
            yield ConfigError(given[0], problem)
