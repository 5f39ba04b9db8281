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

"""What README, docs and examples tell to type: it parses, and what it names is there."""

import argparse
import ast
from collections.abc import Iterator
import importlib
from importlib.util import find_spec
import inspect
from pathlib import Path
import re
import shlex
import textwrap
from typing import Any

import pytest
import yaml

from ros_cloud_bridge.cli.main import build_parser, main, SUBCOMMANDS

PROJECT = Path(__file__).resolve().parents[2]
PAGES = [
    PROJECT / 'README.md',
    PROJECT / 'CONTRIBUTING.md',
    *sorted((PROJECT / 'docs').glob('*.md')),
    *sorted((PROJECT / 'examples').rglob('*.md')),
    *sorted((PROJECT / 'benchmarks').glob('*.md')),
]
FENCE = re.compile(r'^( *)```(\w*)\n(.*?)^\1```$', re.DOTALL | re.MULTILINE)
PROGRAM = 'ros-cloud-bridge'
# Programs of others whose options stand in the text by themselves.
FOREIGN = ('docker', 'duckdb', 'npx', 'pip', 'ros2', 'rviz2', 'sudo apt', 'telegraf', 'tc ')


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for fence in FENCE.finditer(page.read_text()):
        if fence[2] in languages:
            yield textwrap.dedent(fence[3])


def named(page: Path) -> str:
    return str(page.relative_to(PROJECT))


def lines_of(block: str) -> Iterator[list[str]]:
    """Give the lines of a block as a shell would take them apart, without assignments before."""
    text = block.replace('\\\n', ' ')
    functions = {}
    for line in re.findall(r'(?:[^\n"\']|"(?:\\.|[^"])*"|\'[^\']*\')+', text):
        line = line.strip().removeprefix('$ ')
        if function := re.fullmatch(r'(\w+)\(\) \{ (.*); \}', line):
            functions[function[1]] = shlex.split(function[2])
            continue
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # output that is shown, not a command
            continue
        while words and re.fullmatch(r'\w+=.*', words[0]):
            words = words[1:]
        if words and words[0] in functions:
            body = functions[words[0]]
            place = body.index('$@')
            words = [*body[:place], *words[1:], *body[place + 1 :]]
        if '|' in words:
            words = words[: words.index('|')]
        if words:
            yield words


def told() -> list[Any]:
    """Give all lines that begin with a program of ours, by page."""
    found = []
    for page in PAGES:
        for block in blocks(page, '', 'sh'):
            for words in lines_of(block):
                if words[0] == 'scripts/demo':
                    words = [PROGRAM, 'demo', *words[1:]]
                if words[0] == PROGRAM and words[1:]:
                    found.append(pytest.param(words[1:], id=f'{named(page)}: {shlex.join(words)}'))
    return found


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    options = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                options |= options_of(inner)
    return options


OPTIONS = {
    name: options_of(build_parser(name))
    for name in SUBCOMMANDS
    if name != 'export' or find_spec('pyarrow') is not None
}


def unknown_options(words: list[str], known: set[str]) -> list[str]:
    given = [word.strip('[]').split('=')[0] for word in words]
    return [word for word in given if re.match(r'--?[a-z]', word) and word not in known]


def options_in(*folders: str) -> set[str]:
    """Find what looks like an option in the sources of scripts."""
    paths = [path for folder in folders for path in (PROJECT / folder).iterdir() if path.is_file()]
    found = (re.findall(r'(?<![\w-])--?[a-z][\w-]*', path.read_text()) for path in paths)
    return {option for options in found for option in options}


def test_the_pages_have_something_to_type() -> None:
    lines = [param.values[0] for param in told()]
    assert len(lines) > 40
    used = {words[0] for words in lines}
    assert used >= {
        'tail',
        'record',
        'export',
        'keys',
        'pub',
        'goal',
        'plan',
        'mirror',
        'foxglove',
    }
    assert ['pub', 'drive', '{linear: {x: 0.4}, angular: {z: 0.5}}', '--rate', '20'] in [
        words[:5] for words in lines
    ]


