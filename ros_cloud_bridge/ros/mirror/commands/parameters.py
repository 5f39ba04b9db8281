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

"""The parameter services of a robot's node, as far as a channel reaches them."""

from collections.abc import Callable, Mapping
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import (
    GetParameters,
    ListParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.parameter import Parameter, parameter_value_to_python

from ros_cloud_bridge.cloud.operator import Outcome
from ros_cloud_bridge.ros.mirror.commands.sending import Sending
from ros_cloud_bridge.ros.mirror.commands.services import LateService

Answer = Callable[[Any], None]


class ParameterEndpoint:
    """
    Reads and sets parameters of a node on a robot, by the services that nodes have for it.

    ``set_parameters`` sets all or none, as the robot does. Names that cannot be read get no
    answer, for these services have no way to say so.

    :param sending: of a channel of kind parameter
    """

    def __init__(self, sending: Sending) -> None:
        self._sending = sending
        served: tuple[tuple[Any, str, Callable[[Any, Answer], None]], ...] = (
            (GetParameters, 'get_parameters', self._get),
            (ListParameters, 'list_parameters', self._list),
            (SetParameters, 'set_parameters', self._set),
            (SetParametersAtomically, 'set_parameters_atomically', self._set_atomically),
        )
        self._services = [
            LateService(sending, service_class, f'{sending.name}/{leaf}', asked)
            for service_class, leaf, asked in served
        ]

    def close(self) -> None:
        """Take the services out of the graph."""
        for service in self._services:
            service.close()

    def _get(self, request: Any, answer: Answer) -> None:
        names = list(request.names)

        def finished(outcome: Outcome) -> None:
            values = _below(outcome, 'values')
            if outcome.succeeded and isinstance(values, Mapping):
                messages = [_value(values.get(name)) for name in names]
                answer(GetParameters.Response(values=messages))

        self._sending.send('get', {'names': names}, finished)

    def _list(self, request: Any, answer: Answer) -> None:
        prefixes = tuple(request.prefixes)

        def finished(outcome: Outcome) -> None:
            names = _below(outcome, 'names')
            if outcome.succeeded and isinstance(names, list):
                response = ListParameters.Response()
                response.result.names = [
                    name
                    for name in names
                    if isinstance(name, str) and (not prefixes or name.startswith(prefixes))
                ]
                answer(response)

        self._sending.send('list', None, finished)

    def _set(self, request: Any, answer: Answer) -> None:
        count = len(request.parameters)

        def finished(outcome: Outcome) -> None:
            answer(SetParameters.Response(results=[_result(outcome)] * count))

        self._sending.send('set', _arguments(request), finished)

    def _set_atomically(self, request: Any, answer: Answer) -> None:
        def finished(outcome: Outcome) -> None:
            answer(SetParametersAtomically.Response(result=_result(outcome)))

        self._sending.send('set', _arguments(request), finished)


def _below(outcome: Outcome, key: str) -> Any:
    return outcome.detail.get(key) if isinstance(outcome.detail, Mapping) else None


def _result(outcome: Outcome) -> SetParametersResult:
    reason = '' if outcome.succeeded else str(outcome)
    return SetParametersResult(successful=outcome.succeeded, reason=reason)


def _arguments(request: Any) -> dict[str, Any]:
    return {
        'values': {
            parameter.name: _plain(parameter_value_to_python(parameter.value))
            for parameter in request.parameters
        }
    }


def _plain(value: Any) -> Any:
    # Arrays are array's or numpy's; byte arrays lists of bytes of one.
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], bytes):
        return b''.join(value)
    return value.tolist() if hasattr(value, 'tolist') else value


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        value = [value[index : index + 1] for index in range(len(value))]
    return Parameter('_', value=value).get_parameter_value()
