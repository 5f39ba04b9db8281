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

"""Service and action types, found by name with their compiled type support."""

from functools import cache
import importlib
import re
from typing import Any

from ros_cloud_bridge.errors import MissingTypeSupport

_TYPE_NAME = re.compile(r'([a-z][a-z0-9_]*)/(srv|action)/([A-Za-z][A-Za-z0-9]*)')


def load_service(type_name: str) -> Any:
    """
    Find a service type.

    :param type_name: as in ``std_srvs/srv/SetBool``
    :returns: the class, ready for rclpy
    :raises MissingTypeSupport: if anything stands in the way, a malformed name included
    """
    return _load(type_name, 'srv', 'a service', 'std_srvs/srv/SetBool')


def load_action(type_name: str) -> Any:
    """
    Find an action type.

    :param type_name: as in ``nav2_msgs/action/NavigateToPose``
    :returns: the class, ready for rclpy
    :raises MissingTypeSupport: if anything stands in the way, a malformed name included
    """
    return _load(type_name, 'action', 'an action', 'nav2_msgs/action/NavigateToPose')


@cache
def _load(type_name: str, namespace: str, what: str, example: str) -> Any:
    match = _TYPE_NAME.fullmatch(type_name)
    if not match or match[2] != namespace:
        raise MissingTypeSupport(type_name, f'not the type name of {what} like {example}')
    try:
        found = getattr(importlib.import_module(f'{match[1]}.{namespace}'), match[3])
        metaclass: Any = type(found)
        if metaclass._TYPE_SUPPORT is None:
            metaclass.__import_type_support__()
    # Whatever a foreign package's import raises, the other channels must go on.
    except Exception as error:
        raise MissingTypeSupport(type_name, str(error) or type(error).__name__) from error
    if metaclass._TYPE_SUPPORT is None:
        raise MissingTypeSupport(type_name, 'its C type support does not load')
    return found
