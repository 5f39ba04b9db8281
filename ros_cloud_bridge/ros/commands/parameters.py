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

"""Parameters of a node: get, set, list and describe those that the channel's patterns name."""

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from rcl_interfaces.msg import Parameter, ParameterDescriptor, ParameterType, ParameterValue
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParametersAtomically,
)
from rclpy.node import Node

from ros_cloud_bridge.command_values import Reason, State
from ros_cloud_bridge.core.commands.effects import Dispatch
from ros_cloud_bridge.ros.commands.fields import build, to_fields
from ros_cloud_bridge.ros.commands.jobs import Job, Telling, told
from ros_cloud_bridge.ros.commands.scalars import bad_field, check_text
from ros_cloud_bridge.ros.commands.services import Call, ServiceClient
from ros_cloud_bridge.values import ChannelConfig

_MOST_NAMES = 256
# type -> (its word, the member of ParameterValue that holds it)
_TYPES = {
    ParameterType.PARAMETER_NOT_SET: ('not set', ''),
    ParameterType.PARAMETER_BOOL: ('bool', 'bool_value'),
    ParameterType.PARAMETER_INTEGER: ('int', 'integer_value'),
    ParameterType.PARAMETER_DOUBLE: ('double', 'double_value'),
    ParameterType.PARAMETER_STRING: ('string', 'string_value'),
    ParameterType.PARAMETER_BYTE_ARRAY: ('byte[]', 'byte_array_value'),
    ParameterType.PARAMETER_BOOL_ARRAY: ('bool[]', 'bool_array_value'),
    ParameterType.PARAMETER_INTEGER_ARRAY: ('int[]', 'integer_array_value'),
    ParameterType.PARAMETER_DOUBLE_ARRAY: ('double[]', 'double_array_value'),
    ParameterType.PARAMETER_STRING_ARRAY: ('string[]', 'string_array_value'),
}
_SINGLE = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
    bytes: ParameterType.PARAMETER_BYTE_ARRAY,
}
_ARRAYS = {
    bool: ParameterType.PARAMETER_BOOL_ARRAY,
    int: ParameterType.PARAMETER_INTEGER_ARRAY,
    float: ParameterType.PARAMETER_DOUBLE_ARRAY,
    str: ParameterType.PARAMETER_STRING_ARRAY,
}
# What an integer, or a list with integers, becomes where the node has declared the key's type.
_WIDENED = {
    ParameterType.PARAMETER_DOUBLE: (ParameterType.PARAMETER_INTEGER,),
    ParameterType.PARAMETER_DOUBLE_ARRAY: (ParameterType.PARAMETER_INTEGER_ARRAY,),
}


