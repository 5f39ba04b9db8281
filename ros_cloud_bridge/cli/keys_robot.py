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

"""A robot's public key, as its ``info`` says it; nothing vouches for it but the broker."""

import queue
import re
import secrets
import time

from ros_cloud_bridge.errors import LocalFault, ProtocolError, RemoteFault
from ros_cloud_bridge.mqtt.events import (
    Connected,
    Outgoing,
    Received,
    Refused,
    SessionEvent,
    SubscriptionRefused,
    Unreachable,
)
from ros_cloud_bridge.mqtt.session import Session
from ros_cloud_bridge.signing.keys import PublicKey
from ros_cloud_bridge.values import MqttConfig
from ros_cloud_bridge.wire.announce import Ask, decode_json, encode_ask
from ros_cloud_bridge.wire.topics import RobotTopics


class NoRobotKey(RemoteFault):
    """A robot's key could not be had."""


def key_in(info: bytes) -> PublicKey | None:
    """
    Take a robot's key out of its ``info``.

    :param info: the document
    :returns: the key, or None when the robot has none
    :raises ProtocolError: when it is malformed
    """
    document = decode_json(info)
    text, kid = document.get('key'), document.get('kid')
    if text is None:
        return None
    if not isinstance(text, str) or not re.fullmatch('[0-9a-f]{64}', text):
        raise ProtocolError('key in info: not 64 hexadecimal digits')
    try:
        key = PublicKey(bytes.fromhex(text))
    except ValueError as error:
        raise ProtocolError(f'key in info: {error}') from None
    if kid != key.kid.hex():
        raise ProtocolError('kid in info: not that of its key')
    return key


def ask_for_key(config: MqttConfig, root: str, robot_id: str, timeout_s: float) -> PublicKey:
    """
    Ask a broker for a robot's key.

    :param config: how to reach the broker
    :param root: the fleet's topic root
    :param robot_id: the robot
    :param timeout_s: for all of it
    :returns: the key that stands in the robot's ``info``
    :raises LocalFault: when the broker can't be reached
    :raises RemoteFault: when no key comes
    """
    topics = RobotTopics(root, robot_id)
    name = f'rcb-{secrets.token_hex(6)}'
    # Bounded: who floods the topic gets no more of our memory than this.
    events: queue.Queue[SessionEvent] = queue.Queue(64)
    session = Session(
        config,
        client_id=name,
        subscriptions=[topics.info],
        on_event=lambda event: _put(events, event),
        max_receive_bytes=1 << 20,
    )
    session.start()
    try:
        return _await_key(session, events, topics.ask(name), robot_id, timeout_s)
    finally:
        session.stop(2.0)


def _put(events: 'queue.Queue[SessionEvent]', event: SessionEvent) -> None:
    try:
        events.put_nowait(event)
    except queue.Full:
        pass


def _await_key(
    session: Session,
    events: 'queue.Queue[SessionEvent]',
    ask_topic: str,
    robot_id: str,
    timeout_s: float,
) -> PublicKey:
    deadline = time.monotonic() + timeout_s
    trouble = 'the broker does not answer'
    local = True
    while (left := deadline - time.monotonic()) > 0:
        try:
            event = events.get(timeout=left)
        except queue.Empty:
            break
        if isinstance(event, Connected):
            local, trouble = False, 'it says nothing: is it online?'
            # Where nothing is retained, or the broker keeps it from us, the robot says it again.
            session.publish(
                Outgoing(topic=ask_topic, payload=encode_ask(Ask(info=True)), expiry_s=timeout_s)
            )
        elif isinstance(event, (Unreachable, Refused)):
            local, trouble = True, event.reason
        elif isinstance(event, SubscriptionRefused):
            local, trouble = False, f'the broker refuses the subscription to {event.topic_filter}'
        elif isinstance(event, Received) and event.payload:
            try:
                key = key_in(event.payload)
            except ProtocolError as error:
                trouble = str(error)
                continue
            if key is not None:
                return key
            trouble = 'its info holds no key: are commands configured?'
    if local:
        raise LocalFault(f'broker not reachable: {trouble}')
    raise NoRobotKey(f'no key of robot {robot_id}: {trouble}')
