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
The rooms of docs/design.md, held against what every module imports.

Imports inside functions count like those at the top, except in ``cli/``, whose modules reach into
``ros/`` only when they run, so that the cloud side works without ROS.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
import re

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'ros_cloud_bridge'

LEAVES = {'errors', 'values', 'ranges', 'command_values'}

# room -> rooms that it may import besides itself; the table of docs/design.md
ROOMS = {
    '__init__': set[str](),  # the version
    'errors': set[str](),
    'values': set[str](),
    'ranges': set[str](),
    'command_values': set[str](),
    'core': LEAVES,
    'wire': LEAVES,
    'store': LEAVES | {'core', 'wire'},
    'signing': LEAVES | {'wire'},
    'command': LEAVES | {'core', 'wire', 'store', 'mqtt', 'signing'},
    'mqtt': LEAVES | {'core', 'wire'},
    'host_lock': LEAVES,
    'journal': LEAVES | {'core'},
    'reducers': LEAVES | {'core', 'wire'},
    'dashboard': LEAVES | {'wire', 'reducers'},
    'uplink': LEAVES | {'core', 'wire', 'dashboard'},
    'reducing': LEAVES | {'core', 'reducers'},
    'advice': LEAVES | {'core'},
    'simulation': LEAVES | {'core', 'wire', 'uplink', 'reducers', 'reducing'},
    'link': LEAVES | {'mqtt', 'uplink'},
    'metering': LEAVES | {'core', 'store', 'link'},
    'durable': LEAVES | {'core', 'wire', 'store', 'uplink'},
    'broker_news': LEAVES | {'core', 'wire', 'mqtt', 'signing', 'uplink', 'link', 'durable'},
    'bridge': LEAVES
    | {'core', 'wire', 'mqtt', 'uplink', 'link', 'broker_news', 'journal', 'metering', 'durable'}
    | {'command', 'signing', 'reducers', 'reducing'},
    'black_box': LEAVES | {'core', 'wire', 'store'},
    'ros': LEAVES
    | {'core', 'wire', 'uplink', 'bridge', 'link', 'journal', 'host_lock', 'black_box', 'command'},
    'ros/mirror': LEAVES | {'core', 'wire', 'uplink', 'cloud', 'reducers', 'signing', 'ros'},
    'cloud': LEAVES | {'wire', 'mqtt', 'signing', 'reducers', 'dashboard'},
    '__main__': {'cli'},
}
ROOMS['cli'] = {*ROOMS, 'cli'} - {'__main__'}

# top-level module of others -> the only rooms that may import it
OWNERS = {
    'ament_index_python': {'ros'},
    'cbor2': {'wire'},
    'cryptography': {'signing'},
    'foxglove': {'cloud'},
    'launch': set[str](),
    'matplotlib': {'cli'},
    'mcap': {'ros', 'cloud', 'cli'},
    'paho': {'mqtt'},
    'pyarrow': {'cloud'},
    'rclpy': {'ros', 'cli'},
    'rich': {'cli'},
    'rosbags': {'cloud', 'cli'},
    'rosidl_parser': {'ros'},
    'zstandard': {'wire'},
}

# advice/, core/, wire/, dashboard/, uplink/ and simulation/ are told the time and never wait;
# values and errors do nothing at all.
PURE = {'advice', 'core', 'wire', 'dashboard', 'uplink', 'simulation', 'errors', 'values'}
IMPURE = {
    'asyncio',
    'concurrent',
    'multiprocessing',
    'sched',
    'select',
    'selectors',
    'signal',
    'socket',
    'sqlite3',
    'ssl',
    'subprocess',
    'tempfile',
    'threading',
    'time',
}


@dataclass(frozen=True, kw_only=True)
class Import:
    """
    One import statement's target.

    :param module: absolute dotted name
    :param line: where it stands
    :param lazy: inside a function, so carried out only when that is called
    """

    module: str
    line: int
    lazy: bool


