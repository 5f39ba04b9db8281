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

"""Parameters of robots' nodes, as Foxglove's clients read and set them."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
import threading
import time
from typing import Any, NamedTuple

import foxglove

from ros_cloud_bridge.cloud.operator.channels import OfferedChannel
from ros_cloud_bridge.cloud.operator.operator import Operator
from ros_cloud_bridge.cloud.topic_names import TopicNames
from ros_cloud_bridge.errors import BridgeError
from ros_cloud_bridge.values import ChannelKind

_AT_ONCE = 4
_MOST = 4096
# Clients list parameters again and again; so often a robot is asked again at most.
_AGAIN_S = 30.0


class _Place(NamedTuple):
    robot_id: str
    channel: str
    name: str


class Parameters:
    """
    Knows parameters as robots told of them last; asks and sets on threads of its own.

    A parameter is called ``{robot}/{channel}.{name}``, as in ``amr_07/planner.max_speed``.

    :param operator: who signs
    :param names: which names robots' topics get
    :param changed: takes parameters whenever they are told of
    :param said: takes whose and what was refused
    """

    def __init__(
        self,
        operator: Operator,
        names: TopicNames,
        changed: Callable[[list[foxglove.Parameter]], None],
        said: Callable[[str, str], None],
    ) -> None:
        self._operator = operator
        self._names = names
        self._changed = changed
        self._said = said
        self._lock = threading.Lock()
        self._values: dict[str, tuple[_Place, Any]] = {}
        # When a channel was asked last, monotonic seconds.
        self._asked: dict[tuple[str, str], float] = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix='parameters')

    def offer(self, robot_id: str, channels: Iterable[OfferedChannel]) -> None:
        """
        Ask for the parameters of channels that are new.

        :param robot_id: the robot
        :param channels: all that it has
        """
        places = {(robot_id, one.name) for one in channels if one.kind is ChannelKind.PARAMETER}
        with self._lock:
            gone = {one for one in self._asked if one[0] == robot_id} - places
            self._asked = {place: at for place, at in self._asked.items() if place not in gone} | {
                place: float('-inf') for place in places - self._asked.keys()
            }
            self._values = {
                name: (place, value)
                for name, (place, value) in self._values.items()
                if (place.robot_id, place.channel) not in gone
            }
        self._refresh()

    def get(self, names: list[str]) -> list[foxglove.Parameter]:
        """
        Give parameters as they are known; robots are asked again, for nodes change theirs, too.

        :param names: which; none means all
        :returns: those of them that are known
        """
        if not names:
            self._refresh()
        with self._lock:
            known = {name: value for name, (_, value) in self._values.items()}
        wanted = [name for name in names if name in known] if names else sorted(known)
        return [_parameter(name, known[name]) for name in wanted]

    def set(self, parameters: list[foxglove.Parameter]) -> list[foxglove.Parameter]:
        """
        Have robots set parameters; what has become of them is told through ``changed``.

        :param parameters: as clients want them
        :returns: them as they are known now
        """
        wanted: dict[tuple[str, str], dict[str, Any]] = {}
        with self._lock:
            for parameter in parameters:
                place, known = self._values.get(parameter.name, (None, None))
                if place is not None:
                    values = wanted.setdefault((place.robot_id, place.channel), {})
                    values[place.name] = _typed(parameter.get_value(), known)
        for (robot_id, channel), values in wanted.items():
            self._pool.submit(self._guarded, self._set, robot_id, channel, values)
        return self.get([parameter.name for parameter in parameters])

    def stop(self) -> None:
        """End; what is under way goes on at the robots."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _refresh(self) -> None:
        now = time.monotonic()
        with self._lock:
            due = sorted(place for place, at in self._asked.items() if now - at >= _AGAIN_S)
            self._asked.update(dict.fromkeys(due, now))
        for place in due:
            self._pool.submit(self._guarded, self._ask, *place)

    def _guarded(
        self, do: Callable[..., None], robot_id: str, channel: str, *rest: dict[str, Any]
    ) -> None:
        try:
            do(robot_id, channel, *rest)
        except BridgeError as error:
            self._said(f'{robot_id} {channel}', str(error))
        except Exception as error:  # whatever a robot answers, the others go on
            self._said(f'{robot_id} {channel}', repr(error))

    def _ask(self, robot_id: str, channel: str) -> None:
        outcome = self._operator.list_parameters(robot_id, channel).wait()
        names = outcome.detail.get('names') if outcome.succeeded else None
        if not isinstance(names, list):
            self._said(f'{robot_id} {channel}', str(outcome))
            return
        self._read(robot_id, channel, [name for name in names if isinstance(name, str)])

    def _read(self, robot_id: str, channel: str, names: list[str]) -> None:
        outcome = self._operator.get_parameters(robot_id, channel, names).wait()
        values = outcome.detail.get('values') if outcome.succeeded else None
        if not isinstance(values, dict):
            self._said(f'{robot_id} {channel}', str(outcome))
            return
        told = []
        with self._lock:
            for name, value in values.items():
                known = f'{self._names.name(robot_id, channel).lstrip("/")}.{name}'
                if known not in self._values and len(self._values) >= _MOST:
                    continue
                try:
                    told.append(_parameter(known, value))
                except (TypeError, ValueError, UnicodeError):
                    # Foxglove has no such value.
                    self._values.pop(known, None)
                else:
                    self._values[known] = _Place(robot_id, channel, name), value
        self._changed(told)

    def _set(self, robot_id: str, channel: str, values: dict[str, Any]) -> None:
        outcome = self._operator.set_parameters(robot_id, channel, values).wait()
        if not outcome.succeeded:
            self._said(f'{robot_id} {channel}', str(outcome))
        # In any case as they are now: the client shows what it wanted until it hears.
        self._read(robot_id, channel, list(values))


def _typed(value: Any, known: Any) -> Any:
    """Write a number as the parameter has it: a 1 typed into a panel means 1.0 of a double."""
    if isinstance(known, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _parameter(name: str, value: Any) -> foxglove.Parameter:
    return foxglove.Parameter(name, value=value)
