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

"""Commands to the bridge itself: its parameters, leases, a pause, announcements, black boxes."""

from collections import deque
from collections.abc import Callable, Mapping
import math
from typing import Any, Protocol

from rclpy.guard_condition import GuardCondition
from rclpy.node import Node

from ros_cloud_bridge.command.clock import now_s
from ros_cloud_bridge.command_values import Reason, State
from ros_cloud_bridge.core.commands.effects import Dispatch, Ended, Progress
from ros_cloud_bridge.errors import BadFields, LocalFault
from ros_cloud_bridge.values import Lease

Report = Callable[[Progress | Ended], None]


class Steered(Protocol):
    """What commands do with the bridge; ``UplinkNode`` does it."""

    def set_values(self, values: Mapping[str, Any]) -> str:
        """Set parameters, all or none; returns why not."""

    def lease(self, consumer: str, lease: Lease) -> str:
        """Lease a stream; returns why not."""

    def pause(self) -> str:
        """Stop sending samples; returns why not."""

    def resume(self) -> str:
        """Send samples again; returns why not."""

    def announce(self) -> str:
        """Say everything again; returns why not."""

    def trigger(self, box: str, by: str) -> str:
        """Fire a black box; returns why not."""


class BridgeControls:
    """
    Carries commands of ``kind: bridge`` out on the executor's thread.

    :param node: whose executor it is
    :param bridge: what is steered
    :param report: takes how each ends
    :param awaits: tells whether a ticket is still to end: what was given up is not carried out
    """

    def __init__(
        self, node: Node, bridge: Steered, report: Report, awaits: Callable[[int], bool]
    ) -> None:
        self._awaits = awaits
        self._node = node
        self._bridge = bridge
        self._report = report
        self._waiting: deque[Dispatch] = deque()
        self._came: GuardCondition | None = node.create_guard_condition(self._work)

    def start(self, dispatch: Dispatch) -> None:
        """
        Take a command; from any thread.

        :param dispatch: the command
        """
        self._waiting.append(dispatch)
        came = self._came
        if came is not None:
            came.trigger()

    def close(self) -> None:
        """Take none any more."""
        came, self._came = self._came, None
        if came is not None:
            self._node.destroy_guard_condition(came)

    def _work(self) -> None:
        while self._waiting:
            dispatch = self._waiting.popleft()
            if not self._awaits(dispatch.ticket):
                continue
            try:
                late = now_s() > dispatch.deadline
                refusal = Reason.EXPIRED if late else self._carry_out(dispatch)
            except LocalFault as fault:
                refusal = f'{Reason.BAD_FIELDS}: {fault}'
            except Exception as error:  # nothing may escape into the executor
                refusal = f'{Reason.INTERNAL}: {error!r}'
            state = State.FAILED if refusal else State.SUCCEEDED
            self._report(Ended(ticket=dispatch.ticket, state=state, reason=refusal))

    def _carry_out(self, dispatch: Dispatch) -> str:
        arguments = dispatch.arguments or {}
        kind = dispatch.type
        if kind == 'set':
            values = _field(arguments, 'values', Mapping)
            refusal = self._bridge.set_values(values)
        elif kind == 'lease':
            refusal = self._bridge.lease(dispatch.operator, _lease(arguments))
        elif kind == 'trigger':
            refusal = self._bridge.trigger(_field(arguments, 'box', str), dispatch.operator)
        elif kind == 'pause':
            refusal = self._bridge.pause()
        elif kind == 'resume':
            refusal = self._bridge.resume()
        else:
            refusal = self._bridge.announce()
        return f'{Reason.REFUSED_BY_SERVER}: {refusal}' if refusal else ''


def _lease(arguments: Mapping[str, Any]) -> Lease:
    numbers = []
    for name in ('hz', 'seconds'):
        number = _field(arguments, name, (int, float))
        if isinstance(number, bool) or not math.isfinite(number) or number < 0:
            raise BadFields(f'{name}: expected a finite number from 0 on, got {number!r}')
        numbers.append(float(number))
    hz, seconds = numbers
    return Lease(stream=_field(arguments, 'stream', str), hz=hz, seconds=seconds)


def _field(arguments: Mapping[str, Any], name: str, kind: Any) -> Any:
    if name not in arguments:
        raise BadFields(f'{name}: is missing')
    value = arguments[name]
    if not isinstance(value, kind):
        raise BadFields(f'{name}: {value!r} is of the wrong type')
    return value
