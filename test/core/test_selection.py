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

"""Which stream gets which topic."""

import re

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.core.selection import compile_pattern, is_hidden, resolve, TopicSelector
from ros_cloud_bridge.values import BridgeConfig, DiscoveryConfig, StreamConfig

TOKEN = st.from_regex('[A-Za-z_][A-Za-z0-9_]{0,8}', fullmatch=True)
TOPIC = st.lists(TOKEN, min_size=1, max_size=4).map(lambda tokens: '/' + '/'.join(tokens))


def selector(
    *streams: StreamConfig,
    deny: tuple[str, ...] = (),
    include_hidden: bool = False,
    namespace: str = '/',
    own: tuple[str, ...] = (),
) -> TopicSelector:
    config = BridgeConfig(
        robot_id='r',
        streams=streams,
        discovery=DiscoveryConfig(deny=deny, include_hidden=include_hidden),
    )
    return TopicSelector(config, namespace=namespace, own=own)


def stream(name: str, *topics: str, deny: tuple[str, ...] = ()) -> StreamConfig:
    return StreamConfig(name=name, topics=topics, deny=deny)


def chosen(selection: TopicSelector, topic: str) -> str | None:
    found = selection.stream_for(topic)
    return found.name if found else None


@pytest.mark.parametrize(
    ('pattern', 'namespace', 'topic', 'taken'),
    [
        ('/odom', '/', '/odom', True),
        ('/odom', '/', '/odom2', False),
        ('/odom', '/amr', '/amr/odom', False),
        ('odom', '/', '/odom', True),
        ('odom', '/amr', '/amr/odom', True),
        ('odom', '/amr', '/odom', False),
        ('camera/image', '/a/b', '/a/b/camera/image', True),
        ('/scan*', '/', '/scan', True),
        ('/scan*', '/', '/scan_front', True),
        ('/scan*', '/', '/scan/front', True),
        ('/scan*', '/', '/a/scan', False),
        ('scan*', '/amr', '/amr/scan/left', True),
        ('scan*', '/amr', '/scan', False),
        ('*', '/', '/a/b/c', True),
        ('*', '/amr', '/other', False),
        ('/*/image_raw', '/', '/cam/left/image_raw', True),
        ('/cam?/image', '/', '/cam1/image', True),
        ('/cam?/image', '/', '/cam10/image', False),
        ('/cam[12]/image', '/', '/cam2/image', True),
        ('/cam[!12]/image', '/', '/cam2/image', False),
        ('/Scan*', '/', '/scan', False),
        ('re:/alarms/.*', '/', '/alarms/fire', True),
        ('re:/alarms/.*', '/', '/x/alarms/fire', False),
        ('re:/alarms', '/', '/alarms/fire', False),
        ('re:/(odom|imu/data)', '/amr', '/imu/data', True),
    ],
)
def test_a_pattern_takes_what_it_says(
    pattern: str, namespace: str, topic: str, taken: bool
) -> None:
    selection = selector(stream('s', pattern), namespace=namespace)
    assert (chosen(selection, topic) == 's') is taken


@pytest.mark.parametrize(
    ('pattern', 'problem'),
    [
        ('', 'is empty'),
        ('/', "is no valid topic name: '/' stands twice or at the end"),
        ('/a//b', "is no valid topic name: '/' stands twice or at the end"),
        ('/a b', "is no valid topic name: ' ' is not allowed in one"),
        ('/a-b', "is no valid topic name: '-' is not allowed in one"),
        ('/a/1b', 'is no valid topic name: a part of it begins with a digit'),
        ('~/odom', "begins with '~'; write the absolute name"),
        ('/{a,b}*', "holds '{', which no topic name and no glob has"),
        ('/a//*', "holds '//'"),
        ('/scan[12', "holds '[' without its ']'"),
        ('re:', 'holds no expression after re:'),
        (
            're:/a[',
            'is no valid regular expression: unterminated character set at position 5',
        ),
        (
            're:/a{99999999999999999999}',
            'is no valid regular expression: too deep or too large',
        ),
    ],
)
def test_a_wrong_pattern_is_named_with_its_place(pattern: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f'^{re.escape(problem)}') as caught:
        compile_pattern(pattern)
    assert '\n' not in str(caught.value)


def test_the_first_stream_wins_and_overlaps_are_told() -> None:
    selection = selector(
        stream('pose', '/odom'), stream('all', '*'), stream('nav', 're:/(odom|map)')
    )
    assert chosen(selection, '/odom') == 'pose'
    assert selection.overlaps('/odom') == ('all', 'nav')
    assert chosen(selection, '/map') == 'all'
    assert selection.overlaps('/scan') == ()


def test_a_streams_deny_leaves_the_topic_to_the_next() -> None:
    selection = selector(stream('a', '/cam*', deny=('*/raw',)), stream('b', '/cam*'))
    assert chosen(selection, '/cam/raw') == 'b'
    assert chosen(selection, '/cam/info') == 'a'
    assert selection.overlaps('/cam/raw') == ()


def test_the_global_deny_wins_over_an_exact_name() -> None:
    selection = selector(stream('a', '/odom', '/map'), deny=('/o*',))
    assert chosen(selection, '/odom') is None
    assert chosen(selection, '/map') == 'a'


def test_a_relative_deny_stands_below_the_namespace() -> None:
    selection = selector(stream('a', '/*'), deny=('odom',), namespace='/amr')
    assert chosen(selection, '/amr/odom') is None
    assert chosen(selection, '/odom') == 'a'


def test_hidden_topics_need_their_exact_name() -> None:
    hidden = '/fibonacci/_action/status'
    assert is_hidden(hidden)
    assert not is_hidden('/not_hidden')
    assert chosen(selector(stream('a', '*', 're:.*')), hidden) is None
    assert chosen(selector(stream('a', '*'), stream('b', hidden)), hidden) == 'b'
    assert chosen(selector(stream('a', '*'), include_hidden=True), hidden) == 'a'


def test_own_topics_need_their_exact_name() -> None:
    own = ('/amr/uplink/transition_event', '/rcb/')
    selection = selector(stream('a', '/*', '/rcb/health'), own=own, include_hidden=True)
    assert chosen(selection, '/amr/uplink/transition_event') is None
    assert chosen(selection, '/rcb/state') is None
    assert chosen(selection, '/rcb/health') == 'a'
    assert chosen(selection, '/rcb2') == 'a'


@given(topic=TOPIC, namespace=TOPIC | st.just('/') | st.just(''))
def test_an_exact_name_takes_itself_alone(topic: str, namespace: str) -> None:
    below = resolve(topic[1:], namespace)
    selection = selector(stream('a', topic), stream('b', topic[1:]), namespace=namespace)
    assert chosen(selection, topic) == 'a'
    assert chosen(selection, below) == ('a' if below == topic else 'b')
    assert chosen(selection, topic + 'x') in ((None, 'b') if topic + 'x' == below else (None,))


@given(st.text(max_size=30))
def test_any_text_compiles_or_is_a_value_error(text: str) -> None:
    try:
        pattern = compile_pattern(text)
    except ValueError:
        return
    assert pattern.matches('/odom') in (True, False)