class ParameterReach:
    """
    A channel that reaches the parameters of a node.

    rclpy's AsyncParameterClient keeps its clients to itself; forgetting a request needs them.

    :param node: ours
    :param config: the channel, whose ``ros_name`` is the node with the parameters
    """

    def __init__(self, node: Node, config: ChannelConfig) -> None:
        self._patterns = config.parameters
        base = config.ros_name

        def client(service_class: Any, name: str) -> ServiceClient:
            return ServiceClient(node, service_class, f'{base}/{name}')

        self._get = client(GetParameters, 'get_parameters')
        self._set = client(SetParametersAtomically, 'set_parameters_atomically')
        self._list = client(ListParameters, 'list_parameters')
        self._describe = client(DescribeParameters, 'describe_parameters')
        self._clients = (self._get, self._set, self._list, self._describe)
        self._begin: dict[str, Callable[[_Asking], None]] = {
            'get': self._begin_get,
            'set': self._begin_set,
            'list': self._begin_list,
            'describe': self._begin_describe,
        }

    def begin(self, dispatch: Dispatch, tell: Telling) -> Job:
        """
        Ask the node.

        :param dispatch: the command: ``get``, ``set``, ``list`` or ``describe``
        :param tell: is told what becomes of it
        :returns: the job
        :raises BadFields: when the arguments do not fit
        """
        asking = _Asking(dispatch, tell)
        begin = self._begin.get(dispatch.type)
        if begin is None:
            tell.fail(Reason.WRONG_TYPE, f'{dispatch.type} is not for parameters')
        else:
            begin(asking)
        return asking

    def look(self) -> None:
        """Get to know the node."""
        for client in self._clients:
            client.servers.ready()

    def close(self) -> None:
        """Destroy the clients."""
        for client in self._clients:
            client.close()

    def _permitted(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self._patterns)

    def _all_permitted(self, names: list[str], tell: Telling) -> bool:
        for name in names:
            if not self._permitted(name):
                tell.fail(Reason.NOT_PERMITTED, f"the channel does not reach parameter '{name}'")
                return False
        return True

    def _begin_get(self, asking: '_Asking') -> None:
        names = _names(asking.dispatch.arguments)

        def answered(response: GetParameters.Response) -> None:
            if len(response.values) != len(names):
                self._name_undeclared(names, asking)
                return
            values = dict(zip(names, map(_value_of, response.values), strict=True))
            _succeed(asking.tell, {'values': values})

        if self._all_permitted(names, asking.tell):
            asking.ask(self._get, GetParameters.Request(names=names), answered)

    def _begin_describe(self, asking: '_Asking') -> None:
        names = _names(asking.dispatch.arguments)

        def answered(response: DescribeParameters.Response) -> None:
            if len(response.descriptors) != len(names):
                self._name_undeclared(names, asking)
                return
            told_of = map(_description_of, response.descriptors)
            _succeed(asking.tell, {'parameters': dict(zip(names, told_of, strict=True))})

        if self._all_permitted(names, asking.tell):
            asking.ask(self._describe, DescribeParameters.Request(names=names), answered)

    def _begin_list(self, asking: '_Asking') -> None:
        if asking.dispatch.arguments not in (None, {}):
            raise bad_field('', 'list takes no arguments')

        def answered(response: ListParameters.Response) -> None:
            names = sorted(filter(self._permitted, response.result.names))
            _succeed(asking.tell, {'names': names})

        asking.ask(self._list, _list_all(), answered)

    def _begin_set(self, asking: '_Asking') -> None:
        values = _values(asking.dispatch.arguments)
        names = list(values)
        if not self._all_permitted(names, asking.tell):
            return
        # Before anything is sent: what can't be any parameter.
        _parameters(values, {}, empty_lists=True)

        def described(response: DescribeParameters.Response) -> None:
            # A node that knows one of the names not may tell of none.
            types = {descriptor.name: descriptor.type for descriptor in response.descriptors}
            request = SetParametersAtomically.Request(parameters=_parameters(values, types))
            asking.ask(self._set, request, answered)

        def answered(response: SetParametersAtomically.Response) -> None:
            if response.result.successful:
                asking.tell.end(State.SUCCEEDED)
            else:
                why = response.result.reason or 'without a reason'
                asking.tell.fail(Reason.REFUSED_BY_SERVER, why)

        asking.ask(self._describe, DescribeParameters.Request(names=names), described)

    def _name_undeclared(self, names: list[str], asking: '_Asking') -> None:
        # Since Kilted, and in C++, a node that lacks one of the names tells of none of them.
        def answered(response: ListParameters.Response) -> None:
            lacking = [name for name in names if name not in response.result.names] or names
            listed = ', '.join(f"'{name}'" for name in lacking)
            asking.tell.fail(Reason.REFUSED_BY_SERVER, f'not declared: {listed}')

        asking.ask(self._list, _list_all(), answered)


