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

"""``ros-cloud-bridge check-config``: find a parameter file's faults before a robot does."""

import argparse
from collections.abc import Iterator
import os
from pathlib import Path

from ros_cloud_bridge.cli.check_commands import (
    command_notes,
    command_problems,
    command_warnings,
)
from ros_cloud_bridge.cli.parameter_file import ParameterFile, read_file
from ros_cloud_bridge.core.config import find_problems, read_config
from ros_cloud_bridge.core.config_docs import key_table, key_tables
from ros_cloud_bridge.core.mirror_config import find_mirror_problems, read_mirror_config
from ros_cloud_bridge.core.mirror_table import MIRROR_FIELDS
from ros_cloud_bridge.core.selection import compile_pattern, resolve, TopicSelector
from ros_cloud_bridge.errors import ConfigError
from ros_cloud_bridge.reducers.config_check import reducer_problems
from ros_cloud_bridge.values import BlackBoxConfig, BridgeConfig, Confirm, Keep, StreamConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    Add this subcommand's arguments.

    :param parser: the subcommand's parser
    """
    parser.add_argument('files', nargs='*', metavar='FILE', help='ROS parameter file (YAML)')
    parser.add_argument(
        '--node', default='', help='full name of the node, as in /amr_07/uplink, to check for it'
    )
    parser.add_argument(
        '--no-files',
        action='store_true',
        help='do not look for certificates and password files, which only the robot has',
    )
    parser.add_argument(
        '--mirror', action='store_true', help='the files are for the mirror, not for a bridge'
    )
    parser.add_argument(
        '--keys', action='store_true', help='print every key with its type, default and range'
    )


def run(args: argparse.Namespace) -> int:
    """
    Check each file and say what was found.

    :param args: parsed arguments
    :returns: 0 when all files are right, 2 otherwise
    """
    if args.keys:
        print(key_table(MIRROR_FIELDS) if args.mirror else key_tables())
    elif not args.files:
        print('check-config: name at least one FILE, or --keys')
        return 2
    wrong = False
    for name in args.files:
        if args.mirror:
            lines, ok = check_mirror_file(Path(name), args.node or '/mirror')
        else:
            lines, ok = check_file(Path(name), args.node, look_for_files=not args.no_files)
        wrong |= not ok
        for line in lines:
            print(f'{name}: {line}')
    return 2 if wrong else 0


def check_file(
    path: Path, node: str = '', look_for_files: bool = True
) -> tuple[tuple[str, ...], bool]:
    """
    Check one file.

    :param path: parameter file
    :param node: absolute name of the node to check for; empty for each that the file names
    :param look_for_files: whether named certificates have to be on this machine
    :returns: what to say, one line each, and whether the file is right
    """
    try:
        file = read_file(path)
    except ConfigError as error:
        return (str(error),), False
    lines = [str(problem) for problem in file.problems]
    ok = not lines
    nodes = (node,) if node else file.nodes() or ('',)
    for name in nodes:
        found, good = _check_node(file, name, look_for_files)
        title = f'{name}: ' if len(nodes) > 1 else ''
        # 'ok' beside problems of the file itself would mislead.
        lines += [f'{title}{line}' for line in found if ok or not good]
        ok &= good
    return tuple(lines), ok


def check_mirror_file(path: Path, node: str) -> tuple[tuple[str, ...], bool]:
    """
    Check a file for the mirror.

    :param path: parameter file
    :param node: absolute name of the node to check for
    :returns: what to say, one line each, and whether the file is right
    """
    try:
        file = read_file(path)
        flat = file.flat(node)
    except ConfigError as error:
        return (str(error),), False
    problems = (*file.problems, *find_mirror_problems(flat))
    if problems:
        return tuple(map(str, problems)), False
    config = read_mirror_config(flat)
    broker = f'{config.mqtt.host}:{config.mqtt.effective_port}'
    return (f"ok: mirror of '{config.robots}' below {config.namespace or '/'}, {broker}",), True


def _check_node(
    file: ParameterFile, node: str, look_for_files: bool
) -> tuple[tuple[str, ...], bool]:
    try:
        flat = file.flat(node)
    except ConfigError as error:
        return (str(error),), False
    problems = find_problems(flat)
    if problems:
        return tuple(map(str, problems)), False
    config = read_config(flat)
    if reducers := tuple(map(str, reducer_problems(config))):
        return reducers, False
    missing = tuple(_missing_files(config)) if look_for_files else ()
    if wrong := (*command_problems(config), *missing):
        return wrong, False
    namespace = node.rpartition('/')[0] or '/'
    doubtful = (
        *_warnings(config, namespace),
        *_disk_warnings(config, look_for_files),
        *command_warnings(config, look_for_files),
    )
    warnings = (f'warning: {text}' for text in doubtful)
    notes = (f'note: {text}' for text in command_notes(config))
    return (*warnings, *notes, f'ok: {_summary(config)}'), True


def _summary(config: BridgeConfig) -> str:
    things = _count(len(config.streams), 'stream')
    if config.black_boxes:
        things += f', {_count(len(config.black_boxes), "black box", "black boxes")}'
    if config.channels:
        things += f', {_count(len(config.channels), "channel")} for commands'
    broker = f'{config.mqtt.host}:{config.mqtt.effective_port}'
    secured = ' with TLS' if config.mqtt.tls is not None else ''
    return f'robot {config.robot_id}, {things}, {config.mqtt.preset} at {broker}{secured}'


def _count(count: int, one: str, many: str = '') -> str:
    return f'{count} {one if count == 1 else many or f"{one}s"}'


def _missing_files(config: BridgeConfig) -> Iterator[str]:
    tls = config.mqtt.tls
    if tls is not None:
        for key in ('ca_file', 'cert_file', 'key_file'):
            file = getattr(tls, key)
            if file and not Path(file).is_file():
                yield f"mqtt.tls.{key}: '{file}' is no file on this machine"
    # Not printed: somebody may have written the password itself there.
    if config.mqtt.password_file and not Path(config.mqtt.password_file).is_file():
        yield 'mqtt.password_file: names no file on this machine'


def _warnings(config: BridgeConfig, namespace: str) -> Iterator[str]:
    selector = TopicSelector(config, namespace=namespace)
    seen: dict[str, str] = {}
    for stream in config.streams:
        key = f'stream.{stream.name}'
        for pattern in dict.fromkeys(stream.topics):
            if pattern in seen:
                yield f"{key}.topics: '{pattern}' stands in stream {seen[pattern]} already"
            elif compile_pattern(pattern).exact:
                yield from _name_warnings(selector, stream, resolve(pattern, namespace))
            seen.setdefault(pattern, stream.name)
        if 0 < stream.max_age_s < stream.max_delay_s:
            yield (
                f'{key}.max_age_s: {stream.max_age_s:g} s is less than max_delay_s '
                f'({stream.max_delay_s:g} s): samples may expire while their batch fills'
            )
    for box in config.black_boxes:
        yield from _span_warnings(box, config.spool.max_bytes)
    yield from _security_warnings(config)
    yield from _confirm_warnings(config)


def _span_warnings(box: BlackBoxConfig, spool_bytes: int) -> Iterator[str]:
    key = f'black_box.{box.stream.name}'
    own = box.stream.spool_bytes
    where, room = (f'{key}.spool_bytes', own) if own else ('spool.max_bytes', spool_bytes)
    if box.max_span_bytes > room:
        yield (
            f'{key}.max_span_bytes: {box.max_span_bytes} bytes are above {where} ({room} bytes): '
            'of a long span a part may be lost for want of room'
        )


def _disk_warnings(config: BridgeConfig, look: bool) -> Iterator[str]:
    directory = config.state_dir
    if '$' in directory:
        yield f"state_dir: '{directory}' is taken as it stands: variables are not replaced, ~ is"
    elif directory and not directory.startswith(('/', '~')):
        yield (
            f"state_dir: '{directory}' is relative: a bridge that is started from elsewhere does "
            'not find what it left there'
        )
    path = Path(os.path.expanduser(directory or '/'))
    if look and path.exists() and not path.is_dir():
        yield f"state_dir: '{directory}' is no directory: nothing could be kept on disk"


def _name_warnings(selector: TopicSelector, stream: StreamConfig, topic: str) -> Iterator[str]:
    key = f'stream.{stream.name}'
    taker = selector.stream_for(topic)
    if taker is None:
        yield f'{key}.topics: {topic} is named, but a deny pattern leaves it out'
    elif taker.name != stream.name:
        yield f'{key}.topics: {topic} goes to stream {taker.name}, which stands first'


def _confirm_warnings(config: BridgeConfig) -> Iterator[str]:
    if config.mqtt.protocol != '3.1.1':
        return
    for stream in (*config.streams, *(box.stream for box in config.black_boxes)):
        if stream.keep is Keep.DURABLE and stream.confirm is Confirm.BROKER:
            yield (
                f"mqtt.protocol: 3.1.1 has no reason codes: of '{stream.name}' counts as "
                'delivered what the broker refuses or nobody gets; with confirm: consumer not'
            )


def _security_warnings(config: BridgeConfig) -> Iterator[str]:
    mqtt = config.mqtt
    if mqtt.tls is not None:
        if not mqtt.tls.verify_hostname:
            yield 'mqtt.tls.verify_hostname: false lets any host with a trusted certificate answer'
        return
    if mqtt.port == 8883:
        yield 'mqtt.port: 8883 is the port for TLS, but no mqtt.tls key is given'
    if mqtt.username and mqtt.host not in ('localhost', '127.0.0.1', '::1'):
        yield 'mqtt.username: the login goes over the network unencrypted; set mqtt.tls.enabled'
