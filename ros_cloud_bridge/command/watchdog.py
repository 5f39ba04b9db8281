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
The dead man's switch: stops what is driven when nobody drives it any more.

A thread of its own, which waits for nothing but its time: whatever becomes of the MQTT session, of
the gate or of the disk, the stop message goes out. A process that is killed publishes nothing: the
consumer of the messages needs a time-out of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue
import threading

from ros_cloud_bridge.command.clock import now_s
from ros_cloud_bridge.values import ChannelConfig

Log = Callable[[str, str], None]

# A best-effort reader may miss one.
_REPEATS = 2
_REPEAT_S = 0.05
_IDLE_S = 60.0
_PATIENCE_S = 0.02
_TELL_S = 0.5


@dataclass(slots=True, eq=False)
class _Driven:
    """A channel; its lock is held while something is published to it, so that stop comes last."""

    config: ChannelConfig
    lock: threading.Lock = field(default_factory=threading.Lock)
    due: float | None = None
    repeats: int = 0
    stops: int = 0


class Watchdog:
    """
    Lets messages of channels with a lease pass, and stops what they drive when they cease.

    :param channels: those with a lease; others are left out
    :param publish_stop: publishes a channel's stop message; called on any thread
    :param log: takes (level, text)
    """

    def __init__(
        self,
        channels: Sequence[ChannelConfig],
        publish_stop: Callable[[str], None],
        log: Log,
    ) -> None:
        self._driven = {one.name: _Driven(one) for one in channels if one.lease}
        self._publish_stop = publish_stop
        self._log = log
        # Remembers that something has changed while the thread was looking.
        self._news = threading.Event()
        self._ending = self._holding = False
        # A log that blocks, as a pipe that nobody reads does, must not keep a stop from going out.
        self._lines: SimpleQueue[tuple[str, str] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name='watchdog', daemon=True)
        self._teller = threading.Thread(target=self._tell, name='watchdog log', daemon=True)

    @property
    def stops(self) -> dict[str, int]:
        """How often each channel was stopped."""
        return {name: driven.stops for name, driven in self._driven.items()}

    def start(self) -> None:
        """Begin to watch."""
        if self._driven:
            self._thread.start()
            self._teller.start()

    def drive(self, channel: str, publish: Callable[[], None], deadline: float) -> bool:
        """
        Let a message pass, and expect the next one within the channel's time.

        :param channel: its name
        :param publish: publishes the message; its exceptions are the caller's
        :param deadline: monotonic seconds after which the message must not go any more
        :returns: whether it went
        """
        driven = self._driven[channel]
        with driven.lock:
            now = now_s()
            if self._ending or self._holding or now > deadline:
                return False
            # Watched before it moves: should publishing fail half-way, it is stopped.
            driven.due = now + driven.config.watchdog_s
            driven.repeats = _REPEATS
            self._news.set()
            publish()
        return True

    def stop(self, channel: str, why: str) -> None:
        """
        Stop a channel now, if it moves.

        :param channel: its name
        :param why: for the log
        """
        driven = self._driven[channel]
        with driven.lock:
            if driven.due is not None:
                self._stop(driven, why)
        self._news.set()

    def stop_all(self, why: str) -> None:
        """
        Stop whatever moves.

        :param why: for the log
        """
        for name in self._driven:
            self.stop(name, why)

    def hold(self, why: str) -> None:
        """
        Stop whatever moves, and let nothing pass until :meth:`release`.

        :param why: for the log
        """
        self._holding = True
        self.stop_all(why)

    def release(self) -> None:
        """Let messages pass again."""
        self._holding = False

    def close(self, why: str) -> None:
        """
        Stop whatever moves, and end.

        :param why: for the log
        """
        self._ending = True
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join(2.0)
        self.stop_all(why)
        self._lines.put(None)
        if self._teller.ident is not None:
            self._teller.join(_TELL_S)

    def _tell(self) -> None:
        while (line := self._lines.get()) is not None:
            self._log(*line)

    def _run(self) -> None:
        while not self._ending:
            self._news.clear()
            due = self._look()
            wait_s = _IDLE_S if due is None else due - now_s()
            if wait_s > 0:
                self._news.wait(wait_s)

    def _look(self) -> float | None:
        """Stop what is due; returns when the next one is."""
        dues = []
        for driven in self._driven.values():
            # A publisher that hangs on one channel must not keep the others from being stopped.
            if not driven.lock.acquire(timeout=_PATIENCE_S):
                dues.append(now_s() + _PATIENCE_S)
                continue
            try:
                if driven.due is not None and driven.due <= now_s():
                    self._expired(driven)
                if driven.due is not None:
                    dues.append(driven.due)
            finally:
                driven.lock.release()
        return min(dues, default=None)

    def _expired(self, driven: _Driven) -> None:
        if driven.repeats == _REPEATS:
            self._stop(driven, f'no command for {driven.config.watchdog_s:g} s')
        else:
            self._repeat(driven)

    def _stop(self, driven: _Driven, why: str) -> None:
        if driven.repeats == _REPEATS:
            driven.stops += 1
            name = driven.config.name
            self._lines.put(('warning', f"command channel '{name}' is stopped: {why}"))
        self._repeat(driven)

    def _repeat(self, driven: _Driven) -> None:
        driven.repeats -= 1
        driven.due = None if driven.repeats < 0 else now_s() + _REPEAT_S
        try:
            self._publish_stop(driven.config.name)
        except Exception as error:  # the others must be stopped all the same
            name = driven.config.name
            self._lines.put(('error', f"command channel '{name}': no stop: {error!r}"))
