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

"""Which robots there are, and which channels they say that they have; nothing of it is proven."""

from collections.abc import Collection
from dataclasses import dataclass, field
import fnmatch
import re
import secrets
import threading
import time

from ros_cloud_bridge.cloud.checks import check_robots, check_root
from ros_cloud_bridge.cloud.consumer import is_glob
from ros_cloud_bridge.cloud.operator.channels import offered_channels
from ros_cloud_bridge.errors import LocalFault, ProtocolError
from ros_cloud_bridge.mqtt.events import (
    Connected,
    Outgoing,
    Received,
    Refused,
    SessionEvent,
    SessionFull,
    SubscriptionRefused,
    Unreachable,
)
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.values import MqttConfig
from ros_cloud_bridge.wire.announce import Ask, decode_json, encode_ask
from ros_cloud_bridge.wire.limits import MAX_JSON
from ros_cloud_bridge.wire.topics import RobotTopics

_ROBOT = re.compile('[A-Za-z0-9_-]{1,64}')
_MOST_ROBOTS = 10_000


@dataclass(slots=True, kw_only=True)
class Found:
    """
    What a robot says of itself.

    ``online`` is None while its ``state`` is not known; ``channels`` are kinds by name, None while
    its ``info`` is not known, ``leases`` those of them that need a lease, and ``ttls_s`` the
    longest times that commands may ask for.
    """

    online: bool | None = None
    channels: dict[str, str] | None = None
    leases: set[str] = field(default_factory=set)
    ttls_s: dict[str, float] = field(default_factory=dict)


def find_robots(
    config: MqttConfig,
    robots: str,
    *,
    root: str,
    seconds: float,
    informed: bool = False,
    known: Collection[str] = (),
) -> dict[str, Found]:
    """
    Listen for robots.

    :param config: how to reach the broker
    :param robots: a robot id, or a glob over robot ids
    :param root: the fleet's topic root
    :param seconds: for how long; the ``info`` of one named robot ends it
    :param informed: ask the robots for their ``info``
    :param known: robots to ask though they are not heard, or said to be offline
    :returns: what was heard of each
    :raises ConfigError: names the argument that cannot be used
    :raises LocalFault: when the broker cannot be reached
    """
    check_root(root)
    check_robots(robots)
    finder = _Finder(robots, root, informed, known)
    session = finder.session = Session(
        config,
        client_id=f'rcb-{secrets.token_hex(6)}',
        subscriptions=[f'{root}/{finder.level}/{kind}' for kind in ('state', 'info')],
        on_event=finder.hear,
        max_receive_bytes=2 * MAX_JSON,
    )
    session.start()
    try:
        return finder.wait(seconds)
    finally:
        session.stop(1.0)


class _Finder:
    def __init__(self, robots: str, root: str, informed: bool, known: Collection[str]) -> None:
        self.level = '+' if is_glob(robots) else robots
        self.session: Session | None = None
        self._takes = re.compile(fnmatch.translate(robots)).fullmatch
        self._root = root
        self._informed = informed
        self._known = frozenset(known if self.level == '+' else (robots,))
        self._found: dict[str, Found] = {}
        self._changed = threading.Condition()
        self._connected = False
        self._trouble = 'no answer of the broker'
        self._asked: set[str] = set()

    def hear(self, event: SessionEvent) -> None:
        """Take an event; runs on the session's thread."""
        with self._changed:
            if isinstance(event, Received):
                robot_id, _, kind = event.topic[len(self._root) + 1 :].partition('/')
                if _ROBOT.fullmatch(robot_id) and self._takes(robot_id):
                    self._read(robot_id, kind, event.payload)
                    self._ask(robot_id)
            elif isinstance(event, Connected):
                self._connected = True
                self._asked.clear()
                for robot_id in self._known:
                    self._ask(robot_id)
            elif isinstance(event, (Unreachable, Refused)):
                self._trouble = event.reason
            elif isinstance(event, SubscriptionRefused):
                self._trouble = f'the broker refuses the subscription to {event.topic_filter}'
            self._changed.notify_all()

    def wait(self, seconds: float) -> dict[str, Found]:
        """Give what was found after so long a time, or when all of it is there."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while (left := deadline - time.monotonic()) > 0 and not self._complete():
                self._changed.wait(left)
            if not self._connected:
                raise LocalFault(f'broker not reachable: {self._trouble}')
            return dict(self._found)

    def _complete(self) -> bool:
        one = self._found.get(self.level)
        return one is not None and one.channels is not None

    def _read(self, robot_id: str, kind: str, payload: bytes) -> None:
        if not payload or (robot_id not in self._found and len(self._found) == _MOST_ROBOTS):
            return
        try:
            document = decode_json(payload)
        except ProtocolError:
            return
        found = self._found.setdefault(robot_id, Found())
        if kind == 'state':
            found.online = document.get('state') == 'online'
        elif kind == 'info':
            offered = offered_channels(document).values()
            found.channels = {one.name: one.kind.value for one in offered}
            found.leases = {one.name for one in offered if one.lease}
            found.ttls_s = {
                one.name: one.max_ttl_s for one in offered if one.max_ttl_s is not None
            }

    def _ask(self, robot_id: str) -> None:
        """Ask for what the broker keeps from us, once."""
        if not self._informed or robot_id in self._asked or self.session is None:
            return
        found = self._found.get(robot_id)
        if found is not None and found.channels is not None:
            return
        if found is not None and found.online is False and robot_id not in self._known:
            return
        self._asked.add(robot_id)
        topic = RobotTopics(self._root, robot_id).ask(f'rcb-{secrets.token_hex(6)}')
        try:
            self.session.publish(
                Outgoing(topic=topic, payload=encode_ask(Ask(info=True)), expiry_s=10.0)
            )
        except SessionFull:
            self._asked.discard(robot_id)
