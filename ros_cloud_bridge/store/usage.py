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

"""The month's data usage, in a file of the robot's own."""

from collections.abc import Callable
from datetime import date
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ros_cloud_bridge.core.usage import MOST_MONTHS, Usage
from ros_cloud_bridge.values import BridgeConfig

Log = Callable[[str, str], None]

VERSION = 1
# A whole file has less than 2 KB.
_MOST_BYTES = 65536
_MOST_CORRUPT_FILES = 9
_WITHOUT_HOME = Path('/var/lib')
_LAST_DAY = 28
_MOST = 2**63


def state_directory(config: BridgeConfig) -> Path:
    """
    Find the directory for what outlives a restart; it need not exist.

    :param config: with ``state_dir``, or else the folder where ROS keeps its own
    :returns: the directory
    """
    if config.state_dir:
        return Path(os.path.expanduser(config.state_dir)).absolute()
    if ros_home := os.environ.get('ROS_HOME', ''):
        return Path(os.path.expanduser(ros_home)).absolute() / 'ros_cloud_bridge'
    try:
        return Path.home() / '.ros' / 'ros_cloud_bridge'
    except RuntimeError:  # a user without a home, as in a container
        return _WITHOUT_HOME / 'ros_cloud_bridge'


class UsageFile:
    """
    Loads and saves a robot's usage; no fault of disk or file stops the bridge or goes unsaid.

    One bridge at a time may use it. Robots have files of their own in the same directory.

    :param directory: made when the first usage is saved
    :param robot_id: names the file
    :param log: takes (level, text); a fault of writing is told once, until writing works again
    """

    def __init__(self, directory: Path, robot_id: str, log: Log) -> None:
        self.path = directory / f'usage-{quote(robot_id, safe="")}.json'
        self._log = log
        self._failing = False

    def load(self) -> Usage | None:
        """
        Read what the last process saved.

        :returns: None when there is none, or none that can be read: that file is then set aside
        """
        try:
            return _parse(self._read())
        except FileNotFoundError:
            return None
        except NotADirectoryError:
            return None  # saving will tell
        except (OSError, ValueError) as error:
            self._set_aside(error)
            return None

    def save(self, usage: Usage) -> bool:
        """
        Write a usage so that a power cut leaves either the one before or this one.

        :param usage: from ``MonthlyBudget.usage``
        :returns: whether it is on the disk
        """
        try:
            self._write(_text(usage))
        except OSError as error:
            if not self._failing:
                self._log(
                    'error',
                    f'cannot save the data used this month to {self.path}: {_reason(error)}; '
                    'after a restart the monthly budget will not know it (see state_dir)',
                )
            self._failing = True
            return False
        if self._failing:
            self._log('info', f'the data used this month is saved again to {self.path}')
        self._failing = False
        return True

    def _read(self) -> str:
        with self.path.open('rb') as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ValueError(f'more than {_MOST_BYTES} bytes')
        return data.decode('utf-8')

    def _write(self, text: str) -> None:
        directory = self.path.parent
        directory.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f'{self.path.name}.tmp')
        with temporary.open('w', encoding='utf-8') as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
        # Else a power cut may undo the renaming.
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _set_aside(self, error: OSError | ValueError) -> None:
        names = [
            self.path.with_name(f'{self.path.name}.corrupt-{number}')
            for number in range(1, _MOST_CORRUPT_FILES + 1)
        ]
        # A disk that breaks each file does not fill up with them.
        aside = next((name for name in names if not os.path.lexists(name)), names[-1])
        what = f'cannot read the data used this month from {self.path}: {_reason(error)}'
        try:
            os.replace(self.path, aside)
        except OSError as failure:
            self._log('error', f'{what}; it stays there: {_reason(failure)}; counting from zero')
        else:
            self._log('error', f'{what}; it is now {aside.name}, and counting starts from zero')


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, 'strerror', None) or str(error)


def _text(usage: Usage) -> str:
    document = {
        'version': VERSION,
        'month': usage.month,
        'months': dict(usage.months),
        'undated': usage.undated,
        'spare_bytes': usage.spare_bytes,
        'saved_at_s': usage.saved_at_s,
    }
    return json.dumps(document, indent=1, sort_keys=True) + '\n'


def _parse(text: str) -> Usage:
    try:
        document = json.loads(text)
    except RecursionError:
        raise ValueError('nested too deeply') from None
    if not isinstance(document, dict):
        raise ValueError('no JSON object')
    if document.get('version') != VERSION:
        raise ValueError(f'version {document.get("version")!r} is not {VERSION}')
    months = document.get('months')
    if not isinstance(months, dict) or len(months) > MOST_MONTHS:
        raise ValueError('months: no object of a few months')
    month = document.get('month')
    for key in (*months, *([] if month == '' else [month])):
        _check_month(key)
    saved_at = document.get('saved_at_s')
    return Usage(
        months={key: _count(months[key], key) for key in months},
        month=str(month),
        undated=_count(document.get('undated'), 'undated'),
        spare_bytes=_number(document.get('spare_bytes'), 'spare_bytes'),
        saved_at_s=None if saved_at is None else _number(saved_at, 'saved_at_s'),
    )


def _check_month(key: Any) -> None:
    if not isinstance(key, str):
        raise ValueError('month: no date')
    day = date.fromisoformat(key)
    # Other spellings of a date would not compare with ours as text.
    if day.isoformat() != key or day.day > _LAST_DAY or day.year == date.max.year:
        raise ValueError(f'{key!r} begins no month')


def _count(value: Any, name: str) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ValueError(f'{name}: {value!r} is no count of bytes')
    return value


def _number(value: Any, name: str) -> float:
    if type(value) not in (int, float) or not abs(value) <= _MOST:
        raise ValueError(f'{name}: {value!r} is no number')
    return float(value)