class _Asking:
    """One or several requests behind each other; the job of a parameter command."""

    def __init__(self, dispatch: Dispatch, tell: Telling) -> None:
        self.dispatch = dispatch
        self.tell = tell
        self._call: Call | None = None

    def ask(self, service: ServiceClient, request: Any, then: Callable[[Any], None]) -> None:
        """Make a request."""
        self._call = Call(service, request, self.dispatch.deadline, self.tell, then)

    def look(self, now: float) -> None:
        """See how the present request is."""
        if self._call is not None:
            self._call.look(now)

    def cancel(self) -> None:
        """Wait no longer."""
        if self._call is not None:
            self._call.cancel()

    def drop(self) -> None:
        """Forget the present request."""
        if self._call is not None:
            self._call.drop()


def _list_all() -> ListParameters.Request:
    return ListParameters.Request(depth=ListParameters.Request.DEPTH_RECURSIVE)


def _names(arguments: Any) -> list[str]:
    if not isinstance(arguments, Mapping) or set(arguments) != {'names'}:
        raise bad_field('', "expected {'names': [...]}")
    names = arguments['names']
    if not isinstance(names, list) or not 0 < len(names) <= _MOST_NAMES:
        raise bad_field('names', f'expected a list of 1 to {_MOST_NAMES} names')
    return [check_text(name, f'names[{index}]') for index, name in enumerate(names)]


def _values(arguments: Any) -> dict[str, Any]:
    if not isinstance(arguments, Mapping) or set(arguments) != {'values'}:
        raise bad_field('', "expected {'values': {name: value}}")
    values = arguments['values']
    if not isinstance(values, Mapping) or not 0 < len(values) <= _MOST_NAMES:
        raise bad_field('values', f'expected a map of 1 to {_MOST_NAMES} names to values')
    return {check_text(name, 'values'): value for name, value in values.items()}


def _parameters(
    values: Mapping[str, Any], types: Mapping[str, int], *, empty_lists: bool = False
) -> list[Parameter]:
    return [
        Parameter(
            name=name,
            value=_parameter_value(value, types.get(name, 0), f'values.{name}', empty_lists),
        )
        for name, value in values.items()
    ]


def _parameter_value(value: Any, declared: int, path: str, empty_lists: bool) -> ParameterValue:
    kind = _type_for(value, declared, path, empty_lists)
    return build(ParameterValue, {'type': kind, _TYPES[kind][1]: value}, path)


def _type_for(value: Any, declared: int, path: str, empty_lists: bool) -> int:
    kind: int | None
    if not isinstance(value, list):
        kind = _SINGLE.get(type(value))
    elif value:
        elements = set(map(type, value))
        # 1 beside 2.5 is a list of doubles.
        kind = _ARRAYS.get(float if elements == {int, float} else next(iter(elements)))
        if len(elements) > 1 and elements != {int, float}:
            kind = None
    elif declared in _ARRAYS.values() or declared == ParameterType.PARAMETER_BYTE_ARRAY:
        return declared
    elif empty_lists:
        return int(ParameterType.PARAMETER_STRING_ARRAY)
    else:
        raise bad_field(path, 'an empty list can be set only where the node declares its type')
    if kind is None:
        raise bad_field(
            path,
            f'expected bool, int, float, text, bytes or a list of one of them, got {value!r:.40}',
        )
    return declared if kind in _WIDENED.get(declared, ()) else int(kind)


def _value_of(value: ParameterValue) -> Any:
    member = _TYPES.get(value.type, ('', ''))[1]
    if not member:
        return None
    # As to_fields tells it: bytes for bytes, lists for arrays.
    return to_fields(value)[member] if 'array' in member else getattr(value, member)


def _description_of(descriptor: ParameterDescriptor) -> dict[str, Any]:
    fields = to_fields(descriptor)
    fields['type'] = _TYPES.get(descriptor.type, ('unknown', ''))[0]
    del fields['name']
    # What says nothing is left out.
    return {name: value for name, value in fields.items() if value not in ('', [], False)}


def _succeed(tell: Telling, detail: dict[str, Any]) -> None:
    reason, fields = told(detail)
    tell.end(State.SUCCEEDED, reason, fields)
