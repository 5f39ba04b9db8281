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
The degradation ladder: which streams give up what while the link stays too thin.

All steps of all streams stand in one order, the least important stream's first. Going down takes
the next step of that order, going up gives the last one back; so a stream never gives up anything
before the less important ones have given up what they may.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ros_cloud_bridge.core.ladder_steps import LEVELS, parse_step, Step
from ros_cloud_bridge.values import Priority, StreamConfig

# Shortage that one step down takes, and with it the least time between two steps.
T_DOWN_S = 3.0
# Calm that one step up takes; doubled for a stream whose step up did not hold.
T_UP_S = 10.0
T_UP_MOST_S = 300.0
# A step up has held after so long without any shortage.
T_HELD_S = 60.0
# More than the link carries by this factor is a clear shortage. With _ROOM it makes a band in
# which a link may swing by 10 % up and down without any step.
_CLEAR = 1.1
_ROOM = 0.9
# A shortage that is there, but not clear, counts so much less: half a minute of it is a step.
_SLIGHT = 0.1
# An estimate above the one at which a step up failed, by this factor, is another link.
_WIDER = 1.5
# Between two calls no more time than this counts: what lies in a longer gap (a clock that jumps, a
# machine that slept) nobody has seen.
_GAP_S = 2.0
# A stream that has had nothing to send for so long has nothing to give up.
_IDLE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLoad:
    """
    What one stream asked of the link since the last call.

    ``offered_bytes_per_s`` are the bytes on the wire that it wants at its present step, 0 when
    idle; ``suffering`` says that samples of it were superseded, expired or overflowed because of
    the link, or that the oldest one that waits is late.
    """

    name: str
    offered_bytes_per_s: float
    suffering: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkLoad:
    """
    What the link does.

    ``rate_bytes_per_s`` is the estimate, None while there is none; ``limited`` says that window,
    budget or broker limit now, not the application; ``reason`` says it in the words of the log.
    """

    rate_bytes_per_s: float | None
    limited: bool
    connected: bool
    reason: str = 'the link is too thin'


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A step that a stream took; ``text`` is the whole line for the log."""

    stream: str
    step_from: int
    step_to: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """
    Where a stream stands, with the effect of all its steps so far; step 0 is all of it.

    ``max_hz`` is None where the ladder sets no limit and 0 where it pauses the stream; ``level``
    is a reducer's.
    """

    step: int
    steps: int
    max_hz: float | None
    level: str

    @property
    def text(self) -> str:
        """What the stream is cut down to, as in ``full``, ``1hz``, ``minimal 1hz``, ``pause``."""
        if self.max_hz == 0.0:
            return 'pause'
        parts = [] if self.level == LEVELS[0] else [self.level]
        if self.max_hz is not None:
            parts.append(f'{self.max_hz:g}hz')
        return ' '.join(parts) or LEVELS[0]


@dataclass(slots=True, kw_only=True)
class _Stream:
    """One stream's ladder, where it stands on it, and how its steps up went."""

    config: StreamConfig
    steps: tuple[Step, ...]
    step: int = 0
    wait_s: float = T_UP_S
    raised_at: float | None = None
    failed_rate: float | None = None
    active_at: float | None = None
    offered: float = 0.0

    def position(self, step: int) -> Position:
        taken = self.steps[:step]
        rates = [one.max_hz for one in taken if one.max_hz is not None]
        levels = [LEVELS.index(one.level) for one in taken if one.level is not None]
        return Position(
            step=step,
            steps=len(self.steps),
            max_hz=min(rates, default=None),
            level=LEVELS[max(levels, default=0)],
        )

    def gain(self) -> float:
        """Bytes per second that a step up adds at most; 0 when nobody can tell."""
        before = self.position(self.step).max_hz
        after = self.position(self.step - 1).max_hz or self.config.max_hz
        if not before or not after:
            return 0.0
        return max(0.0, self.offered * (after / before - 1.0))

    def move(self, step: int, reason: str) -> Change:
        came_from, self.step = self.step, step
        to = self.position(step).text
        place = f'(step {step} of {len(self.steps)})'
        if step > came_from:
            text = f"stream '{self.config.name}': gives up: {to} {place}: {reason}"
        else:
            text = f"stream '{self.config.name}': back to {to} {place}"
        return Change(
            stream=self.config.name, step_from=came_from, step_to=step, text=text, reason=reason
        )


