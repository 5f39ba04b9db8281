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

"""What reducers that give back the same type have in common."""

from collections.abc import Mapping

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.reducers.interface import Output
from ros_cloud_bridge.reducers.sensor_options import number


class PlainKind:
    """A kind without forms; what comes out of it has the type that went in."""

    def restore(self, form: str, data: bytes) -> bytes:
        """
        Refuse: there are no forms.

        :param form: any
        :param data: any
        :returns: nothing
        :raises ProtocolError: always
        """
        raise ProtocolError(f'unknown form {form}')


class PlainReducer:
    """
    A reducer whose output is known from the first message on.

    :param output: what comes out
    """

    def __init__(self, output: Output) -> None:
        self._output = output

    @property
    def output(self) -> Output:
        """What comes out: the same type."""
        return self._output


class TimedReducer(PlainReducer):
    """
    A reducer that gives something back after a time in any case.

    :param max_s: that time
    :param output: what comes out
    """

    def __init__(self, max_s: float, output: Output) -> None:
        super().__init__(output)
        self._max_s = max_s
        self._now = 0.0

    def at(self, time_s: float) -> None:
        """
        Learn when the next message came.

        :param time_s: seconds on the robot's clock
        """
        self._now = time_s


def read_max_s(options: Mapping[str, str], default_s: float) -> float:
    """
    Read how long a timed reducer may keep silent.

    :param options: by name
    :param default_s: where it is not given
    :returns: seconds
    :raises ValueError: when it is no number, or out of bounds
    """
    return number(options, 'max_s', default_s, 0.01, 3600.0)
