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

"""What ``top`` knows of robots, from real batches, documents of any kind and an invented clock."""

import math
from typing import Any

from hypothesis import given, strategies
import pytest

from ros_cloud_bridge.cloud.backlogs import BacklogView
from ros_cloud_bridge.cloud.health import read_health
from ros_cloud_bridge.cloud.overview import Overview
from ros_cloud_bridge.cloud.robot_view import RobotView
from ros_cloud_bridge.cloud.traffic import Traffic
from support.overviews import BOOT, EPOCH_NS, only, OTHER_BOOT, Robot, route_of


@pytest.fixture
def overview() -> Overview:
    return Overview()


@pytest.fixture
def robot(overview: Overview) -> Robot:
    return Robot(overview)


def entry(number: int = 1, **keys: Any) -> dict[str, Any]:
    return {'route': number, 'stream': 'pose', 'topic': f'/t{number}', 'dropped': {}, **keys}


def test_rate_and_ages_are_those_of_the_last_seconds(overview: Overview, robot: Robot) -> None:
    for step in range(600):
        # Old samples for half a minute, then fresh ones: nine of ten at 50 ms.
        old = step < 300
        robot.send(step / 10, [30.0 if old else 0.5 if step % 10 == 0 else 0.05])
    rates = route_of(only(overview, 60.0)).rates
    assert rates is not None
    assert rates.hz == pytest.approx(10.0, rel=0.02)
    assert rates.bytes_per_s == pytest.approx(1000.0, rel=0.02)
    assert rates.age_p50_s == pytest.approx(0.05)
    assert rates.age_p95_s == pytest.approx(0.5)
    silent = route_of(only(overview, 80.0))
    assert silent.rates is not None and silent.samples == 600
    assert (silent.rates.hz, silent.rates.age_p50_s) == (0.0, None)


def test_rate_of_a_slow_topic_and_of_one_just_begun() -> None:
    slow = Traffic(0.0)
    for second in range(0, 100, 5):
        slow.add(0.1, 10, float(second))
    assert slow.rates(99.0).hz == pytest.approx(0.2, rel=0.1)
    early = Traffic(0.0)
    early.add(0.1, 10, 0.01)
    assert early.rates(0.02).hz == 1.0


@given(strategies.lists(strategies.floats(0.0, 100.0), min_size=1, max_size=2000))
def test_ages_of_a_flood_stay_between_those_that_came(ages_s: list[float]) -> None:
    traffic = Traffic(0.0)
    for age_s in ages_s:
        traffic.add(age_s, 1, 0.5)
    rates = traffic.rates(0.6)
    assert rates.age_p50_s in ages_s and rates.age_p95_s in ages_s
    assert rates.age_p50_s <= rates.age_p95_s and rates.lowest_age_s == min(ages_s)
    if len(ages_s) <= 256:
        assert rates.age_p50_s == sorted(ages_s)[math.ceil(len(ages_s) / 2) - 1]


def test_memory_of_a_flood_is_bounded() -> None:
    traffic = Traffic(0.0)
    for number in range(50_000):
        traffic.add(number / 50_000, 1, number / 5_000)
    kept = sum(len(bucket.ages) for bucket in traffic._buckets)
    assert kept <= 12 * 256
    p50 = traffic.rates(10.0).age_p50_s
    assert p50 is not None and 0.4 < p50 < 0.6


def test_a_clock_that_is_ahead_is_told_and_its_ages_are_not_believed(
    overview: Overview, robot: Robot
) -> None:
    robot.send(1.0, [-2.5, 0.1])
    view = only(overview, 1.5)
    assert route_of(view).clock_differs
    assert view.troubles == ('its clock is ahead of ours by 2.5 s or more',)


def test_latched_samples_have_neither_rate_nor_age(overview: Overview, robot: Robot) -> None:
    robot.send(1.0, [3600.0], latched=True)
    assert only(overview, 1.5).streams == ()


def test_rates_of_drops_and_bytes_lie_between_two_documents(
    overview: Overview, robot: Robot
) -> None:
    first = entry(wire_bytes=1000, dropped={'rate': 10, 'superseded': 3})
    robot.health(5.0, 100.0, routes=[first])
    view = route_of(only(overview, 5.1))
    assert view.sent_bytes_per_s is None and view.dropped_per_s is None
    second = entry(wire_bytes=6000, dropped={'rate': 30, 'superseded': 3, 'expired': 1})
    # It arrives late; the robot's own time says how long lay between them.
    robot.health(45.0, 110.0, routes=[second])
    view = route_of(only(overview, 45.1))
    assert (view.sent_bytes_per_s, view.estimated) == (500.0, False)
    assert view.dropped_per_s == {'rate': 2.0, 'expired': 0.1}
    assert view.dropped == {'rate': 30, 'superseded': 3, 'expired': 1}
    assert 'dropping: pose' in only(overview, 45.1).troubles
    # What nobody has told of for long is no present rate.
    assert route_of(only(overview, 120.0)).dropped_per_s is None


