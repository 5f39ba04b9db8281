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

"""A Foxglove server before a consumer: robots' streams to Foxglove, Lichtblick and the like."""

from collections.abc import Callable
from dataclasses import dataclass
import logging
import ssl
import threading
import time
from typing import Any

import foxglove
from foxglove.websocket import (
    Capability,
    ChannelView,
    Client,
    ClientChannel,
    ServerListener,
    StatusLevel,
)

from ros_cloud_bridge.cloud.consumer import Consumer, printable
from ros_cloud_bridge.cloud.documents import boot_of, info_routes
from ros_cloud_bridge.cloud.foxglove.channels import Channels
from ros_cloud_bridge.cloud.foxglove.commands import Commands
from ros_cloud_bridge.cloud.foxglove.door import Door, inner_host, USUAL_ORIGINS
from ros_cloud_bridge.cloud.foxglove.leases import Leases
from ros_cloud_bridge.cloud.foxglove.parameters import Parameters
from ros_cloud_bridge.cloud.operator.channels import offered_channels
from ros_cloud_bridge.cloud.operator.operator import Operator
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.cloud.topic_names import TopicNames
from ros_cloud_bridge.errors import BridgeError, LocalFault
from ros_cloud_bridge.wire.batch import Descriptor

_NAME = 'ros_cloud_bridge'
_SAID_AGAIN_S = 2.0

_log = logging.getLogger(__name__)

