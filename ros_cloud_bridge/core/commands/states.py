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
The states of a command and what leads from each to the next.

What belongs here: which state follows on which event, and nothing else; not what is sent then,
nor how long it may take. The table is the code: an event that does not stand beside a state cannot
happen there, so one that does all the same is an error of ours: :class:`ImpossibleEvent`.
What operators and servers do wrong never shows here: it is an event like any other.

::

    RECEIVED ──admitted──► ACCEPTED ──progressed──► RUNNING ─┐ progressed
        │                     │                      │  ▲────┘
        │ refused             │ refused              │
        └──────► REJECTED ◄───┘                      │
                              └──────────┬───────────┘
             succeeded, failed, cancelled, timed_out
                                         ▼
                 SUCCEEDED   FAILED   CANCELLED   TIMED_OUT

RECEIVED is a command that has passed every check, but does not stand in the log yet. From there on
a crash leaves it unfinished in the log, and nobody knows how far it came: ``restarted``.
"""

from collections.abc import Mapping
from enum import auto, Enum
from types import MappingProxyType

from ros_cloud_bridge.command_values import State
from ros_cloud_bridge.errors import BridgeError


class Event(Enum):
    """What happens to a command."""

    ADMITTED = auto()  # it stands in the log, or need not
    REFUSED = auto()  # before anything was begun
    PROGRESSED = auto()
    SUCCEEDED = auto()
    FAILED = auto()
    CANCELLED = auto()
    TIMED_OUT = auto()
    RESTARTED = auto()  # found unfinished in the log of an earlier run


class ImpossibleEvent(BridgeError):
    """
    Something happened to a command that cannot happen in its state; an error of ours.

    :param state: the command's
    :param event: what happened; None when the state was said to be an end
    """

    def __init__(self, state: State, event: Event | None = None) -> None:
        what = 'have ended' if event is None else f'be {event.name}'
        super().__init__(f'a command that is {state.name} cannot {what}')
        self.state = state
        self.event = event


_ENDS = {
    Event.SUCCEEDED: State.SUCCEEDED,
    Event.FAILED: State.FAILED,
    Event.CANCELLED: State.CANCELLED,
    Event.TIMED_OUT: State.TIMED_OUT,
    Event.RESTARTED: State.UNKNOWN_AFTER_RESTART,
}

TRANSITIONS: Mapping[tuple[State, Event], State] = MappingProxyType(
    {
        (State.RECEIVED, Event.ADMITTED): State.ACCEPTED,
        (State.RECEIVED, Event.REFUSED): State.REJECTED,
        (State.RECEIVED, Event.RESTARTED): State.UNKNOWN_AFTER_RESTART,
        # Whoever carries it out may find that it cannot be begun: fields that do not fit the type.
        (State.ACCEPTED, Event.REFUSED): State.REJECTED,
        (State.ACCEPTED, Event.PROGRESSED): State.RUNNING,
        **{(State.ACCEPTED, event): end for event, end in _ENDS.items()},
        (State.RUNNING, Event.PROGRESSED): State.RUNNING,
        **{(State.RUNNING, event): end for event, end in _ENDS.items()},
    }
)

# The event that a dispatched command's end is.
EVENT_OF_END: Mapping[State, Event] = MappingProxyType(
    {
        State.SUCCEEDED: Event.SUCCEEDED,
        State.FAILED: Event.FAILED,
        State.CANCELLED: Event.CANCELLED,
        State.TIMED_OUT: Event.TIMED_OUT,
        State.REJECTED: Event.REFUSED,
    }
)


def after(state: State, event: Event) -> State:
    """
    Say which state follows.

    :param state: the present one
    :param event: what happened
    :returns: the next one
    :raises ImpossibleEvent: when the table has none
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise ImpossibleEvent(state, event) from None


def event_of(end: State) -> Event:
    """
    Say by which event a dispatched command came to its end.

    :param end: the state that it ended in
    :returns: the event
    :raises ImpossibleEvent: when it is no such end
    """
    try:
        return EVENT_OF_END[end]
    except KeyError:
        raise ImpossibleEvent(end) from None
