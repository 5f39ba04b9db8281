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

"""The handle of a command that was handed over."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import suppress
import threading
from typing import Any

from ros_cloud_bridge.cloud.operator.outcome import Outcome
from ros_cloud_bridge.command_values import Answer

# A goal may run for hours with nobody looking at its feedback.
_MOST_ANSWERS = 128
_Listener = Callable[[Answer | None], None]


class Sent:
    """
    A command on its way; may be used from any thread, and awaited.

    Iterating gives the robot's answers as they come, to the last one; of those that nobody fetches
    the newest 128 are kept. ``answered`` says whether there was any.

    :param robot_id: whom it was sent to
    :param channel: and by which channel
    :param type_name: of the command
    :param cancel: cancels it, for goals
    :param on_answer: takes each answer
    """

    def __init__(
        self,
        robot_id: str,
        channel: str,
        type_name: str,
        *,
        cancel: 'Callable[[Sent], Sent] | None' = None,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> None:
        self.robot_id = robot_id
        self.channel = channel
        self.type = type_name
        self.id = b''
        self.cancelled = False
        self.answered = False
        self._cancel = cancel
        self.on_answer = on_answer
        self._changed = threading.Condition()
        self._answers: deque[Answer] = deque(maxlen=_MOST_ANSWERS)
        self._outcome: Outcome | None = None
        self._listeners: list[_Listener] = []

    def __repr__(self) -> str:
        state = 'under way' if self._outcome is None else str(self._outcome)
        return f'Sent({self.robot_id}, {self.channel}, {self.type}: {state})'

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, None while it is under way."""
        return self._outcome

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._outcome is not None

    def wait(self, timeout_s: float | None = None) -> Outcome:
        """
        Wait for its end.

        :param timeout_s: for how long at most; None until it ends
        :returns: how it ended
        :raises TimeoutError: when it has not ended by then; it goes on
        """
        with self._changed:
            self._changed.wait_for(lambda: self._outcome is not None, timeout_s)
            if self._outcome is None:
                raise TimeoutError(f'{self.type} {self.channel}: under way after {timeout_s:g} s')
            return self._outcome

    def __await__(self) -> Generator[Any, None, Outcome]:
        return self._ended().__await__()

    def __iter__(self) -> Iterator[Answer]:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._answers or self._outcome is not None)
                if not self._answers:
                    return
                answer = self._answers.popleft()
            yield answer

    async def __aiter__(self) -> AsyncIterator[Answer]:
        queue: asyncio.Queue[Answer | None] = asyncio.Queue()
        listener = self._listen(queue.put_nowait)
        try:
            while (answer := await queue.get()) is not None:
                yield answer
        finally:
            self._forget(listener)

    def when_done(self, callback: 'Callable[[Sent], None]') -> None:
        """
        Have its end told.

        :param callback: called once, on the operator's own thread; at once if it has ended
        """

        def hear(answer: Answer | None) -> None:
            if answer is None:
                callback(self)

        with self._changed:
            ended = self._outcome is not None
            if not ended:
                self._listeners.append(hear)
        if ended:
            callback(self)

    def cancel(self) -> 'Sent':
        """
        Cancel a goal; it then ends by itself, as a rule cancelled.

        :returns: the cancellation, which is a command as well
        :raises TypeError: when it is no goal
        """
        if self._cancel is None:
            raise TypeError(f'{self.type} cannot be cancelled; only a goal can')
        self.cancelled = True
        return self._cancel(self)

    def tell(self, answer: Answer) -> None:
        """
        Take an answer of the robot.

        :param answer: the next one
        """
        with self._changed:
            self.answered = True
            self._answers.append(answer)
            listeners = tuple(self._listeners)
            self._changed.notify_all()
        for listener in listeners:
            listener(answer)

    def end(self, outcome: Outcome) -> None:
        """
        Take its end; there is only one.

        :param outcome: how it ended
        """
        with self._changed:
            if self._outcome is not None:
                return
            self._outcome = outcome
            listeners = tuple(self._listeners)
            self._changed.notify_all()
        for listener in listeners:
            listener(None)

    async def _ended(self) -> Outcome:
        ended = asyncio.Event()

        def hear(answer: Answer | None) -> None:
            if answer is None:
                ended.set()

        listener = self._listen(hear)
        try:
            await ended.wait()
        finally:
            self._forget(listener)
        assert self._outcome is not None
        return self._outcome

    def _listen(self, hear: _Listener) -> _Listener:
        loop = asyncio.get_running_loop()

        def listener(answer: Answer | None) -> None:
            # The loop may be closed: then nobody waits any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(hear, answer)

        with self._changed:
            for answer in self._answers:
                listener(answer)
            if self._outcome is not None:
                listener(None)
            self._listeners.append(listener)
        return listener

    def _forget(self, listener: _Listener) -> None:
        with self._changed:
            self._listeners.remove(listener)
