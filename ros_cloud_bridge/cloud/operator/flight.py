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

"""A command between its hand-over and its end, and what of it goes to the broker."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ros_cloud_bridge.cloud.operator.sent import Sent
from ros_cloud_bridge.command_values import State


@dataclass(slots=True, kw_only=True, eq=False)
class Flight:
    """
    A command on its way.

    Times are monotonic seconds: it may begin until ``expires_at``. ``arguments`` are asked for
    when it is signed, ``id`` and ``payload`` are empty until then. ``last`` is the newest state
    that the robot has told, ``number`` its answer's.
    """

    sent: Sent
    arguments: Callable[[], Any]
    expires_at: float
    topic: str
    id: bytes = b''
    epoch: bytes = b''
    payload: bytes = b''
    published_at: float | None = None
    again_at: float = 0.0
    last: State | None = None
    number: int = -1
    retried: bool = False
    nobody: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a message was, for what the broker says to it."""

    robot_id: str
    id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A message to be published now; ``expiry_s`` is MQTT's message expiry."""

    topic: str
    payload: bytes
    expiry_s: float
    token: Token


@dataclass(slots=True)
class Nonces:
    """What was asked on the channel ``time``, by nonce; only a few are remembered."""

    most: int = 8
    asked: dict[bytes, float] = field(default_factory=dict)
    accepted_at: float = float('-inf')

    def add(self, nonce: bytes, now: float) -> None:
        """
        Remember a question.

        :param nonce: its id
        :param now: monotonic seconds
        """
        self.asked[nonce] = now
        while len(self.asked) > self.most:
            del self.asked[next(iter(self.asked))]

    def take(self, nonce: bytes) -> bool:
        """
        Take the answer to a question.

        :param nonce: its id
        :returns: whether it is news: a later question has not been answered before
        """
        asked_at = self.asked.pop(nonce)
        news = asked_at > self.accepted_at
        self.accepted_at = max(self.accepted_at, asked_at)
        return news
