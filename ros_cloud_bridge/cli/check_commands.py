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

"""What ``check-config`` says of channels for commands beyond the checks of the core."""

from collections.abc import Iterator
import os
from pathlib import Path

import yaml

from ros_cloud_bridge.values import BridgeConfig, ChannelConfig, Trust


def command_problems(config: BridgeConfig) -> Iterator[str]:
    """
    Find what only a reader of YAML can see.

    :param config: configuration
    :returns: one line each
    """
    for channel in config.channels:
        if channel.stop and (problem := _stop_problem(channel.stop)):
            yield f'command.{channel.name}.stop: {problem}'


def command_warnings(config: BridgeConfig, look_for_files: bool) -> Iterator[str]:
    """
    Find what is allowed and probably not meant.

    :param config: configuration
    :param look_for_files: whether the directory of keys has to be on this machine
    :returns: one line each
    """
    if not config.channels:
        return
    for channel in config.channels:
        if not channel.operators:
            yield f'command.{channel.name}.operators: names nobody: nobody may use the channel'
    if config.trust is Trust.TRANSPORT:
        yield (
            'trust: transport takes any sender for the operator in the MQTT topic; only the '
            "broker's permissions keep others out"
        )
    elif not config.operator_keys:
        yield 'operator_keys: names no directory: every command will be refused'
    elif look_for_files and not Path(os.path.expanduser(config.operator_keys)).is_dir():
        yield (
            f"operator_keys: '{config.operator_keys}' is no directory on this machine: without "
            'it every command will be refused'
        )


def command_notes(config: BridgeConfig) -> Iterator[str]:
    """
    Say what nobody should forget.

    :param config: configuration
    :returns: one line each
    """
    for channel in config.channels:
        if channel.lease:
            yield _base_note(channel)


def _base_note(channel: ChannelConfig) -> str:
    return (
        f'command.{channel.name}: what listens to {channel.ros_name} needs a time-out of its own: '
        'after a kill (SIGKILL) or a power cut nobody publishes stop; nothing here replaces an '
        'emergency stop'
    )


def _stop_problem(text: str) -> str:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error)
        return f'is no valid YAML: {reason}'
    except (RecursionError, ValueError):
        return 'is no valid YAML'
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        return "is no map of fields; must be as in '{linear: {x: 0.0}}'"
    return ''
