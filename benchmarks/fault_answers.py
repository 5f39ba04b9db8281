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

"""Brokers that answer, but not as hoped: refusals, and nobody who listens."""

import random
import threading

from fault_base import Options, Result, result, Rig, Scenario, started, wait

from support.waiting import wait_until

QUOTA_EXCEEDED, NOT_AUTHORIZED = 0x97, 0x87


class Refusals:
    """
    Answers some of the batches; asked on the proxy's thread.

    :param code: reason code
    :param share: of how many batches
    :param drawn: decides which
    """

    def __init__(self, code: int, share: float, drawn: random.Random) -> None:
        self._code = code
        self._share = share
        self._drawn = drawn
        self._lock = threading.Lock()
        self.refused = 0

    def __call__(self, topic: str, payload: bytes) -> int | None:
        """Judge a PUBLISH."""
        with self._lock:
            if '/b/' not in topic or self._drawn.random() >= self._share:
                return None
            self.refused += 1
            return self._code

    def wait_for(self, count: int) -> None:
        """
        Wait for refusals.

        :param count: how many
        """
        wait_until(lambda: self.refused >= count, 60.0, 'refusals')


def refuse_0x97(options: Options) -> Result:
    """
    Let the broker say that a quota is exceeded, to everything and then to half of it.

    :param options: how
    :returns: the result
    """
    drawn = options.drawn('refuse_0x97')
    refused = 0
    with Rig(options.setup()) as rig:
        started(rig)
        for share in (1.0, 0.5):
            rule = Refusals(QUOTA_EXCEEDED, share, drawn)
            wait(1.0)
            rig.proxy.rule = rule
            rule.wait_for(6)
            wait(2.0)
            rig.proxy.rule = None
            refused += rule.refused
        return result(rig, refused, {'refused_publishes': refused})


def refuse_0x87(options: Options) -> Result:
    """
    Let the broker say of some batches that they are not authorised: for good.

    :param options: how
    :returns: the result
    """
    drawn = options.drawn('refuse_0x87')
    with Rig(options.setup()) as rig:
        started(rig)
        rule = Refusals(NOT_AUTHORIZED, 0.2, drawn)
        wait(1.0)
        rig.proxy.rule = rule
        rule.wait_for(6)
        rig.proxy.rule = None
        wait(0.5)
        # And backlog, which is refused in larger pieces.
        rig.proxy.refuse()
        wait(1.0)
        live = rule.refused
        rule = Refusals(NOT_AUTHORIZED, 0.5, drawn)
        rig.proxy.heal()
        rig.proxy.rule = rule
        rule.wait_for(3)
        rig.proxy.rule = None
        refused = live + rule.refused
        outcome = result(rig, refused, {'refused_publishes': refused})
        outcome.notes['dead_letters'] = rig.book.dead_letters
        return outcome


def no_subscriber_0x10(options: Options) -> Result:
    """
    Let nobody subscribe: the broker acknowledges with 0x10, and nothing is delivered.

    :param options: how
    :returns: the result; ``kept`` samples were in the bridge when the consumer came
    """
    rounds = options.count(2, 1)
    kept = 0
    with Rig(options.setup()) as rig:
        rig.start_bridge()
        rig.start_publisher()
        rig.wait_for_more()
        for number in range(rounds):
            wait(3.0)
            health = rig.monitor.wait_for_health(lambda health: health['spool']['samples'] > 0)
            kept = health['spool']['samples']
            rig.sink.start()
            wait(2.0)
            if number < rounds - 1:
                rig.sink.stop()
        return result(rig, rounds, {'kept': kept})


SCENARIOS: dict[str, Scenario] = {
    'refuse_0x97': refuse_0x97,
    'refuse_0x87': refuse_0x87,
    'no_subscriber_0x10': no_subscriber_0x10,
}
