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

"""A robot with durable streams as the protocol describes it, that hears confirmations."""

from collections.abc import Sequence
import secrets
import time

from ros_cloud_bridge.mqtt.events import Connected, SessionEvent
from ros_cloud_bridge.mqtt.events import Received as MqttReceived
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.ranges import Ranges
from ros_cloud_bridge.values import MqttConfig, Received
from ros_cloud_bridge.wire.account import Account, encode_account, Gap, RouteAccount
from ros_cloud_bridge.wire.announce import decode_ask, encode_json
from ros_cloud_bridge.wire.batch import Batch, encode_batch, Section
from ros_cloud_bridge.wire.confirm import Confirmation, decode_confirmation

from .broker import Broker
from .waiting import wait_until
from .wire_robot import ROOT, WireRobot


class DurableRobot(WireRobot):
    """
    Keeps what it has sent until its consumer confirms it, and sends it again when told to.

    :param broker: running broker
    :param robot_id: the robot
    :param confirm_by: the consumer that its stream names
    """

    def __init__(self, broker: Broker, robot_id: str, confirm_by: str) -> None:
        super().__init__(broker, robot_id)
        self.confirm_by = confirm_by
        self.connection = 1
        self.confirmations: list[tuple[str, Confirmation]] = []
        self.sent: dict[int, dict[int, bytes]] = {}
        self._session = Session(
            MqttConfig(host=broker.host, port=broker.port),
            client_id=f'durable-{self.boot.hex()}'[:23],
            subscriptions=[f'{ROOT}/{robot_id}/ask/+', f'{ROOT}/{robot_id}/confirm/+'],
            on_event=self._on_event,
        )

    def __enter__(self) -> 'DurableRobot':
        super().__enter__()
        return self

    def birth(self, *, online: bool = True, retain: bool = True) -> None:
        """
        Say ``state``, with the present connection's number.

        :param online: or offline, after a shutdown
        :param retain: whether the broker shall keep it
        """
        document = {
            'version': 1,
            'robot_id': self.robot_id,
            'state': 'online' if online else 'offline',
            'reason': 'birth' if online else 'shutdown',
            'boot_id': self.boot.hex(),
            'connection': self.connection,
        }
        self.publish(self.topics.state, encode_json(document), retain=retain)

    def info(self, *, retain: bool = True) -> None:
        """
        Say ``info``: one stream, and who confirms it.

        :param retain: whether the broker shall keep it
        """
        stream = {'name': 'all', 'keep': 'durable', 'confirm': 'consumer'}
        routes = [
            {
                'route': route.number,
                'stream': route.descriptor.stream,
                'topic': route.descriptor.topic,
                'type': route.descriptor.type_name,
                'schema': route.descriptor.schema_id,
                'latched': False,
            }
            for route in self.routes
        ]
        document = {
            'version': 1,
            'boot_id': self.boot.hex(),
            'streams': [{**stream, 'confirm_by': self.confirm_by}],
            'routes': routes,
        }
        self.publish(self.topics.info, encode_json(document), retain=retain)

    def live(self, route: int, cdrs: Sequence[bytes]) -> list[int]:
        """
        Send new samples live.

        :param route: their route
        :param cdrs: messages
        :returns: the sequence numbers
        """
        sequences = self.send(route, cdrs)
        self.sent.setdefault(route, {}).update(zip(sequences, cdrs, strict=True))
        return sequences

    def backlog(self, route: int, numbers: Sequence[int], boot: bytes = b'') -> None:
        """
        Send samples (again) as backlog.

        :param route: their route
        :param numbers: sequence numbers of samples that were sent before, rising
        :param boot: of this boot, when it is none of another's
        """
        entry = self.routes[route]
        now = time.time_ns()
        samples = [Received(self.sent[route][number], now, now + 5000) for number in numbers]
        section = Section(
            route=route,
            descriptor=entry.descriptor,
            sequences=numbers,
            samples=samples,
            totals=None,
        )
        batch = Batch(
            boot=boot or self.boot,
            number=secrets.randbelow(2**62),
            sent_time_ns=now,
            sections=(section,),
        )
        self.publish(self.topics.backlog, encode_batch(batch, {route: entry.encoder}))

    def account(
        self, route: int, committed: int, gaps: Sequence[Gap] = (), closed: bool = False
    ) -> None:
        """
        Say how far a route is committed, and what of it will never come.

        :param route: the route
        :param committed: its highest committed number
        :param gaps: what will never come
        :param closed: whether the boot is over
        """
        entry = RouteAccount(
            route=route,
            descriptor=self.routes[route].descriptor,
            committed=committed,
            closed=closed,
            gaps=tuple(gaps),
        )
        account = Account(boot=self.boot, number=secrets.randbelow(2**62), routes=(entry,))
        self.publish(self.topics.backlog, encode_account(account))

    def held(self, route: int) -> list[tuple[int, int]]:
        """
        Sum up what was confirmed.

        :param route: the route
        :returns: ranges
        """
        held = Ranges()
        for _, confirmation in list(self.confirmations):
            for entry in confirmation.held:
                if (entry.boot, entry.route) == (self.boot, route):
                    for first, last in entry.ranges:
                        held.add(first, last)
        return list(held)

    def unconfirmed(self, route: int) -> list[int]:
        """
        Find what was sent and is not confirmed.

        :param route: the route
        :returns: sequence numbers, rising
        """
        held = Ranges(self.held(route))
        return [number for number in self.sent.get(route, {}) if held.at(number) is None]

    def wait_for_confirmed(self, route: int, *ranges: tuple[int, int]) -> None:
        """
        Wait until exactly this is confirmed.

        :param route: the route
        :param ranges: ranges
        """
        try:
            wait_until(lambda: self.held(route) == list(ranges), 20.0)
        except AssertionError:
            raise AssertionError(f'{self.held(route)} is confirmed, not {ranges}') from None

    def _on_event(self, event: SessionEvent) -> None:
        if isinstance(event, Connected):
            self._connected.set()
        elif isinstance(event, MqttReceived):
            *_, kind, consumer = event.topic.split('/')
            if kind == 'ask':
                self.asks.append(decode_ask(event.payload))
            else:
                # Outside its limits it fails the test here.
                self.confirmations.append((consumer, decode_confirmation(event.payload)))
