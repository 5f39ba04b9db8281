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

"""Where options may stand in a line: before, behind and between a command's files and words."""

from typing import Any

import pytest

from ros_cloud_bridge.cli.main import build_parser


def parsed(*words: str) -> dict[str, Any]:
    return vars(build_parser(words[0]).parse_args(words))


@pytest.mark.parametrize(
    'words',
    [
        ('a.yaml', 'a.mcap', '--link', '64k', '--delay', '5ms'),
        ('--link', '64k', '--delay', '5ms', 'a.yaml', 'a.mcap'),
        ('a.yaml', '--link', '64k', '--delay', '5ms', 'a.mcap'),
        ('--link', '64k', 'a.yaml', '--delay', '5ms', 'a.mcap'),
    ],
)
def test_options_stand_anywhere_among_the_files(words: tuple[str, ...]) -> None:
    found = parsed('plan', *words)
    assert (str(found['config']), str(found['recording'])) == ('a.yaml', 'a.mcap')
    assert found['link'] == ((0.0, 64.0),)
    assert found['delay'] == pytest.approx(0.005)


def test_what_may_be_missing_is_missing_still() -> None:
    found = parsed('plan', '--link', '64k', 'a.mcap', '--recommend')
    assert (found['config'], str(found['recording'])) == (None, 'a.mcap')


def test_words_of_other_commands_may_be_apart_too() -> None:
    who = ('--robot', 'amr-07', '--name', 'alice')
    assert parsed('pub', 'drive', *who, '--rate', '20', '{}')['fields'] == '{}'
    assert parsed('call', 'patrol', *who, '--', '-1')['fields'] == '-1'
    assert parsed('call', 'patrol', *who)['fields'] == ''
    set_ = parsed('param', 'set', 'rover', *who, 'max_speed_m_s=0.3')
    assert set_['words'] == ['max_speed_m_s=0.3']
    # What ROS 2 is told begins where it is said to begin.
    handed_on = parsed('robot', '--seed', '7', '--ros-args', '-p', 'scan_hz:=5.0')
    assert (handed_on['seed'], handed_on['ros_args']) == (7, ['-p', 'scan_hz:=5.0'])
    spool = parsed('spool', 'a.sqlite', '--json')
    assert (str(spool['file']), spool['json']) == ('a.sqlite', True)


def test_one_of_several_files_may_stand_behind_an_option() -> None:
    pytest.importorskip('pyarrow', reason='pyarrow: install the extra export')
    files = parsed('export', 'a.mcap', '-o', 'tables', 'b.mcap')['files']
    assert [str(path) for path in files] == ['a.mcap', 'b.mcap']


@pytest.mark.parametrize(
    ('words', 'text'),
    [
        (('a.yaml', 'a.mcap'), 'required: --link'),
        (('--link', '64k'), 'required: RECORDING'),
        (('a', 'b', '--link', '64k', 'c'), 'unrecognized arguments: c'),
        (('a', '--lnik', '64k', 'b', '--link', '1M'), 'unrecognized arguments: --lnik'),
        (('a', 'b', '--link', '1M', '--loop', '2', '--seconds', '3'), 'not allowed with'),
    ],
)
def test_what_is_wrong_is_still_said(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], text: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed('plan', *words)
    assert ended.value.code == 2
    assert text in capsys.readouterr().err