@pytest.mark.parametrize('words', told())
def test_commands_parse(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    if words[0] == 'export':
        pytest.importorskip('pyarrow', reason='pyarrow: install the extra export')
    if any(word.startswith('[') for word in words):  # a synopsis: which options there are
        assert unknown_options(words, OPTIONS[words[0]]) == []
        return
    try:
        args = build_parser(words[0]).parse_args(words)
    except SystemExit:
        pytest.fail(capsys.readouterr().err)
    assert args.subcommand == words[0]


@pytest.mark.parametrize('page', PAGES, ids=named)
def test_options_in_the_text_exist(page: Path) -> None:
    prose = FENCE.sub('', page.read_text())
    anywhere = set().union(*OPTIONS.values()) | options_in('benchmarks', 'scripts')
    wrong = []
    for span in re.findall(r'`([^`]+)`', prose):
        words = span.split()
        if words[:1] == [PROGRAM]:
            words = words[1:]
            assert not words or words[0] in {*SUBCOMMANDS, '…'}, span
        if not words or span.startswith(FOREIGN):
            continue
        known = OPTIONS.get(words[0], anywhere)
        wrong += [f'{word} in `{span}`' for word in unknown_options(words, known)]
    assert wrong == []


def test_other_programs_of_ours_exist() -> None:
    launched, run = 0, 0
    lines = [
        words for page in PAGES for block in blocks(page, '', 'sh') for words in lines_of(block)
    ]
    for words in lines:
        if words[:3] == ['ros2', 'launch', 'ros_cloud_bridge']:
            source = (PROJECT / 'launch' / words[3]).read_text()
            declared = set(re.findall(r"DeclareLaunchArgument\(\s*'(\w+)'", source))
            assert {word.split(':=')[0] for word in words[4:]} <= declared, words
            launched += 1
        for word in words:
            if re.fullmatch(r'(scripts|benchmarks)/[\w.]+', word):
                assert (PROJECT / word).is_file(), words
                run += 1
                if word.startswith('benchmarks/'):
                    mine = words[words.index(word) + 1 :]
                    assert unknown_options(mine, options_in('benchmarks')) == [], words
    assert launched >= 2
    assert run > 15


def python_blocks() -> list[Any]:
    return [
        pytest.param(block, id=f'{named(page)}-{number}')
        for page in PAGES
        for number, block in enumerate(blocks(page, 'python'))
    ]


@pytest.mark.parametrize('block', python_blocks())
def test_python_finds_what_it_imports_and_calls(block: str) -> None:
    tree = ast.parse(block)
    ours = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            if node.module == 'ros_cloud_bridge.cloud.arrow':
                pytest.importorskip('pyarrow', reason='pyarrow: install the extra export')
            module = importlib.import_module(node.module or '')
            for name in node.names:
                ours[name.asname or name.name] = getattr(module, name.name)
        elif isinstance(node, ast.Import):
            for name in node.names:
                pytest.importorskip(name.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ours:
            named_ = {keyword.arg: None for keyword in node.keywords if keyword.arg}
            # Whether the call's arguments are some that there are.
            inspect.signature(ours[node.func.id]).bind(*node.args, **named_)


def test_there_is_python_to_look_at() -> None:
    found = [param.values[0] for param in python_blocks()]
    assert len(found) >= 7
    assert any('Operator(mqtt' in block for block in found)


def yaml_blocks() -> list[Any]:
    return [
        pytest.param(block, id=f'{named(page)}-{number}')
        for page in PAGES
        for number, block in enumerate(blocks(page, 'yaml'))
    ]


def completed(block: str) -> str:
    """Make a file of a part, as whoever copies it would: what stands in a table has a name."""
    given = yaml.safe_load(block)
    if all(isinstance(value, dict) and 'topics' in value for value in given.values()):
        block = 'stream:\n' + textwrap.indent(block, '  ')
        given = yaml.safe_load(block)
    if 'stream' not in given:
        block += 'stream: {everything: {topics: ["/*"]}}\n'
        given = yaml.safe_load(block)
    if 'streams' not in given:
        block += f'streams: [{", ".join(given["stream"])}]\n'
    head = '/**:\n  ros__parameters:\n    robot_id: amr-07\n'
    return head + textwrap.indent(block, '    ')


@pytest.mark.parametrize('block', yaml_blocks())
def test_yaml_is_a_configuration(
    block: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'amr-07.yaml'
    path.write_text(block if '/**' in block else completed(block))
    assert main(['check-config', '--no-files', str(path)]) == 0, capsys.readouterr().out
