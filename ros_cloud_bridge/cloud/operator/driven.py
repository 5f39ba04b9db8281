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

"""Messages that drive, between their sending and the one answer that there is to each."""

from collections import OrderedDict
from typing import Protocol

from ros_cloud_bridge.command_values import Answer, Command, State

_MOST = 512


class Driver(Protocol):
    """Sends messages that drive."""

    def hear(self, answer: Answer, sent_at: float, at: float) -> str:
        """
        Take the answer to one of them.

        :param answer: of the robot
        :param sent_at: when the message was sent, monotonic seconds
        :param at: when the answer arrived
        :returns: why it is dropped, or ''
        """


class Driven:
    """Remembers the newest messages that drive."""

    def __init__(self) -> None:
        self._sent: OrderedDict[bytes, tuple[Driver, float, bytes]] = OrderedDict()

    def __contains__(self, identity: bytes) -> bool:
        return identity in self._sent

    def add(self, command: Command, driver: Driver, now: float) -> None:
        """
        Remember a message.

        :param command: the message
        :param driver: hears of it
        :param now: monotonic seconds
        """
        self._sent[command.id] = (driver, now, command.epoch)
        while len(self._sent) > _MOST:
            self._sent.popitem(last=False)

    def take(self, answer: Answer, at: float) -> str:
        """
        Take the answer to a message, the only one: what comes again is a recording.

        :param answer: to a message that is remembered
        :param at: when it arrived, monotonic seconds
        :returns: why it is dropped, or ''
        """
        driver, sent_at, epoch = self._sent.pop(answer.id)
        if answer.state is not State.REJECTED and answer.epoch != epoch:
            # A later run of the robot can only refuse it.
            return 'wrong_epoch'
        return driver.hear(answer, sent_at, at)
