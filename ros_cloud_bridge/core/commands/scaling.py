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

"""The older a driving command may be, the slower: numbers of a message times a factor."""

from typing import Any

from ros_cloud_bridge.core.commands.limits import ANY


def factor(age_s: float, full_s: float, stop_s: float) -> float:
    """
    Say how fast one may drive on a command of an age.

    :param age_s: seconds since it was signed, at most
    :param full_s: up to this age at full speed
    :param stop_s: from this age on not at all
    :returns: 0 to 1
    """
    if age_s <= full_s:
        return 1.0
    return max(0.0, (stop_s - age_s) / (stop_s - full_s)) if age_s < stop_s else 0.0


def scaled(fields: Any, steps: tuple[str, ...], by: float) -> Any:
    """
    Multiply the numbers at a path and below it.

    :param fields: a message's; they stay as they are
    :param steps: the path, ``*`` for any field or index
    :param by: the factor
    :returns: fields that share with the old ones what has not changed
    """
    if not steps:
        return _multiplied(fields, by)
    step, rest = steps[0], steps[1:]
    if isinstance(fields, dict):
        names = fields if step == ANY else (step,) if step in fields else ()
        return {**fields, **{name: scaled(fields[name], rest, by) for name in names}}
    if isinstance(fields, list) and step == ANY:
        return [scaled(item, rest, by) for item in fields]
    return fields


def _multiplied(value: Any, by: float) -> Any:
    if isinstance(value, dict):
        return {name: _multiplied(item, by) for name, item in value.items()}
    if isinstance(value, list):
        return [_multiplied(item, by) for item in value]
    return value * by if type(value) in (int, float) else value
