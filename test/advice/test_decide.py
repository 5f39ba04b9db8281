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

"""What is given up for a link, and in what order: with topics that nobody recorded."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ros_cloud_bridge.advice.decide import Advice, Choice, decide, Room
from ros_cloud_bridge.advice.rules import kind_of, RULES, Thrift
from ros_cloud_bridge.advice.steps import Sacrifice, steps_of
from ros_cloud_bridge.advice.survey import TopicSurvey
from ros_cloud_bridge.core.ladder_steps import LEVELS
from ros_cloud_bridge.reducers.registry import check
from ros_cloud_bridge.values import Keep, Priority
from support.surveys import surveys, topic


def room(bytes_per_s: float, metered: bool = False) -> Room:
    link = 1e6 if metered else bytes_per_s
    return Room(
        bytes_per_s=bytes_per_s,
        burst_bytes_per_s=link,
        message_bytes=100.0,
        metered=metered,
    )


def by_topic(advice: Advice) -> dict[str, Choice]:
    return {choice.topic.topic: choice for choice in advice.choices}


ROBOT = [
    topic('pose', hz=50.0, size=720.0, sample_bytes=60.0),
    topic('transforms', hz=40.0, size=120.0, sample_bytes=20.0),
    topic('diagnostics', hz=1.0, size=2000.0, sample_bytes=300.0),
    topic('scan', hz=10.0, size=4000.0, sample_bytes=700.0),
    topic('inertial', hz=100.0, size=320.0, sample_bytes=60.0),
    topic('cloud', hz=10.0, size=500_000.0, sample_bytes=300_000.0),
]


def test_all_goes_bit_for_bit_where_it_fits() -> None:
    advice = decide(ROBOT, room(5e6))
    assert advice.fits and not advice.gives_up
    assert advice.thrift is Thrift.FRESH
    assert {choice.step.reducer for choice in advice.choices} == {''}
    assert advice.bytes_per_s == advice.lossless_bytes_per_s


def test_reducers_come_before_lower_rates_and_both_before_on_demand() -> None:
    seen = []
    for bytes_per_s in (3e6, 1e6, 2e5, 3e4, 6e3, 3e3):
        advice = decide(ROBOT, room(bytes_per_s))
        assert advice.fits, bytes_per_s
        seen.append(by_topic(advice)['/cloud'].step.sacrifice)
    assert seen == sorted(seen)
    assert seen[0] is Sacrifice.ERROR and seen[-1] is Sacrifice.DEMAND
    assert {Sacrifice.RATE, Sacrifice.COARSE} & set(seen)


def test_what_is_large_waits_for_somebody_before_a_pose_is_slower_than_ample() -> None:
    choices = by_topic(decide(ROBOT, room(8e3)))
    assert choices['/cloud'].on_demand
    pose = choices['/pose']
    assert (pose.step.hz or pose.topic.hz) >= RULES['pose'].ample_hz
    assert not choices['/scan'].on_demand
    # Whoever looks gets what the others leave of the link.
    assert 0 < choices['/cloud'].step.hz <= RULES['cloud'].rates[-1]


def test_who_goes_on_demand_leaves_its_room_to_the_others() -> None:
    small = [one for one in ROBOT if one.kind != 'cloud']
    assert not decide(small, room(3e4)).gives_up
    large = topic('cloud', hz=10.0, size=5e6, sample_bytes=3e6)
    beside = by_topic(decide([*small, large], room(3e4)))
    assert beside['/cloud'].on_demand
    assert {beside[name].step.sacrifice for name in beside if name != '/cloud'} == {
        Sacrifice.NOTHING
    }


def test_topics_that_are_alike_are_sent_alike() -> None:
    cameras = [
        topic('image', name=f'/camera_{side}/image', hz=hz, size=9e5, sample_bytes=4e5)
        for side, hz in (('left', 30.0), ('right', 29.7))
    ]
    left, right = decide(cameras, room(1e5)).choices
    assert left.step == right.step
    assert left.step.sacrifice >= Sacrifice.RATE


def test_a_budget_gathers_more_into_a_batch_and_leases_little() -> None:
    advice = decide(ROBOT, room(400.0, metered=True))
    assert advice.thrift is Thrift.METERED
    choices = by_topic(advice)
    assert choices['/pose'].delay_s == RULES['pose'].delays_s[Thrift.METERED]
    # The link would carry all of it; the month would not.
    cloud = choices['/cloud']
    assert cloud.on_demand and cloud.step.hz == RULES['cloud'].useful_hz
    assert cloud.step.reducer == RULES['cloud'].coarse[-1]


def test_a_reducer_that_saves_next_to_nothing_is_not_taken() -> None:
    battery = topic('battery', hz=2.0, sample_bytes=40.0, saving=0.01)
    assert {step.reducer for step in steps_of([battery], RULES['battery'])} == {''}
    worse = topic('image', saving=-0.5, sample_bytes=1e5)
    assert {step.reducer for step in steps_of([worse], RULES['image'])} == {''}


def test_what_must_arrive_is_never_slowed_down_or_left_to_a_lease() -> None:
    for kind in ('diagnostics', 'events', 'log'):
        assert RULES[kind].keep is Keep.DURABLE
        (choice,) = decide([topic(kind, hz=20.0, sample_bytes=5000.0)], room(10.0)).choices
        assert choice.step.hz == 0.0 and not choice.on_demand


def test_a_link_that_is_too_thin_for_the_least_is_told() -> None:
    advice = decide(ROBOT, room(20.0))
    assert not advice.fits
    urgent = [one for one in advice.choices if one.rule.priority is Priority.HIGH]
    assert not any(choice.on_demand for choice in urgent)
    assert all(
        choice.on_demand for choice in advice.choices if choice.rule.priority is Priority.LOW
    )


@given(surveys(), st.floats(50.0, 1e7), st.booleans())
def test_whatever_fits_is_within_the_room(
    topics: list[TopicSurvey], bytes_per_s: float, metered: bool
) -> None:
    advice = decide(topics, room(bytes_per_s, metered))
    assert [choice.topic for choice in advice.choices] == topics
    if advice.lossless_bytes_per_s <= bytes_per_s:
        assert not advice.gives_up
    if advice.fits:
        assert advice.bytes_per_s <= bytes_per_s
    else:
        # Nothing that may wait for somebody still flows.
        assert all(one.on_demand for one in advice.choices if one.rule.on_demand)
    for choice in advice.choices:
        assert choice.step.reducer in choice.topic.options
        assert choice.step.hz >= 0.0


@given(surveys(), st.floats(100.0, 1e6), st.floats(1.5, 20.0))
def test_a_worse_estimate_never_takes_more_of_the_link(
    topics: list[TopicSurvey], bytes_per_s: float, factor: float
) -> None:
    plain = decide(topics, room(bytes_per_s))
    strict = decide(topics, replace(room(bytes_per_s), factor=factor))
    if strict.fits:
        assert strict.bytes_per_s / factor <= max(plain.bytes_per_s, bytes_per_s)


@pytest.mark.parametrize('kind', sorted(RULES))
def test_a_rule_holds_together(kind: str) -> None:
    rule = RULES[kind]
    assert list(rule.rates) == sorted(rule.rates, reverse=True)
    assert list(rule.delays_s) == sorted(rule.delays_s)
    assert [check(text) for text in (*rule.reducers, *rule.coarse)] == [''] * (
        len(rule.reducers) + len(rule.coarse)
    )
    assert set(rule.levels) <= set(LEVELS[1:])
    if rule.rates:
        assert rule.useful_hz in rule.rates
        assert rule.ample_hz >= rule.useful_hz
    if rule.keep is Keep.DURABLE:
        assert rule.ttl_s and not rule.on_demand and not rule.max_age_s


@pytest.mark.parametrize(
    ('type_name', 'facts', 'kind'),
    [
        ('nav_msgs/msg/Odometry', {}, 'pose'),
        ('tf2_msgs/msg/TFMessage', {}, 'transforms'),
        ('tf2_msgs/msg/TFMessage', {'latched': True}, 'latched_transforms'),
        ('nav_msgs/msg/OccupancyGrid', {}, 'map'),
        ('nav_msgs/msg/OccupancyGrid', {'latched': True}, 'latched'),
        ('std_msgs/msg/String', {'latched': True}, 'latched'),
        ('sensor_msgs/msg/Image', {}, 'image'),
        ('sensor_msgs/msg/Image', {'distances': True}, 'depth'),
        ('sensor_msgs/msg/CompressedImage', {}, 'pictures'),
        ('std_msgs/msg/Bool', {'hz': 0.1, 'message_bytes': 5.0}, 'events'),
        ('std_msgs/msg/Bool', {'hz': 20.0, 'message_bytes': 5.0}, 'other'),
        ('my_msgs/msg/Report', {'hz': 0.1, 'message_bytes': 90_000.0}, 'other'),
    ],
)
def test_kinds(type_name: str, facts: dict[str, float], kind: str) -> None:
    assert kind_of(type_name, **facts) == kind  # type: ignore[arg-type]
