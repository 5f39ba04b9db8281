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

"""A client of the Foxglove WebSocket protocol (foxglove.sdk.v1), as far as tests need it."""

from collections import defaultdict
from contextlib import ExitStack
import itertools
import json
import struct
import threading
from types import TracebackType
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from .waiting import wait_until

_PROTOCOL = Subprotocol('foxglove.sdk.v1')
_MESSAGE, _SERVICE_RESPONSE = 1, 3
_CLIENT_MESSAGE, _SERVICE_REQUEST = 1, 2


class FoxgloveClient:
    """
    Connects, and keeps what the server says.

    ``channels`` and ``services`` are the server's by name, ``received`` the messages by topic,
    each (log time, bytes), ``statuses`` what was told, ``problems`` what of it holds, by its id,
    ``parameters`` what was told last. ``offered`` has all channels by id.

    :param port: of the server, on this machine
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.info: dict[str, Any] = {}
        self.channels: dict[str, dict[str, Any]] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self.received: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        self.offered: dict[int, dict[str, Any]] = {}
        self.statuses: list[str] = []
        self.problems: dict[str, str] = {}
        self.parameters: dict[str, Any] = {}
        self.responses: dict[int, Any] = {}
        self._topics: dict[int, str] = {}
        self._numbers = itertools.count(1)
        self._published: dict[str, int] = {}
        self._closing = ExitStack()
        self._socket = self._closing.enter_context(
            connect(
                f'ws://127.0.0.1:{port}', subprotocols=[_PROTOCOL], max_size=None, compression=None
            )
        )
        assert self._socket.subprotocol == _PROTOCOL
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> 'FoxgloveClient':
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.close()
        self._thread.join(5.0)

    def subscribe(self, topic: str) -> int:
        """
        Subscribe, once the server has the topic.

        :param topic: the server's name of it
        :returns: number of the subscription
        """
        wait_until(lambda: topic in self.channels, what=f'the channel {topic}')
        number = next(self._numbers)
        self._topics[number] = topic
        wanted = {'id': number, 'channelId': self.channels[topic]['id']}
        self._say({'op': 'subscribe', 'subscriptions': [wanted]})
        return number

    def unsubscribe(self, number: int) -> None:
        """
        Take a subscription back.

        :param number: of it
        """
        self._say({'op': 'unsubscribe', 'subscriptionIds': [number]})

    def publish(self, topic: str, fields: object) -> None:
        """
        Publish JSON; the first time on a topic advertises it.

        :param topic: where
        :param fields: of the message
        """
        number = self._published.get(topic)
        if number is None:
            number = self._published[topic] = next(self._numbers)
            channel = {'id': number, 'topic': topic, 'encoding': 'json', 'schemaName': ''}
            self._say({'op': 'advertise', 'channels': [channel]})
        data = json.dumps(fields).encode()
        self._socket.send(struct.pack('<BI', _CLIENT_MESSAGE, number) + data)

    def unadvertise(self, topic: str) -> None:
        """
        Say that nothing is published any more.

        :param topic: where
        """
        self._say({'op': 'unadvertise', 'channelIds': [self._published.pop(topic)]})

    def call(self, name: str, fields: object) -> Any:
        """
        Call a service.

        :param name: its name
        :param fields: of the request
        :returns: fields of the response, or the text of the failure
        """
        wait_until(lambda: name in self.services, what=f'the service {name}')
        number = next(self._numbers)
        head = struct.pack('<BIII', _SERVICE_REQUEST, self.services[name]['id'], number, 4)
        self._socket.send(head + b'json' + json.dumps(fields).encode())
        wait_until(lambda: number in self.responses, what='the response')
        return self.responses[number]

    def get_parameters(self) -> None:
        """Ask for all parameters, and for changes of them."""
        self._say({'op': 'getParameters', 'parameterNames': [], 'id': 'all'})

    def watch_parameters(self, *names: str) -> None:
        """
        Ask to be told of changes.

        :param names: of parameters
        """
        self._say({'op': 'subscribeParameterUpdates', 'parameterNames': list(names)})

    def set_parameter(self, name: str, value: object) -> None:
        """
        Set a parameter.

        :param name: its name
        :param value: its value
        """
        self._say({'op': 'setParameters', 'parameters': [{'name': name, 'value': value}]})

    def _say(self, message: dict[str, Any]) -> None:
        self._socket.send(json.dumps(message))

    def _run(self) -> None:
        try:
            for message in self._socket:
                if isinstance(message, str):
                    self._take(json.loads(message))
                else:
                    self._take_bytes(message)
        except ConnectionClosed:
            return

    def _take(self, message: dict[str, Any]) -> None:
        match message['op']:
            case 'serverInfo':
                self.info = message
            case 'advertise':
                self.offered.update({one['id']: one for one in message['channels']})
                self.channels.update({one['topic']: one for one in message['channels']})
            case 'unadvertise':
                gone = set(message['channelIds'])
                self.offered = {
                    number: one for number, one in self.offered.items() if number not in gone
                }
                self.channels = {
                    topic: one for topic, one in self.channels.items() if one['id'] not in gone
                }
            case 'advertiseServices':
                self.services.update({one['name']: one for one in message['services']})
            case 'parameterValues':
                self.parameters.update(
                    {one['name']: one.get('value') for one in message['parameters']}
                )
            case 'status':
                self.statuses.append(message['message'])
                self.problems[message.get('id', '')] = message['message']
            case 'removeStatus':
                for number in message['statusIds']:
                    self.problems.pop(number, None)
            case 'serviceCallFailure':
                self.responses[message['callId']] = message['message']

    def _take_bytes(self, message: bytes) -> None:
        if message[0] == _MESSAGE:
            number, time_ns = struct.unpack_from('<IQ', message, 1)
            self.received[self._topics[number]].append((time_ns, message[13:]))
        elif message[0] == _SERVICE_RESPONSE:
            _, number, size = struct.unpack_from('<III', message, 1)
            assert message[13 : 13 + size] == b'json'
            self.responses[number] = json.loads(message[13 + size :])
