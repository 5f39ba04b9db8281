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

"""What Foxglove's clients may do at robots, as signed commands of one operator."""

from collections.abc import Callable, Mapping
import json
import threading
from typing import Any

import foxglove
from foxglove.websocket import ClientChannel

from ros_cloud_bridge.cloud.format import to_json_value
from ros_cloud_bridge.cloud.operator.channels import OfferedChannel
from ros_cloud_bridge.cloud.operator.operator import Operator, TTL_S
from ros_cloud_bridge.cloud.operator.steering import DRIVES, Steering
from ros_cloud_bridge.cloud.topic_names import TopicNames
from ros_cloud_bridge.command_values import Answer, State
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.values import ChannelKind

# A service may take its time; a client that asks again would call it twice.
_CALL_S = 60.0


class Commands:
    """
    Finds the channel that a client means, and sends it a command.

    What a client publishes on ``/{robot}/cmd/{channel}`` goes to that channel; services have the
    same names. All of it is JSON.

    :param operator: who signs
    :param names: which names robots' topics get
    :param said: takes whose and what robots refuse, for people
    :param unsaid: takes whose refusals hold no more
    """

    def __init__(
        self,
        operator: Operator,
        names: TopicNames,
        said: Callable[[str, str], None],
        unsaid: Callable[[str], None],
    ) -> None:
        self._operator = operator
        self._names = names
        self._said = said
        self._unsaid = unsaid
        self._lock = threading.Lock()
        self._channels: dict[str, tuple[str, OfferedChannel]] = {}
        self._steerings: dict[str, Steering] = {}

    def offer(
        self, robot_id: str, offered: Mapping[str, OfferedChannel]
    ) -> tuple[list[foxglove.Service], list[str]]:
        """
        Take in what a robot offers.

        :param robot_id: the robot
        :param offered: its channels by name
        :returns: services that are new, and names of those that have gone
        """
        now = {
            self._names.name(robot_id, f'/cmd/{channel.name}'): (robot_id, channel)
            for channel in offered.values()
        }
        with self._lock:
            before = {
                name: place for name, place in self._channels.items() if place[0] == robot_id
            }
            gone = [name for name, place in before.items() if now.get(name) != place]
            new = {name: place for name, place in now.items() if before.get(name) != place}
            for name in gone:
                del self._channels[name]
            self._channels.update(new)
        services = [
            self._service(name, robot_id, channel)
            for name, (_, channel) in new.items()
            if channel.kind is ChannelKind.SERVICE
        ]
        return services, [name for name in gone if before[name][1].kind is ChannelKind.SERVICE]

    def publish(self, client: ClientChannel, data: bytes) -> None:
        """
        Send what a client has published.

        :param client: its channel
        :param data: JSON
        :raises ConfigError: when it cannot be sent; says why
        """
        robot_id, channel = self._channel(client.topic, ChannelKind.TOPIC)
        fields = _fields(data)
        if not channel.lease:
            self._operator.publish(
                robot_id,
                channel.name,
                fields,
                ttl_s=channel.ttl_s(TTL_S),
                on_answer=lambda answer: self._answered(robot_id, channel.name, answer),
            )
            return
        with self._lock:
            steering = self._steerings.get(client.topic)
            if steering is None:
                steering = self._steerings[client.topic] = Steering(
                    self._operator,
                    robot_id,
                    channel.name,
                    said=lambda text: self._steers(f'{robot_id} {channel.name}', text),
                    ttl_s=channel.ttl_s(2.0),
                )
        steering.set(fields)

    def left(self, topic: str) -> None:
        """
        Note that a client does not publish any more; what it drove stops.

        :param topic: what it published on
        """
        with self._lock:
            steering = self._steerings.get(topic)
        if steering is not None:
            steering.release()

    def stop(self) -> None:
        """Give leases back."""
        with self._lock:
            steerings = list(self._steerings.values())
        for steering in steerings:
            steering.stop()

    def _steers(self, what: str, text: str) -> None:
        if text == DRIVES:
            self._unsaid(what)
        else:
            self._said(what, text)

    def _answered(self, robot_id: str, channel: str, answer: Answer) -> None:
        if answer.state in (State.FAILED, State.REJECTED):
            self._said(f'{robot_id} {channel}', answer.reason)
        elif answer.state is State.SUCCEEDED:
            self._unsaid(f'{robot_id} {channel}')

    def _channel(self, name: str, kind: ChannelKind) -> tuple[str, OfferedChannel]:
        with self._lock:
            found = self._channels.get(name)
        if found is None or found[1].kind is not kind:
            raise ConfigError('topic', f'{name!r} is no channel of kind {kind.value} of any robot')
        return found

    def _service(self, name: str, robot_id: str, channel: OfferedChannel) -> foxglove.Service:
        def call(request: foxglove.ServiceRequest) -> bytes:
            # What is raised here is what the client is told.
            sent = self._operator.call(
                robot_id, channel.name, _fields(request.payload), ttl_s=channel.ttl_s(TTL_S)
            )
            outcome = sent.wait(_CALL_S)
            if not outcome.succeeded:
                raise RuntimeError(str(outcome))
            return json.dumps(to_json_value(outcome.detail or {})).encode()

        return foxglove.Service(
            name,
            schema=foxglove.ServiceSchema(
                channel.type_name or channel.name,
                request=_json_schema('Request'),
                response=_json_schema('Response'),
            ),
            handler=call,
        )


def _fields(data: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigError('message', f'is not JSON: {error}') from None
    if not isinstance(fields, dict):
        raise ConfigError('message', 'is a JSON object with the fields')
    return fields


def _json_schema(name: str) -> foxglove.MessageSchema:
    # Robots tell no service's fields: any object goes, and the robot says what it does not take.
    text = json.dumps({'type': 'object', 'properties': {}, 'additionalProperties': True})
    schema = foxglove.Schema(name=name, encoding='jsonschema', data=text.encode())
    return foxglove.MessageSchema(encoding='json', schema=schema)
