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
What goes into the gate and what it wants done; plain values.

The one who drives the gate does the effects in their order. A command that changes something goes
``Record`` (on the disk, fsync) → ``Gate.recorded`` → ``Dispatch`` → ``Gate.ended`` → ``Finish``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ros_cloud_bridge.command_values import Answer, Command, State
from ros_cloud_bridge.values import ChannelConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message on ``cmd/{operator}/{channel}``; ``payload`` is what MQTT carried."""

    operator: str
    channel: str
    topic: str
    payload: bytes
    retained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """
    What is known of a message before its signature is checked.

    ``payload`` is what is signed, not looked at yet; ``signed`` is the reader's own.
    """

    kid: bytes
    payload: bytes
    signed: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What is in a message whose signature is right."""

    kid: bytes
    digest: bytes
    command: Command


class Reader(Protocol):
    """
    Takes messages apart and checks signatures, for the gate does neither.

    What is dear comes last: nothing that nobody has signed is decoded.
    """

    def unwrap(self, operator: str, message: bytes) -> Sealed:
        """
        Find whose key a message names, whatever is in it; a few bytes are looked at.

        :raises ProtocolError: when it is malformed
        """

    def knows(self, operator: str, kid: bytes) -> bool:
        """Tell whether a key is one of the operator's, and not revoked."""

    def verifies(self, operator: str, topic: str, sealed: Sealed) -> bool:
        """Check the signature with the operator's key."""

    def open(self, sealed: Sealed) -> Envelope:
        """
        Decode what is signed, strictly; ``digest`` is SHA-256 of what the signature covers.

        :raises ProtocolError: when it is malformed
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKey:
    """A command's identity: whose key, and its own id."""

    kid: bytes
    id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """
    A command that was started.

    ``answer`` is the last one that was given, None while it has not ended.
    """

    key: LogKey
    digest: bytes
    operator: str
    channel: str
    answer: Answer | None = None


class ExecutedLog(Protocol):
    """What earlier runs have started, on the disk."""

    def find(self, key: LogKey) -> LogEntry | None:
        """Look a command up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Put the entry on the disk, then call ``Gate.recorded`` or ``Gate.not_recorded``."""

    entry: LogEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Add the last answer to the entry on the disk; nothing waits for it."""

    key: LogKey
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Sign the answer and publish it to the operator."""

    operator: str
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """
    Carry a command out; what becomes of it is told to the gate by its ``ticket``.

    ``deadline`` is monotonic seconds: later than that it must not begin. ``drives`` says that it
    is a message of a channel with a lease, whose watchdog it feeds.
    """

    ticket: int
    channel: ChannelConfig
    operator: str
    type: str
    arguments: Any
    deadline: float
    drives: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Cancel what was dispatched under the ticket; it still ends by ``Gate.ended``."""

    ticket: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Publish a channel's stop message now."""

    channel: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A decision to be noted; the time is added by who writes it."""

    operator: str
    channel: str
    verdict: str
    reason: str = ''
    id: str = ''
    kid: str = ''
    type: str = ''
    facts: Mapping[str, object] = field(default_factory=dict)


Effect = Record | Finish | Reply | Dispatch | Cancel | Stop | Audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A dispatched command runs; ``detail`` is feedback, or None."""

    ticket: int
    detail: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A dispatched command is over; ``state`` is a final one."""

    ticket: int
    state: State
    reason: str = ''
    detail: Any = None
