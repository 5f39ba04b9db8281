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

"""What a dispatched command is while it runs; its end is told once, whatever happens."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ros_cloud_bridge.command_values import Reason, State
from ros_cloud_bridge.core.commands.effects import Dispatch, Ended, Progress
from ros_cloud_bridge.errors import BadFields, MissingTypeSupport
from ros_cloud_bridge.ros.commands.fields import check_size, to_fields

Report = Callable[[Progress | Ended], None]
Log = Callable[[str, str], None]


class Job(Protocol):
    """A command that runs; everything on the executor's thread."""

    def look(self, now: float) -> None:
        """
        Look at what no callback tells, a few times a second.

        :param now: monotonic seconds
        """

    def cancel(self) -> None:
        """Cancel it; it still ends."""

    def drop(self) -> None:
        """Leave it alone, as far as that can be done at once; nobody waits for its end."""


class Reach(Protocol):
    """What a channel reaches."""

    def begin(self, dispatch: Dispatch, tell: 'Telling') -> Job:
        """
        Begin a command, on the executor's thread.

        :param dispatch: the command
        :param tell: is told what becomes of it
        :returns: the job
        :raises BadFields: when the arguments do not fit
        """

    def look(self) -> None:
        """Get to know servers before they are needed; about once a second."""

    def close(self) -> None:
        """Give back what it holds in the graph."""


class Telling:
    """
    Tells what becomes of one command.

    :param ticket: which one
    :param report: takes progress and end
    :param log: takes (level, text)
    """

    def __init__(self, ticket: int, report: Report, log: Log) -> None:
        self.over = False
        self._ticket = ticket
        self._report = report
        self._log = log

    def progress(self, detail: Any = None) -> None:
        """
        Tell that it runs; nothing once it has ended.

        :param detail: plain values, or None
        """
        if not self.over:
            self._send(Progress(ticket=self._ticket, detail=detail))

    def end(self, state: State, reason: str = '', detail: Any = None) -> None:
        """
        Tell how it ended; only the first call counts.

        :param state: a final one
        :param reason: a :class:`Reason`, and maybe ``: `` and a text
        :param detail: plain values, or None
        """
        if not self.over:
            self.over = True
            self._send(Ended(ticket=self._ticket, state=state, reason=reason, detail=detail))

    def fail(self, reason: str, text: str = '') -> None:
        """
        Tell that it failed.

        :param reason: a :class:`Reason`
        :param text: for people
        """
        self.end(State.FAILED, f'{reason}: {text}' if text else reason)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """
        Let whatever goes wrong inside be the command's end instead of the executor's.

        :yields: nothing
        """
        try:
            yield
        except BadFields as error:
            self.fail(Reason.BAD_FIELDS, str(error))
        except MissingTypeSupport as error:
            self.fail(Reason.NO_TYPE_SUPPORT, str(error))
        except Exception as error:
            self._log('error', f'a command fails inside: {error!r}')
            self.fail(Reason.INTERNAL, repr(error))

    def _send(self, event: Progress | Ended) -> None:
        try:
            self._report(event)
        except Exception as error:
            self._log('error', f'what became of a command cannot be told: {error!r}')


def told(message: Any) -> tuple[str, dict[str, Any] | None]:
    """
    Take a message apart for an answer.

    :param message: a response or result, or plain values
    :returns: '' and its fields; or why they are left out, and None
    """
    try:
        if isinstance(message, dict):
            return '', check_size(message)
        return '', to_fields(message)
    except BadFields as error:
        return f'{Reason.TOO_LARGE}: {error}', None