def test_a_document_that_comes_twice_changes_nothing(overview: Overview, robot: Robot) -> None:
    for uptime_s, wire_bytes in ((10.0, 0), (20.0, 1000), (20.0, 1000), (15.0, 500)):
        robot.health(uptime_s, uptime_s, routes=[entry(wire_bytes=wire_bytes)])
    view = route_of(only(overview, 20.5))
    assert view.sent_bytes_per_s == 100.0 and view.figures['wire_bytes'] == 1000


def test_bytes_are_estimated_until_two_documents_have_come(
    overview: Overview, robot: Robot
) -> None:
    robot.health(0.0, 100.0, routes=[entry(wire_bytes=200, bytes_accepted=1000)])
    for second in range(1, 11):
        robot.send(float(second), [0.1] * 5)
    view = route_of(only(overview, 10.0))
    assert view.estimated
    assert view.sent_bytes_per_s == pytest.approx(5 * 100 * 0.2, rel=0.15)


def test_routes_that_come_in_turns_are_put_together(overview: Overview, robot: Robot) -> None:
    for turn in range(4):
        robot.health(
            turn * 10.0,
            turn * 10.0,
            routes_total=4,
            routes=[entry(n, delivered=turn * 100) for n in ((1, 2), (3, 4))[turn % 2]],
        )
    view = only(overview, 31.0)
    assert view.routes_total == 4
    (stream,) = view.streams
    assert [r.topic for r in stream.routes] == ['/t1', '/t2', '/t3', '/t4']
    assert [r.figures['delivered'] for r in stream.routes] == [200, 200, 300, 300]


def test_a_new_boot_begins_at_zero_and_the_old_one_s_samples_do_not_count(
    overview: Overview, robot: Robot
) -> None:
    robot.state(0.0, True, 'birth')
    robot.health(1.0, 1000.0, routes=[entry(wire_bytes=10_000, dropped={'rate': 9})])
    robot.send(2.0, [0.1] * 3)
    robot.state(3.0, True, 'birth', boot_id=OTHER_BOOT)
    robot.send(3.1, [0.1])
    view = only(overview, 3.5)
    assert (view.boot_id, view.restarts, view.streams) == (OTHER_BOOT, 1, ())
    assert view.since_s == pytest.approx(0.5)
    robot.send(4.0, [0.1], boot=OTHER_BOOT)
    robot.health(5.0, 2.0, boot_id=OTHER_BOOT, routes=[entry(wire_bytes=10)])
    view = only(overview, 5.0)
    assert route_of(view).samples == 1 and route_of(view).dropped == {}
    assert route_of(view).dropped_per_s is None


def test_samples_alone_name_the_boot_while_nothing_else_does(
    overview: Overview, robot: Robot
) -> None:
    robot.send(1.0, [0.1])
    robot.send(2.0, [0.1], boot=OTHER_BOOT)
    view = only(overview, 2.0)
    assert (view.online, view.boot_id, route_of(view).samples) == (None, OTHER_BOOT, 1)


def test_link_streams_leases_and_problems_are_read(overview: Overview, robot: Robot) -> None:
    robot.health(
        1.0,
        50.0,
        link={
            'connected': True,
            'algorithm': 'bbr',
            'limited_by': 'window',
            'rate_bytes_per_s': 31200,
            'queue_delay_s': 0.024,
            'later': {'unknown': 1},
            'tcp': None,
            'budget': {'limit_bytes': 1e9, 'used_bytes': 1e8, 'exhausted': False},
        },
        streams=[
            {'stream': 'lidar', 'priority': 'normal', 'step': 1, 'steps': 3, 'now': '5hz'},
            {'stream': 'cam', 'step': 0, 'steps': 0, 'max_hz': None, 'demand_hz': 0.0},
        ],
        demand={
            'leases': [{'stream': 'lidar', 'consumer': 'ops-1', 'hz': 5, 'ends_in_s': 60}],
            'refused': {'ops-2/lidar': 'not allowed'},
        },
        problems={'/x': 'no type support'},
    )
    view = only(overview, 3.0)
    assert (view.link.connected, view.link.algorithm) == (True, 'bbr')
    assert view.link.figures == {'rate_bytes_per_s': 31200.0, 'queue_delay_s': 0.024}
    assert view.link.budget == {'limit_bytes': 1e9, 'used_bytes': 1e8} and not view.link.tcp
    assert [(s.name, s.step, s.now, s.demand_hz) for s in view.streams] == [
        ('lidar', 1, '5hz', None),
        ('cam', 0, '', 0.0),
    ]
    assert [(lease.consumer, lease.hz) for lease in view.leases] == [('ops-1', 5.0)]
    assert view.refused == {'ops-2/lidar': 'not allowed'}
    assert view.troubles == (
        'stepped down: lidar',
        'limited by window',
        'topics not bridged: 1',
    )
    assert view.uptime_s == pytest.approx(52.0)


