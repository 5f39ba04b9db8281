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

"""Paths of limits and scales against the types: one that leads nowhere would limit nothing."""

from collections.abc import Sequence
from typing import Any

from rosidl_parser import definition as idl

from ros_cloud_bridge.core.commands.limits import ANY, parse
from ros_cloud_bridge.errors import BadFields
from ros_cloud_bridge.ros.commands.fields import no_such_field
from ros_cloud_bridge.ros.commands.types import load_action, load_service
from ros_cloud_bridge.ros.interfaces import load_message
from ros_cloud_bridge.values import ChannelConfig, ChannelKind

MessageClass = type[Any]


def check_paths(channel: ChannelConfig) -> None:
    """
    Check that every limit and every scale of a channel leads to a field.

    :param channel: of kind ``topic``, ``service`` or ``action``; others have no fields
    :raises BadFields: for the first one that does not
    :raises MissingTypeSupport: when the type is not installed
    """
    if channel.kind not in (ChannelKind.TOPIC, ChannelKind.SERVICE, ChannelKind.ACTION):
        return
    commanded = _commanded(channel)
    for text in channel.limits:
        _check(commanded, parse(text).steps, f"limits: '{text}'")
    for path in channel.scale:
        _check(commanded, path.split('.'), f"scale: '{path}'")


def _commanded(channel: ChannelConfig) -> MessageClass:
    if channel.kind is ChannelKind.SERVICE:
        request: MessageClass = load_service(channel.type_name).Request
        return request
    if channel.kind is ChannelKind.ACTION:
        goal: MessageClass = load_action(channel.type_name).Goal
        return goal
    return load_message(channel.type_name)


def _check(commanded: MessageClass, steps: Sequence[str], what: str) -> None:
    if problem := _problem(commanded, steps):
        raise BadFields(f'{what}: {problem}')


def _problem(commanded: MessageClass, steps: Sequence[str]) -> str:
    """Say where a path ends in nothing; an empty text where it does not."""
    slots = dict(
        zip(
            commanded.get_fields_and_field_types(),
            commanded.SLOT_TYPES,
            strict=True,
        )
    )
    step, *rest = steps
    if step == ANY:
        problems = [_problem_of(slot, rest) for slot in slots.values()]
        return '' if '' in problems else f"no field has '{'.'.join(rest)}'"
    if step not in slots:
        return no_such_field(step, slots)
    return _problem_of(slots[step], rest)


def _problem_of(slot: Any, steps: Sequence[str]) -> str:
    if not steps:
        return ''
    if isinstance(slot, idl.AbstractNestedType):
        step, *rest = steps
        if step != ANY:
            return f"'{step}' in an array: write {ANY} for each of its elements"
        return _problem_of(slot.value_type, rest)
    if isinstance(slot, idl.NamespacedType):
        return _problem(load_message('/'.join(slot.namespaced_name())), steps)
    return f"'{steps[0]}' in what has no fields"
