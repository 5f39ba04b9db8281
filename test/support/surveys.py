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

"""Surveys of recordings that nobody made, and an MCAP file of a small robot."""

from hypothesis import strategies as st

from ros_cloud_bridge.advice.rules import RULES
from ros_cloud_bridge.advice.survey import Option, TopicSurvey

TYPE = {
    'pose': 'nav_msgs/msg/Odometry',
    'cloud': 'sensor_msgs/msg/PointCloud2',
}


def topic(
    kind: str,
    *,
    name: str = '',
    hz: float = 10.0,
    size: float = 1000.0,
    sample_bytes: float = 100.0,
    saving: float = 0.5,
    without: tuple[str, ...] = (),
) -> TopicSurvey:
    """
    Make what a survey says of a topic.

    :param kind: one of the rules'
    :param name: of the topic
    :param hz: its rate
    :param size: bytes of a message
    :param sample_bytes: what one takes in a batch as it is
    :param saving: how much less each reducer takes than the one before it
    :param without: reducers that do not fit
    :returns: it, with every reducer of the rule but those
    """
    rule = RULES[kind]
    options = {'': Option(batch_bytes=80.0, sample_bytes=sample_bytes)}
    left = sample_bytes
    for text in (*rule.reducers, *rule.coarse):
        left *= 1.0 - saving
        if text not in without:
            options[text] = Option(
                reducer=text, error='off by a little', batch_bytes=80.0, sample_bytes=left
            )
    return TopicSurvey(
        topic=name or f'/{kind}',
        type_name=TYPE.get(kind, 'some_msgs/msg/Thing'),
        kind=kind,
        hz=hz,
        message_bytes=size,
        latched=kind.startswith('latched'),
        options=options,
    )


@st.composite
def surveys(draw: st.DrawFn) -> list[TopicSurvey]:
    """Draw a robot: up to a dozen topics of any kinds, rates and sizes, with odd names."""
    kinds = draw(st.lists(st.sampled_from(sorted(RULES)), min_size=1, max_size=12))
    names = draw(
        st.lists(
            st.from_regex(r'(/[a-z_A-Z~][a-zA-Z0-9_]{0,24}){1,4}', fullmatch=True),
            min_size=len(kinds),
            max_size=len(kinds),
            unique=True,
        )
    )
    return [
        topic(
            kind,
            name=name.replace('~', 't'),
            hz=draw(st.floats(0.01, 400.0)),
            size=size,
            sample_bytes=size * draw(st.floats(0.05, 1.2)),
            saving=draw(st.floats(-0.2, 0.9)),
            without=tuple(draw(st.sets(st.sampled_from(['precision', 'jpeg', 'webp'])))),
        )
        for kind, name in zip(kinds, names, strict=True)
        for size in [draw(st.floats(4.0, 8e6))]
    ]
