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

"""One topic's samples as a dashboard gets them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
import re

from ros_cloud_bridge.dashboard.diagnostics import ARRAY, needs_all, STATUS, statuses
from ros_cloud_bridge.dashboard.fields import choose, Field, Pairs
from ros_cloud_bridge.dashboard.forms import encode
from ros_cloud_bridge.dashboard.known import KNOWN
from ros_cloud_bridge.dashboard.pictures import is_picture, Pictures
from ros_cloud_bridge.dashboard.reading import message_type, Reading
from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import DashboardForm
from ros_cloud_bridge.wire.topics import hashed_level, mangle, one_level

JPEG = 'jpeg'
_MAX_NAMES = 4096
_PREFIXES = {ARRAY: 'status.', STATUS: ''}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    What a dashboard is to show.

    :param fields: globs over keys and over paths of fields; none for what is shown by default
    :param form: how the JSON is built
    :param pictures: whether pictures are shown as JPEG
    :param converts: whether pictures that are no JPEG are made one
    :param width: widest picture, see :class:`Pictures`
    """

    fields: tuple[str, ...] = ()
    form: DashboardForm = DashboardForm.FLAT
    pictures: bool = True
    converts: bool = True
    width: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """
    What is to be published.

    :param part: level of the MQTT topic behind that of the ROS topic; empty for none
    :param payload: JSON, or a JPEG where ``part`` is ``jpeg``
    """

    part: str = ''
    payload: bytes


class Painter:
    """
    Makes messages for dashboards of the samples of one topic.

    :param topic: ROS topic
    :param type_name: as in ``sensor_msgs/msg/Imu``
    :param definition: complete ``ros2msg`` text
    :param settings: what is shown
    :raises ValueError: says in one line why nothing can be shown
    """

    def __init__(self, topic: str, type_name: str, definition: str, settings: Settings) -> None:
        self._type = message_type(type_name, definition)
        # Whether each sample may be about something else than the one before it.
        self.each = needs_all(type_name)
        self._settings = settings
        self._prefix = re.sub(r'\W', '_', mangle(topic))
        self._statuses = _PREFIXES.get(type_name)
        # Whose level of the MQTT topic it is.
        self._names: dict[str, str] = {}
        self._fields: Sequence[Field] = ()
        # Patterns that have meant something.
        self.meant: set[str] = set()
        if self._statuses is None:
            known = KNOWN.get(type_name, ())
            self._fields = choose(known, self._type, settings.fields)
            self.meant.update(one for one in settings.fields if choose(known, self._type, (one,)))
        self._pictures = None
        # Why there are no pictures, where there should be some.
        self.problem = ''
        if settings.pictures and is_picture(type_name):
            try:
                self._pictures = Pictures(
                    type_name, definition, settings.width, converts=settings.converts
                )
            except ValueError as error:
                self.problem = f'no picture: {error}'
        nothing = not self._fields and self._statuses is None and self._pictures is None
        if nothing and settings.fields:
            raise ValueError(f'{type_name} has no field of {", ".join(settings.fields)}')

    def paint(self, cdr: bytes, time_ns: int) -> Iterator[Shown]:
        """
        Make the messages of a sample.

        :param cdr: serialized message with its encapsulation header
        :param time_ns: when it was published, nanoseconds since the Unix epoch
        :returns: one or several; none where there is nothing to show
        :raises ProtocolError: when it does not fit its type; what came before it holds
        """
        reading = self._type.read(cdr)
        if self._statuses is not None:
            for name, pairs in statuses(reading, self._statuses):
                level = self._level(name)
                yield Shown(part=level, payload=self._json(self._chosen(pairs), time_ns, level))
            return
        if self._fields or self._pictures is None:
            yield Shown(payload=self._json(self._pairs(reading), time_ns))
        if self._pictures is not None:
            picture = self._picture(cdr)
            if picture is not None:
                yield Shown(part=JPEG, payload=picture)

    def _level(self, name: str) -> str:
        """Name the level of a status: an error must not hide behind one of a like name."""
        level = one_level(name)
        if level not in self._names and len(self._names) < _MAX_NAMES:
            self._names[level] = name
        return level if self._names.get(level, name) == name else hashed_level(name)

    def _pairs(self, reading: Reading) -> Pairs:
        for field in self._fields:
            yield from field.make(reading)

    def _chosen(self, pairs: Pairs) -> Pairs:
        patterns = self._settings.fields
        if not patterns:
            return pairs
        chosen = []
        for key, value in pairs:
            meant = [pattern for pattern in patterns if fnmatchcase(key, pattern)]
            self.meant.update(meant)
            if meant:
                chosen.append((key, value))
        return chosen

    def _json(self, pairs: Pairs, time_ns: int, part: str = '') -> bytes:
        prefix = f'{self._prefix}_{part.replace("-", "_")}' if part else self._prefix
        return encode(pairs, time_ns, self._settings.form, prefix)

    def _picture(self, cdr: bytes) -> bytes | None:
        assert self._pictures is not None
        try:
            return self._pictures.jpeg(cdr)
        except (ProtocolError, MemoryError) as error:
            raise ProtocolError(f'no picture: {error}') from error
