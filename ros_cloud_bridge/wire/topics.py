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

"""
MQTT topic names of protocol version 1: ``{root}/{robot}/{kind}/…``.

A ROS topic becomes one MQTT level by writing ``-`` for ``/``: ROS names cannot hold a hyphen, so
that this is reversible and stays readable.
"""

from dataclasses import dataclass
import hashlib
import re

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import Priority
from ros_cloud_bridge.wire.limits import TOPIC_MAX_BYTES, TOPIC_MAX_LEVELS

DEFAULT_ROOT = 'rcb/v1'
_MAX_LEVEL = 64
_NO_LEVEL = re.compile('[^A-Za-z0-9_-]+')
KINDS = (
    'state',
    'info',
    'health',
    'schema',
    'dict',
    'b',
    'latched',
    'd',
    'ask',
    'confirm',
    'cmd',
    'ack',
    'audit',
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicName:
    """The parts of one of this protocol's topic names; ``rest`` are the levels after the kind."""

    robot_id: str
    kind: str
    rest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RobotTopics:
    """
    Topic names of one robot.

    :param root: as in ``rcb/v1``
    :param robot_id: one MQTT level
    """

    root: str
    robot_id: str

    def _name(self, *levels: str) -> str:
        return '/'.join((self.root, self.robot_id, *levels))

    @property
    def state(self) -> str:
        """Presence: birth and will, retained."""
        return self._name('state')

    @property
    def info(self) -> str:
        """Streams, versions and routes, retained."""
        return self._name('info')

    @property
    def health(self) -> str:
        """Periodic figures."""
        return self._name('health')

    def schema(self, schema_id: str) -> str:
        """Definition of one type, retained."""
        return self._name('schema', schema_id)

    def batches(self, priority: Priority) -> str:
        """Batches of one priority class."""
        return self._name('b', priority.name.lower())

    def dictionary(self, priority: Priority) -> str:
        """Name where the dictionary of one priority class stands, retained."""
        return self._name('dict', priority.name.lower())

    @property
    def backlog(self) -> str:
        """Samples of durable streams from before, and accounts of their routes."""
        return self._name('b', 'backlog')

    def latched(self, ros_topic: str, index: int = 0) -> str:
        """Last values of a transient_local topic, retained; one MQTT topic per fragment."""
        name = self._name('latched', mangle(ros_topic), str(index))
        if len(name.encode()) <= TOPIC_MAX_BYTES:
            return name
        # What stands there names its own topic; the level just has to be its own.
        return self._name('latched', _digest(ros_topic), str(index))

    def dashboard(self, stream: str, ros_topic: str, part: str = '') -> str:
        """
        Name where dashboards find a ROS topic, or a part of it; never retained.

        Whatever the names hold, each is one level out of ``A-Z a-z 0-9 _ -``.
        """
        topic = one_level(mangle(ros_topic))
        digests = [_digest(ros_topic), _digest(part)[:16] if part else '']
        for levels in ((topic, part), (digests[0], part), digests):
            name = self._name('d', one_level(stream), *filter(None, levels))
            if len(name.encode()) <= TOPIC_MAX_BYTES:
                break
        return name

    def ask(self, consumer: str) -> str:
        """Name where one consumer puts its requests."""
        return self._name('ask', consumer)

    def confirm(self, consumer: str) -> str:
        """Name where one consumer puts what it holds durably."""
        return self._name('confirm', consumer)

    def command(self, operator: str, channel: str) -> str:
        """Name where one operator puts commands for a channel."""
        return self._name('cmd', operator, channel)

    def answers(self, operator: str) -> str:
        """Name where what became of one operator's commands is said."""
        return self._name('ack', operator)

    @property
    def audit(self) -> str:
        """Decisions on commands, where the robot is asked to publish them."""
        return self._name('audit')


def mangle(ros_topic: str) -> str:
    """
    Write a ROS topic as one MQTT level.

    :param ros_topic: absolute name, as in ``/camera/image_raw``
    :returns: as in ``camera-image_raw``
    """
    return ros_topic.lstrip('/').replace('/', '-')


def one_level(name: str) -> str:
    """
    Write any name as one MQTT level.

    :param name: as in ``motor: left``
    :returns: as in ``motor_left``; with a hash behind it where that does not tell it from others,
        for it is cut, or not in ASCII
    """
    level = _NO_LEVEL.sub('_', name).strip('_')
    if level and len(level) <= _MAX_LEVEL and name.isascii():
        return level
    return hashed_level(name)


def hashed_level(name: str) -> str:
    """
    Write any name as one MQTT level that tells it from all others.

    :param name: as in ``motor: left``
    :returns: as in ``motor_left_0123abcd``
    """
    level = _NO_LEVEL.sub('_', name).strip('_')
    return f'{level[: _MAX_LEVEL - 9]}_{_digest(name)[:8]}'.lstrip('_')


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(errors='replace'), digest_size=16).hexdigest()


def parse_topic(topic: str, root: str = DEFAULT_ROOT) -> TopicName | None:
    """
    Split an MQTT topic into its parts.

    :param topic: as it came from the broker
    :param root: the root that the fleet uses
    :returns: its parts, or None when the topic is not of this protocol
    :raises ProtocolError: when it is longer or deeper than the protocol allows
    """
    prefix = root + '/'
    if not topic.startswith(prefix):
        return None
    size = len(topic.encode(errors='replace'))
    if size > TOPIC_MAX_BYTES or topic.count('/') >= TOPIC_MAX_LEVELS:
        raise ProtocolError(f'topic longer or deeper than the protocol allows: {topic[:80]!r}')
    robot_id, _, rest = topic[len(prefix) :].partition('/')
    kind, *levels = rest.split('/')
    if not robot_id or kind not in KINDS:
        return None
    return TopicName(robot_id=robot_id, kind=kind, rest=tuple(levels))