def test_the_sickest_robot_stands_first(overview: Overview) -> None:
    fine = {'link': {'connected': True, 'limited_by': 'application'}}
    for name in ('a-fine', 'b-window', 'c-budget', 'd-lost', 'e-left'):
        Robot(overview, name).state(0.0, True, 'birth')
        Robot(overview, name).health(0.0, 1.0, **fine)
    Robot(overview, 'b-window').health(1.0, 2.0, link={'limited_by': 'window'})
    Robot(overview, 'c-budget').health(1.0, 2.0, link={'budget': {'exhausted': True}})
    Robot(overview, 'd-lost').state(1.0, False, 'connection_lost')
    Robot(overview, 'e-left').state(1.0, False, 'shutdown')
    views = overview.robots(2.0)
    assert [view.robot_id for view in views] == [
        'd-lost',
        'c-budget',
        'b-window',
        'e-left',
        'a-fine',
    ]
    assert views[-1].troubles == () and views[-1].severity == 0


def test_a_robot_that_says_nothing_any_more_is_sick(overview: Overview, robot: Robot) -> None:
    robot.state(0.0, True, 'birth', retained=True)
    robot.health(0.0, 1.0)
    robot.health(10.0, 11.0)
    assert only(overview, 40.0).troubles == ()
    assert only(overview, 60.0).troubles == ('no health for 50 s',)
    assert only(overview, 60.0).since_s is None


def spooled(name: str = 'events', **keys: Any) -> dict[str, Any]:
    entry = {'stream': name, 'samples': 0, 'bytes': 0, 'oldest_age_s': None}
    return {**entry, 'earlier_boots': 0, 'unconfirmed': 0, **keys}


def spool(samples: int, *streams: dict[str, Any], **keys: Any) -> dict[str, Any]:
    figures = {'bytes': 40960, 'max_bytes': 10**9, 'written_bytes_today': 5}
    oldest = {'oldest_age_s': 5.0 if samples else None, 'dead_letters': 0}
    counts = {**figures, **oldest, 'samples': samples, 'streams': list(streams)}
    return {'state': 'ok', 'recovered': '', **counts, **keys}


def backlog_of(view: RobotView, stream: str = 'events') -> BacklogView:
    assert view.spool is not None
    (found,) = [backlog for backlog in view.spool.streams if backlog.stream == stream]
    return found


def test_a_backlog_shrinks_and_its_gap_closes(overview: Overview, robot: Robot) -> None:
    robot.state(0.0, True, 'birth')
    assert only(overview, 0.1).spool is None
    events = spooled(samples=1000, bytes=9000, oldest_age_s=600.0, earlier_boots=300)
    robot.health(5.0, 100.0, spool=spool(1010, events, spooled('pose', samples=10)))
    view = only(overview, 5.1)
    assert view.spool is not None and view.spool.state == 'ok'
    assert view.spool.figures['bytes'] == 40960 and 'oldest_age_s' in view.spool.figures
    assert [backlog.stream for backlog in view.spool.streams] == ['events', 'pose']
    told = backlog_of(view)
    assert (told.samples, told.bytes, told.oldest_age_s) == (1000, 9000.0, 600.0)
    assert (told.earlier_boots, told.unconfirmed) == (300, 0)
    assert (told.samples_per_s, told.closes_in_s, view.spool.samples_per_s) == (None, None, None)
    # It arrives late; the robot's own time says how long lay between them.
    events = spooled(samples=800, unconfirmed=50)
    later = spool(830, events, spooled('pose', samples=30), spooled('new', samples=7))
    robot.health(35.0, 110.0, spool=later)
    view = only(overview, 35.1)
    assert view.spool is not None and view.spool.samples_per_s == -18.0
    told = backlog_of(view)
    assert (told.samples_per_s, told.closes_in_s, told.unconfirmed) == (-20.0, 40.0, 50)
    growing = backlog_of(view, 'pose')
    assert (growing.samples_per_s, growing.closes_in_s) == (2.0, None)
    assert backlog_of(view, 'new').samples_per_s is None
    # The same document again says nothing new, and in the end what was told is no news.
    robot.health(36.0, 110.0, spool=later)
    assert backlog_of(only(overview, 36.1)).samples_per_s == -20.0
    assert backlog_of(only(overview, 90.0)).samples_per_s is None
    robot.health(100.0, 150.0, spool=spool(0, spooled()))
    assert backlog_of(only(overview, 100.1)).samples == 0


