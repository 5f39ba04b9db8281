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

"""One decoded sample."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ros_cloud_bridge.reducers.registry import restore
from ros_cloud_bridge.wire.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """
    One ROS message as a consumer gets it.

    ``cdr`` is the serialized message with its 4-byte encapsulation header, byte-identical to what
    the bridge accepted, behind its reducer if there is one. Where ``form`` is not empty, it is
    what the reducer of that form has written, and :meth:`plain` restores the message. Times are
    nanoseconds since the Unix epoch on the robot's clock: when it was published
    (``source_time_ns``), when the bridge received it (``receive_time_ns``, to the microsecond
    after the source time) and when its batch was made (``sent_time_ns``). ``sequence`` rises by
    one per accepted sample of the route; (``boot_id``, ``route``, ``sequence``) is its identity.
    """

    robot_id: str
    topic: str
    type_name: str
    cdr: bytes = field(repr=False)
    source_time_ns: int
    receive_time_ns: int
    sent_time_ns: int
    sequence: int
    stream: str
    historical: bool
    latched: bool
    boot_id: str
    route: int
    schema_id: str
    form: str = ''
    _restore: Callable[[str, bytes], bytes] = field(default=restore, repr=False, compare=False)
    _decode: Callable[[str, str, bytes], Any] = field(repr=False, compare=False)
    _schema: Callable[[str, str], Schema] = field(repr=False, compare=False)

    def message(self) -> Any:
        """
        Decode the message's fields; arrays of numbers are numpy arrays.

        :returns: an object with the ROS message's fields as attributes
        :raises UnknownForm: when it is in a form that nothing here knows
        :raises UnknownSchema: while the type's definition has not arrived
        :raises ProtocolError: when the bytes do not fit the definition
        """
        return self._decode(self.schema_id, self.type_name, self.plain())

    def plain(self) -> bytes:
        """
        Give the serialized message, restored where it is in a form.

        :returns: CDR of the sample's type, with its encapsulation header
        :raises UnknownForm: when it is in a form that nothing here knows
        :raises ProtocolError: when it cannot be restored
        """
        return self._restore(self.form, self.cdr) if self.form else self.cdr

    def schema(self) -> Schema:
        """
        Give the definition of the sample's type.

        :returns: complete ``ros2msg`` text and hash
        :raises UnknownSchema: while it has not arrived
        """
        return self._schema(self.schema_id, self.type_name)
