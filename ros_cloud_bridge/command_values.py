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

"""Commands, their answers and their states, which every room that deals with them shares."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

ID_BYTES = 16
INSTANCE_BYTES = 8
EPOCH_BYTES = 8
MAX_TYPE_CHARACTERS = 32
MAX_REASON_CHARACTERS = 1024
# The channel that is always there: asks for the robot's epoch and time.
TIME_CHANNEL = 'time'
TIME = 'time'


class State(IntEnum):
    """
    What has become of a command; the values stand on the wire and never change meaning.

    From ``SUCCEEDED`` on nothing follows.
    """

    RECEIVED = 0
    ACCEPTED = 1
    RUNNING = 2
    SUCCEEDED = 3
    FAILED = 4
    CANCELLED = 5
    REJECTED = 6
    TIMED_OUT = 7
    UNKNOWN_AFTER_RESTART = 8

    @property
    def final(self) -> bool:
        """Whether this is how a command ends."""
        return self >= State.SUCCEEDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """
    What an operator signs.

    ``id`` is random; ``instance`` is random once per operator process, and ``sequence`` counts
    within it, per robot and channel, from 1. ``epoch`` is the robot's, empty when asking for the
    time. ``sent_ms`` is when it was signed, as the operator reckons the robot's time.
    """

    type: str
    id: bytes
    instance: bytes
    epoch: bytes = b''
    sequence: int = 0
    sent_ms: int = 0
    deadline_ms: int = 0
    arguments: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    What a robot signs: how far a command is.

    ``number`` counts the answers to one command from 0; ``robot_ms`` is when it was made.
    """

    id: bytes
    epoch: bytes
    robot_ms: int
    state: State
    number: int = 0
    reason: str = ''
    detail: Any = None


class Reason:
    """
    Why a command was refused or failed: the first word of an answer's reason, and in the audit.

    Behind it may stand ``: `` and a text for people.
    """

    # Before the signature: counted, never answered.
    TOO_LARGE = 'too_large'
    RETAINED = 'retained'
    MALFORMED = 'malformed'
    UNKNOWN_KEY = 'unknown_key'
    NOT_PERMITTED = 'not_permitted'
    BAD_SIGNATURE = 'bad_signature'
    # Behind it: answered.
    ID_REUSED = 'id_reused'
    WRONG_EPOCH = 'wrong_epoch'
    EXPIRED = 'expired'
    DEADLINE_TOO_FAR = 'deadline_too_far'
    REPLAYED = 'replayed'
    OUT_OF_ORDER = 'out_of_order'
    WRONG_TYPE = 'wrong_type'
    FIELD_LIMIT = 'field_limit'
    RATE_LIMIT = 'rate_limit'
    BUSY = 'busy'
    NO_LEASE = 'no_lease'
    LEASE_HELD = 'lease_held'
    TOO_LATE = 'too_late'
    LOG_FAILED = 'log_failed'
    BAD_FIELDS = 'bad_fields'
    NO_TYPE_SUPPORT = 'no_type_support'
    NO_SERVER = 'no_server'
    SERVER_LOST = 'server_lost'
    REFUSED_BY_SERVER = 'refused_by_server'
    NO_SUCH_GOAL = 'no_such_goal'
    STOPPING = 'stopping'
    INTERNAL = 'internal'


REASONS = frozenset(value for name, value in vars(Reason).items() if name.isupper())
