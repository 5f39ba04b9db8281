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

"""What of one robot is in the graph here."""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rclpy.node import Node

from ros_cloud_bridge.cloud.clock_offset import ClockOffset
from ros_cloud_bridge.cloud.consumer import printable
from ros_cloud_bridge.cloud.offers import DEFAULT, LATCHED, Offers
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.core.mirror_table import MirrorConfig, StampClock
from ros_cloud_bridge.errors import BridgeError
from ros_cloud_bridge.ros.mirror.names import is_topic
from ros_cloud_bridge.ros.mirror.outlet import Outlet
from ros_cloud_bridge.values import OfferedQos

# A new topic waits that long for the info that tells its QoS; a bridge says it after 0.3 s.
_WAIT_S = 2.0
_MOST_WAITING = 256
_MOST_WAITING_BYTES = 8 * 1024 * 1024
# A hostile robot has no end of topics and types.
_MOST_REFUSED = 256
Say = Callable[[str, str], None]


@dataclass(slots=True)
class _Waiting:
    """Samples of a topic whose QoS is not known yet."""

    since: float
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=_MOST_WAITING))


class MirroredRobot:
    """
    Publishes the topics of one robot; called under the mirror's lock.

    :param node: who publishes
    :param robot_id: the robot
    :param namespace: absolute, or empty
    :param config: what is mirrored, and how
    :param wanted: says whether a topic of the robot's is mirrored
    :param say: takes (level, text)
    """

    def __init__(
        self,
        node: Node,
        robot_id: str,
        namespace: str,
        config: MirrorConfig,
        wanted: Callable[[str], bool],
        say: Say,
    ) -> None:
        self.robot_id = robot_id
        self.namespace = namespace
        self.clock = ClockOffset(config.clock_window_s)
        self.heard_at = 0.0
        self.left_out: Counter[str] = Counter()
        # By topic: what is wrong with it.
        self.problems: dict[str, str] = {}
        self._node = node
        self._config = config
        self._wanted = wanted
        self._say = say
        self._outlets: dict[str, Outlet] = {}
        self._published = 0
        self._waiting: dict[str, _Waiting] = {}
        self._waiting_bytes = 0
        self._refused: set[tuple[str, str, str]] = set()
        self._info: Mapping[str, Any] | None = None
        self._offers = Offers(None)

    @property
    def topics(self) -> int:
        """How many topics of it are in the graph."""
        return len(self._outlets)

    @property
    def published(self) -> int:
        """How many samples were published."""
        return self._published

    @property
    def offset_ns(self) -> int:
        """What is added to stamps."""
        if self._config.clock is StampClock.ROBOT:
            return 0
        return self.clock.offset_ns or 0

    def take(self, sample: Sample, arrival_ns: int, now: float) -> None:
        """
        Publish a sample, if it is one that is mirrored.

        :param sample: of this robot
        :param arrival_ns: nanoseconds since the Unix epoch, on this machine's clock
        :param now: monotonic seconds
        """
        self.heard_at = now
        if not sample.latched and not sample.historical:
            self.clock.add(sample.boot_id, sample.sent_time_ns, arrival_ns, now)
        if sample.historical and not self._config.historical:
            self.left_out['historical'] += 1
        elif not self._wanted(sample.topic):
            self.left_out['not chosen'] += 1
        elif sample.topic in self._waiting:
            self._wait(sample, now)
        else:
            self._publish(sample, now)

    def inform(self, info: Mapping[str, Any] | None, now: float) -> None:
        """
        Take in what the robot says of itself, and look at what waits for it.

        :param info: its newest ``info``
        :param now: monotonic seconds
        """
        news = info is not self._info
        if news:
            self._info, self._offers = info, Offers(info)
        for topic, waiting in list(self._waiting.items()):
            if news or now - waiting.since >= _WAIT_S:
                self._release(topic, now)
        if not news:
            return
        for topic, outlet in self._outlets.items():
            offered = self._offers.find(topic, outlet.type_name)
            if offered is not None and offered != outlet.offered:
                try:
                    outlet.offer(offered)
                except Exception as error:  # one topic's trouble is not the others'
                    self._note(topic, _text(error))

    def close(self) -> None:
        """Take all its topics out of the graph."""
        for outlet in self._outlets.values():
            outlet.close()
        self._outlets.clear()
        self._waiting.clear()
        self._waiting_bytes = 0

    def _publish(self, sample: Sample, now: float, offered: OfferedQos | None = None) -> None:
        outlet = self._outlets.get(sample.topic)
        if outlet is None or outlet.type_name != sample.type_name:
            if (sample.topic, sample.type_name, sample.schema_id) in self._refused:
                self.left_out['cannot be published'] += 1
                return
            offered = offered or self._offers.find(sample.topic, sample.type_name)
            if offered is None:
                self._wait(sample, now)
                return
            outlet = self._open(sample, outlet, offered)
            if outlet is None:
                return
        if not outlet.watched:
            self.left_out['nobody subscribes'] += 1
            return
        try:
            outlet.publish(sample, self.offset_ns)
            self._published += 1
        except Exception as error:  # one topic's trouble is not the others'
            self._fail(sample, error)

    def _open(self, sample: Sample, before: Outlet | None, offered: OfferedQos) -> Outlet | None:
        topic, name = sample.topic, f'{self.namespace}{sample.topic}'
        try:
            if before is not None:
                if before.boot_id == sample.boot_id or sample.historical:
                    # Fast DDS takes one type per topic and process.
                    raise BridgeError(
                        f'{sample.type_name}: not mirrored while the topic has another type, too '
                        f'({before.type_name})'
                    )
                self._outlets.pop(topic).close()
            if not is_topic(topic):
                raise BridgeError('is no legal name of a topic')
            if len(self._outlets) >= self._config.max_topics:
                raise BridgeError(f'max_topics ({self._config.max_topics}) are mirrored already')
            outlet = Outlet(self._node, name, sample, offered, self._config.qos_depth)
        except Exception as error:  # as above
            self._refuse(sample, error)
            return None
        self._outlets[topic] = outlet
        self.problems.pop(topic, None)
        if outlet.problem:
            self._note(topic, outlet.problem)
        self._say('info', f'{self.robot_id}: {name} [{sample.type_name}]')
        return outlet

    def _wait(self, sample: Sample, now: float) -> None:
        size = len(sample.cdr)
        if self._waiting_bytes + size > _MOST_WAITING_BYTES:
            self.left_out['waited for info'] += 1
            return
        waiting = self._waiting.setdefault(sample.topic, _Waiting(now))
        if len(waiting.samples) == _MOST_WAITING:
            self._waiting_bytes -= len(waiting.samples[0].cdr)
            self.left_out['waited for info'] += 1
        waiting.samples.append(sample)
        self._waiting_bytes += size

    def _release(self, topic: str, now: float) -> None:
        waiting = self._waiting[topic]
        first = waiting.samples[0]
        offered = self._offers.find(topic, first.type_name)
        if offered is None and now - waiting.since >= _WAIT_S:
            offered = LATCHED if first.latched else DEFAULT
        if offered is None:
            return
        del self._waiting[topic]
        self._waiting_bytes -= sum(len(sample.cdr) for sample in waiting.samples)
        for sample in waiting.samples:
            self._publish(sample, now, offered)

    def _refuse(self, sample: Sample, error: Exception) -> None:
        """Give a topic up that cannot be published as what it is."""
        self.left_out['cannot be published'] += 1
        if len(self._refused) < _MOST_REFUSED:
            self._refused.add((sample.topic, sample.type_name, sample.schema_id))
            self._note(sample.topic, _text(error))

    def _fail(self, sample: Sample, error: Exception) -> None:
        self.left_out['cannot be published'] += 1
        if sample.topic not in self.problems:
            self._note(sample.topic, _text(error))

    def _note(self, topic: str, problem: str) -> None:
        # What comes off the wire stands in it.
        topic, problem = printable(topic, 200), printable(problem)
        self.problems[topic] = problem
        self._say('warning', f'{self.robot_id}: {topic}: {problem}')


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, BridgeError) else repr(error)