OnSample = Callable[[Sample], None]
OnDocument = Callable[[str, str, dict[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """
    Where a server listens, and to whom.

    :param host: name or address
    :param port: 0 for any that is free
    :param tls: for ``wss://``; None for plain ``ws://``
    :param origins: whose pages a browser may connect from, besides this machine's own
    """

    host: str = '127.0.0.1'
    port: int = 8765
    tls: ssl.SSLContext | None = None
    origins: tuple[str, ...] = USUAL_ORIGINS


class FoxgloveServer:
    """
    Serves what a consumer receives.

    Streams on demand are leased while a client has subscribed to one of their topics. With an
    operator clients may also publish, call services and set parameters.

    :param consumer: makes the consumer, of what takes its samples and its robots' documents
    :param listening: where to listen
    :param prefix: write ``/{robot}`` before each topic
    :param wanted: says which topics are served
    :param operator: who signs commands; None for a server that only shows
    :param historical: serve what comes late out of a spool, too
    :raises LocalFault: when nothing can listen there
    """

    def __init__(
        self,
        consumer: Callable[[OnSample, OnDocument], Consumer],
        listening: Listening,
        *,
        prefix: bool,
        wanted: Callable[[str], bool] = lambda topic: True,
        operator: Operator | None = None,
        historical: bool = False,
    ) -> None:
        names = TopicNames(prefix=prefix)
        self._said_lock = threading.Lock()
        self._said_at: dict[str, float] = {}
        self._shown: set[str] = set()
        self._historical = historical
        self._operator = operator
        self._context = foxglove.Context()
        self._channels = Channels(self._context, names, wanted)
        self._commands = (
            Commands(operator, names, self._said, self._unsaid) if operator is not None else None
        )
        self._parameters = (
            Parameters(operator, names, self._changed, self._said)
            if operator is not None
            else None
        )
        self.consumer = consumer(self._sample, self._document)
        # A boot, and topics of it whose schema was asked for and has not come.
        self._unoffered: dict[str, tuple[str, list[Descriptor]]] = {}
        self._leases = Leases(self.consumer.lease, self.consumer.release)
        self._host = inner_host()
        self._server = self._serve()
        try:
            self._door = Door(
                listening.host,
                listening.port,
                lambda: (self._host, self._server.port),
                listening.origins,
                listening.tls,
            )
        except OSError as error:
            self._server.stop()
            raise LocalFault(
                f'cannot listen on {listening.host}:{listening.port}: {error}'
            ) from None

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._door.port

    @property
    def samples(self) -> int:
        """How many samples have gone to at least one client."""
        return self._channels.samples

    def start(self) -> None:
        """Begin to receive."""
        if self._operator is not None:
            self._operator.start()
        self.consumer.start()

    def stop(self) -> None:
        """Give leases back, and leave."""
        if self._commands is not None:
            self._commands.stop()
        if self._parameters is not None:
            self._parameters.stop()
        if self._operator is not None:
            self._operator.stop()
        self.consumer.stop()
        self._door.close()
        self._server.stop()
        self._channels.close()

    def _serve(self) -> foxglove.websocket.WebSocketServer:
        capabilities = [Capability.ClientPublish, Capability.Services, Capability.Parameters]
        return foxglove.start_server(
            name=_NAME,
            host=self._host,
            port=0,
            capabilities=capabilities if self._operator is not None else [],
            server_listener=_Listener(
                self._channels, self._leases, self._commands, self._parameters, self._said
            ),
            supported_encodings=['json'],
            context=self._context,
        )

    def _sample(self, sample: Sample) -> None:
        if self._historical or not sample.historical:
            self._channels.sample(sample)
        if sample.robot_id in self._unoffered:
            self._advertise(sample.robot_id)

    def _document(self, robot_id: str, kind: str, document: dict[str, Any]) -> None:
        if kind == 'info':
            self._informed(robot_id, document)
        elif kind == 'health':
            self._channels.health(robot_id, document)
        if robot_id in self._unoffered:
            self._advertise(robot_id)

    def _informed(self, robot_id: str, info: dict[str, Any]) -> None:
        streams = info.get('streams')
        on_demand = {
            one['name']
            for one in (streams if isinstance(streams, list) else ())
            if isinstance(one, dict)
            and isinstance(one.get('name'), str)
            and one.get('on_demand') is True
        }
        self._leases.on_demand(robot_id, on_demand)
        boot_id = boot_of('info', info)
        routes = [descriptor for _, descriptor in info_routes(info)]
        # On a thin link info tells of none.
        if info.get('routes_total', len(routes)) == len(routes):
            self._channels.keep(robot_id, boot_id, routes)
        self._unoffered[robot_id] = boot_id, routes
        self._advertise(robot_id)
        if self._commands is None or self._parameters is None:
            return
        offered = offered_channels(info)
        services, gone = self._commands.offer(robot_id, offered)
        self._server.remove_services(gone)
        self._server.add_services(services)
        self._parameters.offer(robot_id, offered.values())

    def _advertise(self, robot_id: str) -> None:
        """Offer what does not flow yet; a schema may come later than the topic."""
        decoder = self.consumer.decoder
        left = []
        boot_id, routes = self._unoffered.pop(robot_id)
        for route in routes:
            schema = decoder.schema(route.schema_id, route.type_name)
            if schema is not None:
                self._channels.advertise(robot_id, boot_id, route.topic, route.stream, schema)
            elif route.schema_id:
                left.append(route)
        if left:
            self._unoffered[robot_id] = boot_id, left

    def _changed(self, parameters: list[foxglove.Parameter]) -> None:
        self._server.publish_parameter_values(parameters)

    def _said(self, what: str, text: str) -> None:
        line = printable(f'{what}: {text}')
        if self._repeats(line):
            return
        _log.warning('%s', line)
        with self._said_lock:
            self._shown.add(printable(what))
        self._server.publish_status(line, StatusLevel.Warning, id=printable(what))

    def _unsaid(self, what: str) -> None:
        """Take back what holds no more."""
        with self._said_lock:
            if printable(what) not in self._shown:
                return
            self._shown.discard(printable(what))
        self._server.remove_status([printable(what)])

    def _repeats(self, line: str) -> bool:
        """Tell whether it was said just now: a panel may ask many times a second."""
        now = time.monotonic()
        with self._said_lock:
            self._said_at = {
                other: at for other, at in self._said_at.items() if now - at < _SAID_AGAIN_S
            }
            if line in self._said_at:
                return True
            self._said_at[line] = now
        return False


class _Listener(ServerListener):
    """What clients do; called by the server's own threads, into which nothing may be raised."""

    def __init__(
        self,
        channels: Channels,
        leases: Leases,
        commands: Commands | None,
        parameters: Parameters | None,
        said: Callable[[str, str], None],
    ) -> None:
        self._channels = channels
        self._leases = leases
        self._commands = commands
        self._parameters = parameters
        self._said = said
        self._lock = threading.Lock()
        self._published: dict[tuple[int, int], ClientChannel] = {}
        # Clients are told to have unsubscribed from a channel when it has gone already.
        self._wanted: dict[tuple[int, int], tuple[str, str]] = {}

    def on_subscribe(self, client: Client, channel: ChannelView) -> None:
        self._channels.repeat(channel.id)
        place = self._channels.stream_of(channel.id)
        if place is not None:
            with self._lock:
                self._wanted[client.id, channel.id] = place
            self._leases.want(place)

    def on_unsubscribe(self, client: Client, channel: ChannelView) -> None:
        with self._lock:
            place = self._wanted.pop((client.id, channel.id), None)
        if place is not None:
            self._leases.leave(place)

    def on_client_advertise(self, client: Client, channel: ClientChannel) -> None:
        with self._lock:
            self._published[client.id, channel.id] = channel

    def on_client_unadvertise(self, client: Client, client_channel_id: int) -> None:
        with self._lock:
            channel = self._published.pop((client.id, client_channel_id), None)
            others = {other.topic for other in self._published.values()}
        # Who else drives goes on.
        if channel is not None and self._commands is not None and channel.topic not in others:
            self._commands.left(channel.topic)

    def on_message_data(self, client: Client, client_channel_id: int, data: bytes) -> None:
        with self._lock:
            channel = self._published.get((client.id, client_channel_id))
        if channel is None or self._commands is None:
            return
        try:
            self._commands.publish(channel, data)
        except BridgeError as error:
            self._said(channel.topic, str(error))

    def on_get_parameters(
        self, client: Client, param_names: list[str], request_id: str | None = None
    ) -> list[foxglove.Parameter]:
        return [] if self._parameters is None else self._parameters.get(param_names)

    def on_set_parameters(
        self,
        client: Client,
        parameters: list[foxglove.Parameter],
        request_id: str | None = None,
    ) -> list[foxglove.Parameter]:
        return [] if self._parameters is None else self._parameters.set(parameters)
