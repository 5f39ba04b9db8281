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

"""Topic names."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.errors import ProtocolError
from ros_cloud_bridge.values import Priority
from ros_cloud_bridge.wire.topics import parse_topic, RobotTopics, TopicName

TOPICS = RobotTopics('rcb/v1', 'amr-07')


@pytest.mark.parametrize(
    ('topic', 'expected', 'kind', 'rest'),
    [
        (TOPICS.state, 'rcb/v1/amr-07/state', 'state', ()),
        (TOPICS.info, 'rcb/v1/amr-07/info', 'info', ()),
        (TOPICS.health, 'rcb/v1/amr-07/health', 'health', ()),
        (TOPICS.schema('0123'), 'rcb/v1/amr-07/schema/0123', 'schema', ('0123',)),
        (TOPICS.batches(Priority.HIGH), 'rcb/v1/amr-07/b/high', 'b', ('high',)),
        (
            TOPICS.latched('/camera/info', 2),
            'rcb/v1/amr-07/latched/camera-info/2',
            'latched',
            ('camera-info', '2'),
        ),
        (TOPICS.backlog, 'rcb/v1/amr-07/b/backlog', 'b', ('backlog',)),
        (TOPICS.confirm('recorder'), 'rcb/v1/amr-07/confirm/recorder', 'confirm', ('recorder',)),
        (TOPICS.ask('console'), 'rcb/v1/amr-07/ask/console', 'ask', ('console',)),
    ],
)
def test_names(topic: str, expected: str, kind: str, rest: tuple[str, ...]) -> None:
    assert topic == expected
    assert parse_topic(topic) == TopicName(robot_id='amr-07', kind=kind, rest=rest)


@pytest.mark.parametrize(
    'topic',
    ['', 'rcb/v1', 'rcb/v1/', 'rcb/v1//state', 'rcb/v1/amr-07/other', 'rcb/v2/a/state', 'x/y'],
)
def test_foreign_topics_are_none(topic: str) -> None:
    assert parse_topic(topic) is None


def test_length_and_depth_are_bounded() -> None:
    with pytest.raises(ProtocolError):
        parse_topic('rcb/v1/' + 'a' * 250)
    with pytest.raises(ProtocolError):
        parse_topic('rcb/v1/a/b/c/d/e/f/g')


@given(st.text(max_size=300))
def test_any_text_is_survived(text: str) -> None:
    for topic in (text, 'rcb/v1/' + text):
        try:
            parse_topic(topic)
        except ProtocolError:
            pass
