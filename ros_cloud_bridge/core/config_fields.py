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

"""What a configuration key is, and the checks of single values."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
import re

from ros_cloud_bridge.core.selection import compile_pattern

# Bounds of MQTT topic names in the protocol. Below the robot stand at most three levels, as in
# latched/{topic}/{index}; half of the bytes are left for them.
MAX_ROOT_LEVELS = 8 - 1 - 3
# Dashboards have one more: d/{stream}/{topic}/{part}.
MAX_DASHBOARD_ROOT_LEVELS = MAX_ROOT_LEVELS - 1
MAX_ROOT_AND_ROBOT_BYTES = 128

_NAME_64 = re.compile(r'[A-Za-z0-9_-]{1,64}')
_ENVIRONMENT_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')
_CONSUMER_GLOB = re.compile(r'[A-Za-z0-9_*?-]{1,64}')
_HOST = re.compile(r'[A-Za-z0-9._:%-]{1,253}')


class Kind(Enum):
    """What a key's value is; the value is how messages and documentation call it."""

    TEXT = 'text'
    INTEGER = 'whole number'
    NUMBER = 'number'
    FLAG = 'true or false'
    LIST = 'list of text'


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """
    One key.

    ``low`` and ``high`` are inclusive; ``zero_means`` says what 0 stands for and allows it
    below ``low``. ``problem`` gets each text of the value and says what is wrong with it, or ''.
    A ``secret`` value is never printed: a password might have been written there by mistake.
    """

    key: str
    kind: Kind
    default: object
    help: str
    low: float = 0.0
    high: float = 0.0
    unit: str = ''
    zero_means: str = ''
    choices: tuple[str, ...] = ()
    problem: Callable[[str], str] | None = None
    run_time: bool = False
    secret: bool = False

    @property
    def allowed(self) -> str:
        """What the value may be, in words."""
        if self.choices:
            return ', '.join(self.choices)
        word: str = self.kind.value
        if self.kind in (Kind.INTEGER, Kind.NUMBER):
            unit = f' {self.unit}' if self.unit else ''
            zero = f', or 0 ({self.zero_means})' if self.zero_means and self.low > 0 else ''
            return f'{self.low:.15g} to {self.high:.15g}{unit}{zero}'
        return word


def pattern_problem(pattern: str) -> str:
    """
    Say what is wrong with a topic pattern.

    :param pattern: exact name, glob or ``re:`` expression
    :returns: one line, empty when nothing is
    """
    try:
        compile_pattern(pattern)
    except ValueError as error:
        return str(error)
    return ''


def name_problem(name: str) -> str:
    """
    Say what is wrong with a robot id or a stream's name.

    :param name: what the user wrote
    :returns: one line, empty when nothing is
    """
    if _NAME_64.fullmatch(name):
        return ''
    return 'must be 1 to 64 characters out of A-Z a-z 0-9 _ -'


def consumer_problem(name: str) -> str:
    """
    Say what is wrong with the name of a consumer in an allow list.

    :param name: name or glob
    :returns: one line, empty when nothing is
    """
    if _CONSUMER_GLOB.fullmatch(name):
        return ''
    return "must be a consumer's name, 1 to 64 characters out of A-Z a-z 0-9 _ -, * and ?"


def operator_problem(name: str) -> str:
    """
    Say what is wrong with the name of an operator in a channel's list.

    :param name: name or glob
    :returns: one line, empty when nothing is
    """
    if _CONSUMER_GLOB.fullmatch(name):
        return ''
    return "must be an operator's name, 1 to 64 characters out of A-Z a-z 0-9 _ -, * and ?"


def confirmer_problem(name: str) -> str:
    """
    Say what is wrong with the name of the consumer that confirms.

    :param name: may be empty
    :returns: one line, empty when nothing is
    """
    if not name or _NAME_64.fullmatch(name):
        return ''
    return "must be one consumer's name, 1 to 64 characters out of A-Z a-z 0-9 _ -"


def root_problem(root: str) -> str:
    """
    Say what is wrong with the first levels of the MQTT topics.

    :param root: as in ``rcb/v1``
    :returns: one line, empty when nothing is
    """
    levels = root.split('/')
    if not all(re.fullmatch('[A-Za-z0-9_-]+', level) for level in levels):
        return (
            "must be levels out of A-Z a-z 0-9 _ - joined by single '/', without '/' at the ends"
        )
    if len(levels) > MAX_ROOT_LEVELS:
        return f'has {len(levels)} levels; at most {MAX_ROOT_LEVELS}, as MQTT topics keep to 8'
    return ''


def host_problem(host: str) -> str:
    """
    Say what is wrong with a broker's address.

    :param host: host name or address
    :returns: one line, empty when nothing is
    """
    if _HOST.fullmatch(host):
        return ''
    return 'must be a host name or an address alone: no scheme, no port, no login'


def environment_problem(name: str) -> str:
    """
    Say what is wrong with the name of an environment variable.

    :param name: may be empty
    :returns: one line, empty when nothing is
    """
    if not name or _ENVIRONMENT_NAME.fullmatch(name):
        return ''
    return 'must be the name of an environment variable, not the secret itself'