def test_what_arrives_of_a_backlog_fills_in_another_time(overview: Overview, robot: Robot) -> None:
    robot.state(0.0, True, 'birth')
    for second in range(1, 11):
        robot.send(float(second), [0.1])
        robot.send(float(second), [3600.0] * 5, route=2, stream='events', backlog=True)
        robot.send(float(second), [7200.0], stream='old', boot=OTHER_BOOT, backlog=True)
    view = only(overview, 10.0)
    # Of neither the samples of an earlier boot nor their ages is anything live.
    assert (view.boot_id, view.restarts) == (BOOT, 0)
    assert [stream.name for stream in view.streams] == ['pose']
    live = route_of(view).rates
    assert live is not None and live.age_p95_s == pytest.approx(0.1)
    events = backlog_of(view)
    assert events.arrived == 50 and events.arriving is not None
    assert events.arriving.hz == pytest.approx(5.0, rel=0.1)
    assert events.arriving.age_p50_s == pytest.approx(3600.0)
    assert backlog_of(view, 'old').arrived == 10
    # What the robot says of its disk stands beside what arrives.
    robot.health(10.5, 100.0, spool=spool(4, spooled(samples=4)))
    told = backlog_of(only(overview, 11.0))
    assert (told.samples, told.arrived) == (4, 50)
    assert backlog_of(only(overview, 11.0), 'old').samples == 0


def test_samples_of_an_earlier_boot_s_backlog_do_not_name_the_boot(
    overview: Overview, robot: Robot
) -> None:
    robot.send(1.0, [0.1])
    robot.send(2.0, [900.0], boot=OTHER_BOOT, backlog=True)
    assert (only(overview, 2.0).boot_id, only(overview, 2.0).restarts) == (BOOT, 0)


@pytest.mark.parametrize(
    ('keys', 'troubles'),
    [
        ({}, ()),
        ({'state': 'failed'}, ('spool: failed',)),
        ({'state': 'disk_full', 'dead_letters': 2}, ('spool: disk_full', 'dead letters: 2')),
        ({'recovered': '3 rows lost'}, ('spool: 3 rows lost',)),
        ({'oldest_age_s': 59.0}, ()),
        (
            {'streams': [{'stream': 'events', 'waits_for': 'archive'}]},
            ('events: consumer archive is not there',),
        ),
        ({'oldest_age_s': 90.4}, ('backlog: 7 samples, the oldest for 90 s',)),
    ],
)
def test_troubles_of_a_spool(
    overview: Overview, robot: Robot, keys: dict[str, Any], troubles: tuple[str, ...]
) -> None:
    robot.state(0.0, True, 'birth')
    robot.health(1.0, 1.0, spool=spool(7, spooled(samples=7), **keys))
    assert only(overview, 2.0).troubles == troubles
    robot.health(2.0, 2.0, spool=None)
    view = only(overview, 2.0)
    assert (view.troubles, view.spool) == ((), None)


HOSTILE: list[dict[str, Any]] = [
    {'link': [], 'streams': {}, 'demand': 7, 'routes': 'x', 'problems': None},
    {'link': {'connected': 'yes', 'rtt_s': -1, 'window_bytes': 10**400, 'rate_bytes_per_s': True}},
    {'link': {'budget': [1], 'tcp': 'x', 'limited_by': 5, 'algorithm': None}},
    {'streams': [1, None, {}, {'stream': 5}, {'stream': 's', 'step': -1, 'steps': 1e300}]},
    {'routes': [1, {}, {'route': -1}, {'route': 2**80}, {'route': 1.5}, {'route': True}]},
    {'routes': [{'route': 1, 'dropped': {'a': -5, 'b': 'x', 'c': 10**30, 'd': None}}]},
    {'routes': [{'route': n} for n in range(10_000)]},
    {'routes': [{'route': 1, **{f'key{n}': n for n in range(10_000)}}]},
    {'demand': {'leases': [[], {'stream': 'a'}], 'refused': {'x' * 10_000: {'y': 1}}}},
    {'problems': {f'/{n}': 'x' * 10_000 for n in range(1000)}, 'uptime_s': 'long'},
    {'spool': [1]},
    {'spool': {'state': 5, 'recovered': ['x'], 'bytes': 10**400, 'samples': -1, 'streams': 7}},
    {'spool': {'state': 'x' * 10_000, 'recovered': 'y' * 10_000, 'dead_letters': '3'}},
    {'spool': {'streams': [{'stream': f's{n}', 'samples': n} for n in range(10_000)]}},
    {'spool': {'streams': [5, {}, {'stream': 's', 'samples': 1e300, 'bytes': True}]}},
    {'spool': {f'key{n}': n for n in range(10_000)}},
    {'streams': [{'stream': '\ud800\x1b[2J'}], 'uptime_s': math.inf, 'routes_total': math.nan},
]


