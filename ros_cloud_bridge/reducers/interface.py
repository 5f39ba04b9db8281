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
What a reducer is.

A reducer makes of a message a smaller one: of the same type, of another standard type, or a
compact *form* that the decoder restores to the original type. What it changes is bounded, and
said. Users add theirs in the entry-point group ``ros_cloud_bridge.reducers``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol, runtime_checkable

ENTRY_POINT_GROUP = 'ros_cloud_bridge.reducers'


class Level(IntEnum):
    """How much is given up; a stream's ladder steps through these."""

    FULL = 0
    REDUCED = 1
    MINIMAL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """
    What comes out of a reducer, fixed while the route lives.

    ``type_name`` is the ROS type that consumers see, ``form`` names a compact form ('' for plain
    CDR of that type), and ``error`` says in one line what may differ, as in
    ``ranges within 0.005 m``; it stands in ``info``. The times of publication and of reception,
    which are no part of a message, are rounded to multiples of ``times_step_ns``; 0 leaves them.
    """

    type_name: str
    form: str = ''
    error: str = ''
    times_step_ns: int = 0


class Reducer(Protocol):
    """Reduces the messages of one route, one after the other; may keep state between them."""

    @property
    def output(self) -> Output:
        """What comes out."""

    def reduce(self, cdr: bytes, level: Level) -> bytes | None:
        """
        Reduce a message.

        :param cdr: serialized message with its 4-byte encapsulation header, either endianness
        :param level: how much is given up now
        :returns: what is sent; None when this message says nothing new
        :raises ProtocolError: when the message does not fit its type; it then goes out as it is,
            as it does after any other exception
        """


@runtime_checkable
class TimedReducer(Protocol):
    """What a reducer has, too, if it must know the time, as to say things again."""

    def at(self, time_s: float) -> None:
        """
        Learn when the message came that :meth:`Reducer.reduce` gets next.

        :param time_s: seconds on the robot's clock, of its arrival; they can jump
        """


@runtime_checkable
class DifferencesReducer(Protocol):
    """What a reducer has, too, if its samples may need those that came before them."""

    def keyframe(self) -> None:
        """Let the next sample need no other."""


@runtime_checkable
class CheckingKind(Protocol):
    """What a kind has, too, if it can judge options before it knows a type."""

    def check(self, options: Mapping[str, str]) -> None:
        """
        Judge options.

        :param options: as the configuration has them
        :raises ValueError: says in one line what is wrong
        """


class Restorer(Protocol):
    """Gives messages back their type; where differences need what came before, for one route."""

    def restore(self, form: str, data: bytes) -> bytes:
        """See :meth:`ReducerKind.restore`; in any order, for one route and one thread."""


@runtime_checkable
class SizedRestorer(Protocol):
    """What a restorer has, too, if it says how much it keeps of earlier messages."""

    @property
    def kept_bytes(self) -> int:
        """Bytes; where they are too many, the restorer is made anew."""


@runtime_checkable
class RememberingKind(Protocol):
    """What a kind has, too, whose forms need those that came before them on their route."""

    def restorer(self) -> Restorer:
        """Make what restores one route's messages."""


class ReducerKind(Protocol):
    """
    A kind of reducer, as its name in the configuration stands for it.

    A kind that is for certain types alone may name them in ``types``; without it, or empty, any
    type is worth a try. Forms are named ``{name}/{version}``.
    """

    name: str

    def make(
        self, type_name: str, definition: str, options: Mapping[str, str], max_bytes: int
    ) -> Reducer:
        """
        Make the reducer of a route.

        :param type_name: as in ``sensor_msgs/msg/LaserScan``
        :param definition: the type's complete ros2msg definition
        :param options: as the configuration has them, ``name=value``
        :param max_bytes: the most that a message can have
        :returns: the reducer
        :raises ValueError: says in one line what is wrong with the options, or with the type
        """

    def restore(self, form: str, data: bytes) -> bytes:
        """
        Give a message back its original type; only for kinds that have forms.

        :param form: as :class:`Output` named it
        :param data: what :meth:`Reducer.reduce` made
        :returns: CDR with its encapsulation header
        :raises ProtocolError: when it is malformed or hostile; sizes are checked before allocation
        """
