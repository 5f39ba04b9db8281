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
The node's ROS parameters as the flat mapping that :mod:`ros_cloud_bridge.core.config` reads.

The node is created with ``allow_undeclared_parameters=True`` and *without*
``automatically_declare_parameters_from_overrides``: that option declares with static types, so
an empty list (NOT_SET) fails in the node's constructor and ``max_hz: 10`` could never become 2.5.
"""

from collections.abc import Callable, Iterable, Mapping

from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter

from ros_cloud_bridge.core.config import flatten, is_foreign, read_config, refuse_read_only
from ros_cloud_bridge.core.config_fields import Field
from ros_cloud_bridge.core.config_table import field_of
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.values import BridgeConfig

FindField = Callable[[str], Field | None]


def adopt_overrides(node: LifecycleNode, find: FindField = field_of) -> None:
    """
    Declare every parameter that a file or the command line gave.

    :param node: node that allows undeclared parameters; may be called again
    :param find: finds the field of a key; the bridge's when left out
    """
    # rclpy offers no public way to see overrides whose names are not known beforehand.
    overrides: Mapping[str, Parameter] = node._parameter_overrides
    for name, parameter in overrides.items():
        if not node.has_parameter(name):
            node.declare_parameter(name, parameter.value, _descriptor(find(name)))


def flat_parameters(node: LifecycleNode) -> dict[str, object]:
    """
    Read the node's parameters.

    :param node: node whose overrides were adopted
    :returns: full name to value, without those that belong to ROS; None for an empty list
    """
    return {
        name: parameter.value
        for name, parameter in node.get_parameters_by_prefix('').items()
        if not is_foreign(name)
    }


def read_parameters(node: LifecycleNode) -> BridgeConfig:
    """
    Read and check the node's configuration; what can change then stands as parameters.

    :param node: node that allows undeclared parameters
    :returns: the configuration
    :raises ConfigError: for the first problem
    """
    adopt_overrides(node)
    config = read_config(flat_parameters(node))
    for name, value in flatten(config).items():
        entry = field_of(name)
        if entry is not None and entry.run_time and not node.has_parameter(name):
            node.declare_parameter(name, value, _descriptor(entry))
    return config


def try_change(
    node: LifecycleNode, changes: Iterable[Parameter], running: BridgeConfig | None
) -> tuple[SetParametersResult, BridgeConfig | None]:
    """
    Judge a change of parameters; for a callback given to ``add_on_set_parameters_callback``.

    :param node: node whose overrides were adopted
    :param changes: parameters that somebody wants to set, all or none
    :param running: configuration in use, or None while unconfigured (all is allowed then, and
        checked by the next configure)
    :returns: the answer for ROS, and the new configuration if one results
    """
    if running is None:
        return SetParametersResult(successful=True), None
    flat = flat_parameters(node)
    flat.update({p.name: p.value for p in changes if not is_foreign(p.name)})
    try:
        config = read_config(flat)
        refuse_read_only(running, config)
    except ConfigError as error:
        return SetParametersResult(successful=False, reason=str(error)), None
    return SetParametersResult(successful=True), config


def _descriptor(entry: Field | None) -> ParameterDescriptor:
    """Describe a parameter for ``ros2 param describe``; its type may change, 10 is 10.0."""
    if entry is None:
        return ParameterDescriptor(dynamic_typing=True)
    note = '' if entry.run_time else ' Read-only while the bridge runs.'
    return ParameterDescriptor(
        description=f'{entry.help}{note}',
        additional_constraints=entry.allowed,
        dynamic_typing=True,
    )