class Ladder:
    """
    Walks streams down their ladders while the link is too thin, and up again.

    :param streams: all streams, in the order of the configuration; those without a ladder are
        never touched, but what they want counts
    """

    def __init__(self, streams: Sequence[StreamConfig]) -> None:
        self._streams: dict[str, _Stream] = {}
        self._order: list[tuple[_Stream, int]] = []
        # Time as it counts here: it stands still without a connection and makes no jumps.
        self._time = 0.0
        self._last_now: float | None = None
        self._evidence = 0.0
        self._calm_from = 0.0
        self._short_at: float | None = None
        self._strained_at: float | None = None
        self.configure(streams)

    def configure(self, streams: Sequence[StreamConfig]) -> None:
        """
        Take over a configuration; who stood on a step that still exists stays on it.

        :param streams: all streams, in the order of the configuration
        """
        old = self._streams
        self._streams = {one.name: _kept(old.get(one.name), one) for one in streams}
        self._order = _order(self._streams.values())

    def update(self, link: LinkLoad, loads: Sequence[StreamLoad], now: float) -> list[Change]:
        """
        Look at the link and take a step if it is time for one; to be called once per second.

        :param link: what the link does
        :param loads: what the streams ask of it; a stream that is missing is idle
        :param now: monotonic seconds
        :returns: the steps taken, at most one
        """
        if not link.connected:
            self._last_now = None
            self._evidence = 0.0
            self._calm_from = self._time
            return []
        elapsed = 0.0 if self._last_now is None else min(max(now - self._last_now, 0.0), _GAP_S)
        self._last_now = now
        self._time += elapsed
        demand = self._note(loads)
        self._weigh(link, loads, demand, elapsed)
        self._forgive()
        change = self._down(link) if self._evidence >= T_DOWN_S else self._up(link, demand)
        if change is None:
            return []
        # The next step waits until the effect of this one can be seen.
        self._evidence = 0.0
        self._calm_from = self._time
        return [change]

    def position(self, name: str) -> Position:
        """
        Say where a stream stands.

        :param name: the stream's name
        :returns: the effect of all its steps so far
        :raises KeyError: when there is no such stream
        """
        stream = self._streams[name]
        return stream.position(stream.step)

    def document(self) -> dict[str, dict[str, object]]:
        """
        Describe for ``health`` where the streams stand that have a ladder.

        :returns: ``step``, ``steps`` and ``now`` (a text as ``1hz``) by the stream's name
        """
        places = {name: self.position(name) for name, one in self._streams.items() if one.steps}
        return {
            name: {'step': place.step, 'steps': place.steps, 'now': place.text}
            for name, place in places.items()
        }

    def _note(self, loads: Iterable[StreamLoad]) -> float:
        for stream in self._streams.values():
            stream.offered = 0.0
        demand = 0.0
        for load in loads:
            offered = max(0.0, load.offered_bytes_per_s)
            demand += offered
            loaded = self._streams.get(load.name)
            if loaded is None:
                continue
            loaded.offered = offered
            if offered or load.suffering:
                loaded.active_at = self._time
        return demand

    def _weigh(
        self, link: LinkLoad, loads: Iterable[StreamLoad], demand: float, elapsed: float
    ) -> None:
        strained = link.limited and any(load.suffering for load in loads)
        if strained:
            self._strained_at = self._time
        rate = link.rate_bytes_per_s
        if strained and (rate is None or demand > rate):
            clear = rate is None or demand > rate * _CLEAR
            evidence = self._evidence + (elapsed if clear else elapsed * _SLIGHT)
            self._evidence = min(T_DOWN_S, evidence)
            self._short_at = self._calm_from = self._time
        else:
            # Runs off instead of being forgotten: a shortage may let a second pass between.
            self._evidence = max(0.0, self._evidence - elapsed)

    def _forgive(self) -> None:
        for stream in self._streams.values():
            if stream.raised_at is None:
                continue
            undisturbed_from = max(stream.raised_at, self._short_at or 0.0)
            if self._time - undisturbed_from >= T_HELD_S:
                stream.wait_s = T_UP_S
                stream.raised_at = stream.failed_rate = None

    def _down(self, link: LinkLoad) -> Change | None:
        stream = next((one for one, step in self._order if self._may_take(one, step)), None)
        if stream is None:
            return None
        if stream.raised_at is not None:
            stream.wait_s = min(T_UP_MOST_S, stream.wait_s * 2.0)
            stream.failed_rate = link.rate_bytes_per_s
            stream.raised_at = None
        return stream.move(stream.step + 1, link.reason)

    def _may_take(self, stream: _Stream, step: int) -> bool:
        active_at = stream.active_at
        return stream.step < step and active_at is not None and self._time - active_at < _IDLE_S

    def _up(self, link: LinkLoad, demand: float) -> Change | None:
        stream = next((one for one, step in reversed(self._order) if one.step >= step), None)
        if stream is None or self._time - self._calm_from < _wait_s(stream, link):
            return None
        rate = link.rate_bytes_per_s
        # While the application is the limit the estimate is a lower bound and forbids nothing.
        strained_at = self._strained_at
        busy = strained_at is not None and self._time - strained_at < T_UP_S
        on_trial = rate is None or not (link.limited or busy)
        if rate is not None and not on_trial and demand + stream.gain() > rate * _ROOM:
            return None
        stream.raised_at = self._time
        return stream.move(stream.step - 1, 'on trial' if on_trial else 'the link has room')


def _wait_s(stream: _Stream, link: LinkLoad) -> float:
    rate, failed = link.rate_bytes_per_s, stream.failed_rate
    # Even a lower bound this far above what was too thin shows that the link has opened.
    opened = rate is not None and failed is not None and rate > failed * _WIDER
    return T_UP_S if opened else stream.wait_s


def _kept(old: _Stream | None, config: StreamConfig) -> _Stream:
    new = _Stream(config=config, steps=tuple(parse_step(text) for text in config.ladder))
    if old is None:
        return new
    new.active_at, new.offered = old.active_at, old.offered
    if old.step == 0:
        return new
    new.wait_s, new.raised_at, new.failed_rate = old.wait_s, old.raised_at, old.failed_rate
    texts = [step.text for step in new.steps]
    text = old.steps[old.step - 1].text
    # A changed ladder makes the link no wider: without that step, the one in its place.
    new.step = texts.index(text) + 1 if text in texts else min(old.step, len(texts))
    return new


def _order(streams: Iterable[_Stream]) -> list[tuple[_Stream, int]]:
    keyed = []
    for place, stream in enumerate(streams):
        config = stream.config
        importance = (-Priority(config.priority), config.weight)
        for step in range(1, len(stream.steps) + 1):
            # Equals go down together by the share of their ladders, whose lengths may differ.
            keyed.append(((*importance, step / len(stream.steps), -place), (stream, step)))
    return [item for _, item in sorted(keyed, key=lambda pair: pair[0])]
