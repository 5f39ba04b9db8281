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
from typing import Any, NamedTuple

import foxglove

from ros_cloud_bridge.cloud.operator.channels import OfferedChannel
from ros_cloud_bridge.cloud.operator.operator import Operator
from ros_cloud_bridge.cloud.topic_names import TopicNames
from ros_cloud_bridge.errors import BridgeError

_AT_ONCE = 4
_MOST = 4096


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
        self._asked: set[tuple[str, str]] = set()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix='parameters')

    def offer(self, robot_id: str, channels: Iterable[OfferedChannel]) -> None:
        """
        Ask for the parameters of channels that are new.

        :param robot_id: the robot
        :param channels: all that it has
        """
        places = {(robot_id, one.name) for one in channels if one.kind == 'parameter'}
        with self._lock:
            new = places - self._asked
            self._asked = {place for place in self._asked if place[0] != robot_id} | places
        for place in sorted(new):
            self._pool.submit(self._guarded, self._ask, *place)

    def get(self, names: list[str]) -> list[foxglove.Parameter]:
        """
        Give parameters as they are known.

        :param names: which; none means all
        :returns: those of them that are known
        """
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
                place, _ = self._values.get(parameter.name, (None, None))
                if place is not None:
                    values = wanted.setdefault((place.robot_id, place.channel), {})
                    values[place.name] = parameter.get_value()
        for (robot_id, channel), values in wanted.items():
            self._pool.submit(self._guarded, self._set, robot_id, channel, values)
        return self.get([parameter.name for parameter in parameters])

    def stop(self) -> None:
        """End; what is under way goes on at the robots."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _guarded(
        self, do: Callable[..., None], robot_id: str, channel: str, *rest: dict[str, Any]
    ) -> None:
        try:
            do(robot_id, channel, *rest)
        except BridgeError as error:
            self._said(f'{robot_id} {channel}', str(error))
            if do == self._ask:
                with self._lock:
                    self._asked.discard((robot_id, channel))

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
                if known in self._values or len(self._values) < _MOST:
                    self._values[known] = _Place(robot_id, channel, name), value
                    told.append(_parameter(known, value))
        self._changed(told)

    def _set(self, robot_id: str, channel: str, values: dict[str, Any]) -> None:
        outcome = self._operator.set_parameters(robot_id, channel, values).wait()
        if not outcome.succeeded:
            self._said(f'{robot_id} {channel}', str(outcome))
        # In any case as they are now: the client shows what it wanted until it hears.
        self._read(robot_id, channel, list(values))


def _parameter(name: str, value: Any) -> foxglove.Parameter:
    return foxglove.Parameter(name, value=value)