class _Collector(ast.NodeVisitor):
    def __init__(self, package: list[str]) -> None:
        self.found: list[Import] = []
        self._package = package
        self._depth = 0

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_If(self, node: ast.If) -> None:
        # What only a type checker reads is no import.
        if not (isinstance(node.test, ast.Name) and node.test.id == 'TYPE_CHECKING'):
            self.generic_visit(node)
            return
        for statement in node.orelse:
            self.visit(statement)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._add(alias.name, node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = self._package[: len(self._package) - node.level + 1] if node.level else []
        module = '.'.join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            # 'from ros_cloud_bridge import ros' names a module by its alias.
            self._add(f'{module}.{alias.name}', node)

    def visit_Call(self, node: ast.Call) -> None:
        # import_module('paho.mqtt') is an import as well.
        name = node.func.attr if isinstance(node.func, ast.Attribute) else None
        name = node.func.id if isinstance(node.func, ast.Name) else name
        if name in ('import_module', '__import__') and node.args:
            argument = node.args[0]
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                self._add(argument.value, node)
        self.generic_visit(node)

    def _add(self, module: str, node: ast.stmt | ast.expr) -> None:
        self.found.append(Import(module=module, line=node.lineno, lazy=self._depth > 0))


def imports_of(source: str, package: list[str]) -> list[Import]:
    """
    Collect what a module imports.

    :param source: Python text
    :param package: dotted name of the package that the module stands in, split
    :returns: imports in order
    """
    collector = _Collector(package)
    collector.visit(ast.parse(source))
    return collector.found


def breaches(room: str, imports: list[Import]) -> Iterator[str]:
    """
    Hold imports against the table.

    :param room: where the module stands
    :param imports: what it imports
    :returns: one line for each breach
    """
    for found in imports:
        top, _, rest = found.module.partition('.')
        if top == 'ros_cloud_bridge':
            target = rest.partition('.')[0] or '__init__'
            if rest.split('.')[:2] == ['ros', 'mirror']:
                target = 'ros/mirror'
            if target not in ROOMS:
                target = '__init__'  # a name that the package itself defines
            # '__init__' holds but the version.
            if target not in (room, '__init__') and target not in ROOMS[room]:
                yield f'line {found.line}: {room} may not import {target}'
            if room == 'cli' and target.startswith('ros') and not found.lazy:
                yield f'line {found.line}: cli may import ros only inside a function'
        elif room == 'cli' and top == 'rclpy' and not found.lazy:
            yield f'line {found.line}: cli may import rclpy only inside a function'
        elif top in OWNERS and room.partition('/')[0] not in OWNERS[top]:
            yield f'line {found.line}: {room} may not import {top}'
        elif top.endswith(('_msgs', '_interfaces', '_srvs')) and not room.startswith('ros'):
            yield f'line {found.line}: only ros may import {top}'
        elif room in PURE and top in IMPURE:
            yield f'line {found.line}: {room} may not import {top}'


def room_of(path: Path) -> str:
    """
    Tell a module's room.

    :param path: file within the package
    :returns: folder directly under the package, ``ros/mirror``, or the name of a module there
    """
    first, *rest = path.relative_to(PACKAGE).parts
    # A room within a room: on a robot there is no cloud side.
    return '/'.join((first, *rest[:1])) if rest[:1] == ['mirror'] else first.removesuffix('.py')


MODULES = sorted(PACKAGE.rglob('*.py'))


@pytest.mark.parametrize('path', MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_keeps_to_its_room(path: Path) -> None:
    room = room_of(path)
    assert room in ROOMS, f'{room} is not in the table of docs/design.md'
    package = ['ros_cloud_bridge', *path.relative_to(PACKAGE).parts[:-1]]
    assert list(breaches(room, imports_of(path.read_text(encoding='utf-8'), package))) == []


@pytest.mark.parametrize(
    ('room', 'source'),
    [
        ('core', 'import time'),
        ('core', 'from time import monotonic'),
        ('core', 'def f():\n    import threading'),
        ('core', 'import numpy, socket'),
        ('core', 'from ros_cloud_bridge.wire import batch'),
        ('core', 'from ros_cloud_bridge import wire'),
        ('core', 'from ..wire import batch'),
        ('store', 'import ros_cloud_bridge.mqtt'),
        ('wire', 'import sqlite3'),
        ('wire', 'from importlib import import_module\nimport_module("paho.mqtt")'),
        ('wire', 'import sensor_msgs.msg'),
        ('mqtt', 'import rclpy'),
        ('mqtt', 'import ros_cloud_bridge.cloud'),
        ('ros', 'from paho.mqtt import client'),
        ('ros', 'from ros_cloud_bridge.mqtt import session'),
        ('ros', 'from ros_cloud_bridge.cloud import Consumer'),
        ('ros', 'from ros_cloud_bridge.ros.mirror.node import MirrorNode'),
        ('cloud', 'from ros_cloud_bridge.ros.mirror import names'),
        ('ros/mirror', 'from ros_cloud_bridge.bridge import Bridge'),
        ('cli', 'from ros_cloud_bridge.ros.mirror.main import main'),
        ('cloud', 'import ros_cloud_bridge.ros.main'),
        ('cloud', 'from ros_cloud_bridge.bridge import Pump'),
        ('bridge', 'from ros_cloud_bridge.cloud import Decoder'),
        ('bridge', 'from ros_cloud_bridge.ros.main import main'),
        ('cli', 'from ros_cloud_bridge.ros.main import main'),
        ('cli', 'import rclpy'),
        ('cli', 'def run(args):\n    import paho.mqtt.client'),
        ('values', 'from ros_cloud_bridge.errors import ConfigError'),
    ],
)
def test_breach_is_seen(room: str, source: str) -> None:
    assert len(list(breaches(room, imports_of(source, ['ros_cloud_bridge', room])))) == 1


@pytest.mark.parametrize(
    ('room', 'source'),
    [
        ('cli', 'def run(args):\n    from ros_cloud_bridge.ros.main import main'),
        ('core', 'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import time'),
        ('core', 'from .rate import Rate\nfrom ..errors import ConfigError'),
        ('cli', 'from ros_cloud_bridge import __version__'),
        ('bridge', 'import time, threading\nfrom ros_cloud_bridge.mqtt import session'),
    ],
)
def test_allowed_import_passes(room: str, source: str) -> None:
    package = ['ros_cloud_bridge'] if room == 'bridge' else ['ros_cloud_bridge', room]
    assert list(breaches(room, imports_of(source, package))) == []


def test_design_page_has_every_room() -> None:
    page = (PACKAGE.parent / 'docs' / 'design.md').read_text(encoding='utf-8')
    table = page.partition('\n## Rooms\n')[2].partition('\n## ')[0]
    rooms = {room_of(path) for path in MODULES} - {'__init__', '__main__'}
    assert [room for room in sorted(rooms) if not re.search(rf'`{room}(/|\.py)`', table)] == []
