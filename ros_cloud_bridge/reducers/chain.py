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

"""A chain of reducers, each taking what the one before it made."""

from collections.abc import Sequence

from ros_cloud_bridge.reducers.interface import (
    DifferencesReducer,
    Level,
    Output,
    Reducer,
    TimedReducer,
)


class Chain:
    """
    Reducers one after the other.

    :param reducers: at least one; only the last one may make a form
    """

    def __init__(self, reducers: Sequence[Reducer]) -> None:
        self._reducers = tuple(reducers)
        self._timed = [one for one in reducers if isinstance(one, TimedReducer)]
        self._differences = [one for one in reducers if isinstance(one, DifferencesReducer)]
        outputs = [one.output for one in reducers]
        self._output = Output(
            type_name=outputs[-1].type_name,
            form=outputs[-1].form,
            error='; '.join(output.error for output in outputs if output.error),
            times_step_ns=max(output.times_step_ns for output in outputs),
        )

    @property
    def output(self) -> Output:
        """What comes out of the last one; the error is that of all."""
        return self._output

    def keyframe(self) -> None:
        """Let the next sample need none of those before it."""
        for one in self._differences:
            one.keyframe()

    def reduce(self, cdr: bytes, level: Level, time_s: float) -> bytes | None:
        """
        Reduce a message.

        :param cdr: serialized message
        :param level: how much is given up now
        :param time_s: seconds on the robot's clock, of the message's arrival
        :returns: what is sent; None when it says nothing new
        :raises Exception: whatever a reducer raises; the message then goes out as it is
        """
        for one in self._timed:
            one.at(time_s)
        data = cdr
        for reducer in self._reducers:
            made = reducer.reduce(data, level)
            if made is None:
                return None
            data = made
        if not isinstance(data, bytes):
            raise TypeError(f'a reducer made {type(data).__name__} instead of bytes')
        return data