@pytest.mark.parametrize('document', HOSTILE)
def test_hostile_documents_are_bounded_and_do_no_harm(document: dict[str, Any]) -> None:
    overview = Overview()
    robot = Robot(overview)
    for uptime_s in (1.0, 2.0):
        told = {'boot_id': BOOT, 'uptime_s': uptime_s, **document}
        overview.add_health('amr-07', told, uptime_s, EPOCH_NS)
    view = only(overview, 3.0)
    assert sum(len(stream.routes) for stream in view.streams) <= 4096
    assert len(view.problems) <= 256 and all(len(text) <= 256 for text in view.problems.values())
    figures = [r.figures for stream in view.streams for r in stream.routes]
    assert all(len(entries) <= 64 for entries in figures)
    assert not view.link.figures and not view.link.budget
    if view.spool is not None:
        assert len(view.spool.streams) <= 1024 and len(view.spool.figures) <= 6
        assert len(view.spool.state) <= 256 and len(view.spool.recovered) <= 256
        assert all(0 <= backlog.samples < 2**63 for backlog in view.spool.streams)
        assert all(0.0 <= backlog.bytes <= 1e18 for backlog in view.spool.streams)
    # The next honest document is understood.
    robot.health(4.0, 3.0, link={'limited_by': 'rate'}, routes=[entry(delivered=1)])
    assert only(overview, 5.0).link.limited_by == 'rate'
    assert route_of(only(overview, 5.0)).figures['delivered'] == 1


json_values = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text(max_size=5),
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(strategies.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)
documents = strategies.fixed_dictionaries(
    {'boot_id': strategies.sampled_from([BOOT, OTHER_BOOT, '', 5])},
    optional={
        'uptime_s': json_values,
        'link': json_values,
        'streams': strategies.lists(
            strategies.dictionaries(
                strategies.sampled_from(['stream', 'step', 'steps', 'now', 'max_hz']), json_values
            ),
            max_size=3,
        ),
        'routes': strategies.lists(
            strategies.dictionaries(
                strategies.sampled_from(['route', 'stream', 'topic', 'dropped', 'wire_bytes']),
                json_values,
            ),
            max_size=3,
        ),
        'demand': json_values,
        'problems': json_values,
        'spool': strategies.dictionaries(
            strategies.sampled_from(['state', 'recovered', 'samples', 'oldest_age_s']), json_values
        )
        | strategies.fixed_dictionaries(
            {
                'streams': strategies.lists(
                    strategies.dictionaries(
                        strategies.sampled_from(['stream', 'samples', 'bytes', 'unconfirmed']),
                        json_values,
                    ),
                    max_size=3,
                )
            }
        ),
    },
)


@given(strategies.lists(documents, max_size=4))
def test_any_documents_in_any_order_can_be_shown(told: list[dict[str, Any]]) -> None:
    overview = Overview()
    for second, document in enumerate(told):
        read_health(document)
        overview.add_health('amr-07', document, float(second), EPOCH_NS)
    for view in overview.robots(10.0):
        for route in (r for stream in view.streams for r in stream.routes):
            assert route.sent_bytes_per_s is None or route.sent_bytes_per_s >= 0.0
            assert all(value >= 0.0 for value in route.figures.values())
        for backlog in view.spool.streams if view.spool is not None else ():
            assert backlog.samples >= 0 and backlog.unconfirmed >= 0
            assert backlog.closes_in_s is None or backlog.closes_in_s >= 0.0


def test_robots_beyond_all_measure_are_not_kept(overview: Overview) -> None:
    for number in range(5000):
        Robot(overview, f'r{number}').state(0.0, True, 'birth')
    assert len(overview.robots(1.0)) == 4096
