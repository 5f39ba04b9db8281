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

"""What statuses make of ``health``: levels, words and values."""

from typing import Any

import pytest

from ros_cloud_bridge.uplink.diagnosis import Diagnosis, Level, Status

FINE = {
    'connected': True,
    'limited_by': 'application',
    'rate_bytes_per_s': 31200.0,
    'tcp': {'rtt_s': 0.021},
    'budget': None,
}


def document(
    link: dict[str, Any] | None = None,
    streams: list[dict[str, Any]] | None = None,
    routes: list[dict[str, Any]] | None = None,
    **keys: Any,
) -> dict[str, Any]:
    """Make a health document."""
    return {
        'version': 1,
        'robot_id': 'amr-07',
        'boot_id': '00112233445566aa',
        'uptime_s': 12.5,
        'link': {**FINE, **(link or {})},
        'streams': [{'stream': 'pose', 'step': 0, 'steps': 0}] if streams is None else streams,
        'routes': routes or [],
        **keys,
    }


def route(stream: str = 'pose', number: int = 1, **keys: Any) -> dict[str, Any]:
    """Make a route's entry."""
    entry = {'route': number, 'stream': stream, 'topic': f'/t{number}', 'received': 10}
    return {**entry, 'oldest_age_s': number / 10, 'dropped': {}, **keys}


@pytest.fixture
def diagnosis() -> Diagnosis:
    return Diagnosis('uplink')


def named(statuses: list[Status], name: str) -> Status:
    (found,) = [status for status in statuses if status.name == name]
    return found


def values_of(status: Status) -> dict[str, str]:
    assert len(dict(status.values)) == len(status.values), 'a key stands twice'
    return dict(status.values)


def test_names_ids_and_values(diagnosis: Diagnosis) -> None:
    routes = [route(number=1, queued=2), route(number=2, queued=3, dropped={'rate': 4})]
    demand = {
        'leases': [{'stream': 'pose', 'consumer': 'ops', 'hz': 5.0, 'ends_in_s': 60.0}],
        'refused': {'x/pose': 'not allowed'},
    }
    statuses = diagnosis.of(
        document(routes=routes, demand=demand, problems={'/x': 'no type support'}), 0.0
    )
    assert [status.name for status in statuses] == ['uplink: link', 'uplink: stream pose']
    assert {status.hardware_id for status in statuses} == {'amr-07'}
    link, pose = statuses
    assert (link.level, link.message) == (Level.OK, 'connected, limited by application')
    assert values_of(link) == {
        'connected': 'True',
        'limited_by': 'application',
        'rate_bytes_per_s': '31200',
        'tcp.rtt_s': '0.021',
        'uptime_s': '12.5',
        'lease.ops/pose.hz': '5',
        'lease.ops/pose.ends_in_s': '60',
        'lease_refused.x/pose': 'not allowed',
        'not_bridged./x': 'no type support',
    }
    assert (pose.level, pose.message) == (Level.OK, 'flowing')
    values = values_of(pose)
    assert (values['topics'], values['received'], values['queued']) == ('2', '20', '5')
    assert (values['oldest_age_s'], values['dropped.rate']) == ('0.2', '4')


def test_disconnected_is_a_warning_and_after_ten_seconds_an_error(diagnosis: Diagnosis) -> None:
    def level(connected: bool, now: float) -> Level:
        return diagnosis.of(document({'connected': connected}), now)[0].level

    assert level(True, 0.0) == Level.OK
    assert [level(False, now) for now in (5.0, 15.0, 15.1)] == [
        Level.WARN,
        Level.WARN,
        Level.ERROR,
    ]
    assert level(True, 16.0) == Level.OK
    # The time counts anew.
    assert level(False, 17.0) == Level.WARN


@pytest.mark.parametrize(
    ('link', 'level', 'message'),
    [
        ({'limited_by': 'window'}, Level.OK, 'connected, limited by window'),
        ({'limited_by': None}, Level.OK, 'connected'),
        ({'limited_by': 'budget'}, Level.WARN, 'limited by the monthly budget'),
        ({'budget': {'exhausted': False}}, Level.OK, 'connected, limited by application'),
        ({'budget': {'exhausted': True}}, Level.ERROR, 'monthly budget exhausted'),
        (
            {'limited_by': 'budget', 'budget': {'exhausted': True}},
            Level.ERROR,
            'monthly budget exhausted',
        ),
    ],
)
def test_what_limits_the_link(
    diagnosis: Diagnosis, link: dict[str, Any], level: Level, message: str
) -> None:
    status = diagnosis.of(document(link), 0.0)[0]
    assert (status.level, status.message) == (level, message)


def test_a_step_down_is_a_warning_for_link_and_stream(diagnosis: Diagnosis) -> None:
    streams = [
        {'stream': 'lidar', 'step': 2, 'steps': 3, 'now': 'pause'},
        {'stream': 'pose', 'step': 0, 'steps': 0, 'now': ''},
    ]
    statuses = diagnosis.of(document(streams=streams), 0.0)
    assert (statuses[0].level, statuses[0].message) == (Level.WARN, 'stepped down: lidar')
    lidar = named(statuses, 'uplink: stream lidar')
    assert (lidar.level, lidar.message) == (Level.WARN, 'stepped down to pause')
    assert values_of(lidar)['step'] == '2'
    assert named(statuses, 'uplink: stream pose').level == Level.OK


def test_drops_after_acceptance_count_from_report_to_report(diagnosis: Diagnosis) -> None:
    def pose(dropped: dict[str, int], **keys: Any) -> Status:
        return diagnosis.of(document(routes=[route(dropped=dropped)], **keys), 0.0)[1]

    assert pose({'rate': 5, 'degraded': 5, 'not_demanded': 5}).level == Level.OK
    status = pose({'rate': 9, 'superseded': 2, 'expired': 1})
    assert status.level == Level.WARN
    assert status.message == 'dropped since the last report: superseded 2, expired 1'
    assert pose({'rate': 9, 'superseded': 2, 'expired': 1}).level == Level.OK
    assert pose({'superseded': 3, 'expired': 1}).message.endswith(': superseded 1')
    # A new boot counts from zero.
    assert pose({'superseded': 3}, boot_id='ffeeddccbbaa9988').message.endswith(': superseded 3')


def test_streams_without_topics_or_demand(diagnosis: Diagnosis) -> None:
    streams = [
        {'stream': 'empty', 'step': 0},
        {'stream': 'asked', 'step': 0, 'demand_hz': 5.0},
        {'stream': 'idle', 'step': 0, 'demand_hz': 0.0},
    ]
    routes = [route('asked', 1), route('idle', 2)]
    statuses = diagnosis.of(document(streams=streams, routes=routes), 0.0)
    assert [(status.level, status.message) for status in statuses[1:]] == [
        (Level.OK, 'no topic'),
        (Level.OK, 'flowing'),
        (Level.OK, 'nobody asks for it'),
    ]


def test_a_document_that_lacks_most_is_judged_all_the_same(diagnosis: Diagnosis) -> None:
    (link,) = diagnosis.of({}, 0.0)
    assert (link.level, link.values) == (Level.OK, ())
    bare = {'routes': [{'route': 1, 'stream': 'pose'}], 'link': None, 'demand': None}
    statuses = diagnosis.of(bare, 1.0)
    assert [status.name for status in statuses] == ['uplink: link', 'uplink: stream pose']


SPOOL = {
    'state': 'ok',
    'recovered': '',
    'bytes': 81920,
    'max_bytes': 1073741824,
    'samples': 120,
    'oldest_age_s': 61.5,
    'written_bytes_today': 4096,
    'dead_letters': 0,
    'streams': [
        {
            'stream': 'events',
            'samples': 120,
            'bytes': 9000,
            'oldest_age_s': 61.5,
            'earlier_boots': 20,
            'unconfirmed': 7,
        }
    ],
}


def durable(committed: int = 0, waiting: int = 0, lost: int = 0) -> list[dict[str, Any]]:
    """Make two durable routes' entries; the second one's figures do not change."""
    counts = {'committed': committed, 'spooled': 5, 'not_yet_committed': waiting}
    steady = {'committed': 1, 'spooled': 2, 'not_yet_committed': 0}
    return [
        route('events', 1, dropped={'not_committed': lost} if lost else {}, **counts),
        route('events', 2, **steady),
    ]


def spool_of(diagnosis: Diagnosis, now: float = 0.0, **keys: Any) -> Status:
    """Judge a document with a spool."""
    routes = keys.pop('routes', durable())
    statuses = diagnosis.of(document(spool={**SPOOL, **keys}, routes=routes), now)
    return named(statuses, 'uplink: spool')


def test_a_spool_stands_behind_the_link_with_its_figures(diagnosis: Diagnosis) -> None:
    routes = durable(committed=400, waiting=3, lost=9)
    statuses = diagnosis.of(document(spool=SPOOL, routes=routes), 0.0)
    assert [status.name for status in statuses][:2] == ['uplink: link', 'uplink: spool']
    spool = spool_of(diagnosis, routes=routes)
    assert (spool.level, spool.message) == (Level.OK, '120 samples spooled, the oldest for 62 s')
    assert values_of(spool) == {
        'state': 'ok',
        'recovered': '',
        'bytes': '81920',
        'max_bytes': '1073741824',
        'samples': '120',
        'oldest_age_s': '61.5',
        'written_bytes_today': '4096',
        'dead_letters': '0',
        'not_yet_committed': '3',
        'not_committed': '9',
        'stream.events.samples': '120',
        'stream.events.bytes': '9000',
        'stream.events.oldest_age_s': '61.5',
        'stream.events.earlier_boots': '20',
        'stream.events.unconfirmed': '7',
    }
    values = values_of(named(statuses, 'uplink: stream events'))
    assert (values['committed'], values['spooled'], values['not_yet_committed']) == (
        '401',
        '7',
        '3',
    )


def test_an_empty_spool_is_fine_and_none_is_not_told_of(diagnosis: Diagnosis) -> None:
    spool = spool_of(diagnosis, samples=0, oldest_age_s=None)
    assert (spool.level, spool.message) == (Level.OK, '0 samples spooled')
    for keys in ({}, {'spool': None}):
        statuses = diagnosis.of(document(**keys), 0.0)
        assert [status.name for status in statuses] == ['uplink: link', 'uplink: stream pose']
    assert 'committed' not in values_of(statuses[1])


@pytest.mark.parametrize(
    ('keys', 'level', 'message'),
    [
        (
            {'state': 'disk_full'},
            Level.WARN,
            'disk full: durable streams make do with what fits',
        ),
        (
            {'state': 'read_only'},
            Level.WARN,
            'disk is read-only: durable samples are not committed',
        ),
        (
            {'state': 'write_budget'},
            Level.WARN,
            "the day's writes are used up: durable samples are not committed",
        ),
        ({'state': 'failed'}, Level.ERROR, 'failed: durable samples are not committed'),
        ({'state': 'of a later version'}, Level.WARN, 'of a later version'),
        ({'dead_letters': 3}, Level.WARN, 'dead letters: 3'),
        ({'recovered': '2 rows damaged'}, Level.WARN, '2 rows damaged'),
        (
            {'streams': [{'stream': 'events', 'waits_for': 'archive'}]},
            Level.WARN,
            'events: consumer archive is not there',
        ),
        (
            {'state': 'failed', 'dead_letters': 3},
            Level.ERROR,
            'failed: durable samples are not committed; dead letters: 3',
        ),
    ],
)
def test_what_is_wrong_with_the_spool(
    diagnosis: Diagnosis, keys: dict[str, Any], level: Level, message: str
) -> None:
    spool = spool_of(diagnosis, **keys)
    assert (spool.level, spool.message) == (level, message)


def test_what_was_not_committed_counts_from_report_to_report(diagnosis: Diagnosis) -> None:
    told = [spool_of(diagnosis, routes=durable(lost=lost)) for lost in (0, 4, 4, 9)]
    assert [status.level for status in told] == [Level.OK, Level.WARN, Level.OK, Level.WARN]
    assert told[1].message == 'not committed since the last report: 4'
    assert told[3].message == 'not committed since the last report: 5'
    # A new boot counts from nothing.
    statuses = diagnosis.of(document(spool=SPOOL, routes=durable(lost=2), boot_id='b'), 9.0)
    assert named(statuses, 'uplink: spool').message == 'not committed since the last report: 2'


def test_a_disk_that_hangs_shows_by_what_waits(diagnosis: Diagnosis) -> None:
    def message(now: float, committed: int, waiting: int) -> str:
        spool = spool_of(diagnosis, now, routes=durable(committed, waiting))
        assert (spool.level is Level.WARN) == ('nothing was committed' in spool.message)
        return spool.message

    # The first report stands for itself, however long the machine has been up.
    assert message(1000.0, 10, 3) == '120 samples spooled, the oldest for 62 s'
    assert 'nothing' not in message(1004.0, 10, 30)
    assert message(1006.0, 10, 60) == 'nothing was committed for 6 s'
    # It goes on, though something always waits for the next commit.
    for second in range(7, 20):
        assert 'nothing' not in message(1000.0 + second, 10 + second, 3)
    # Nothing waits, so nothing has to be committed.
    assert 'nothing' not in message(1100.0, 30, 0)
    assert 'nothing' not in message(1101.0, 30, 1)


def commands(**keys: Any) -> dict[str, Any]:
    """Make what health says of commands."""
    return {'connected': True, 'running': 0, 'refused': {}, 'stops': {}, **keys}


def test_commands_have_a_status_of_their_own(diagnosis: Diagnosis) -> None:
    told = commands(running=2, refused={'expired': 3, 'bad_signature': 1}, stops={'drive': 4})
    first, again = (
        named(diagnosis.of(document(commands=told), now), 'uplink: commands') for now in (0.0, 1.0)
    )
    assert (first.level, first.message) == (
        Level.WARN,
        'bad signatures since the last report: 1',
    )
    assert (again.level, again.message) == (Level.OK, 'connected, 2 running')
    assert values_of(again) == {
        'connected': 'True',
        'running': '2',
        'refused.bad_signature': '1',
        'refused.expired': '3',
        'stops.drive': '4',
    }


def test_commands_that_cannot_come_are_an_error_after_a_while(diagnosis: Diagnosis) -> None:
    down = document(commands=commands(connected=False))
    found = [named(diagnosis.of(down, now), 'uplink: commands') for now in (0.0, 10.5)]
    assert [one.level for one in found] == [Level.WARN, Level.ERROR]
    assert found[1].message == 'not connected for 10 s: takes no commands'


def test_without_channels_nothing_is_said_of_commands(diagnosis: Diagnosis) -> None:
    statuses = diagnosis.of(document(commands=None), 0.0)
    assert [status.name for status in statuses] == ['uplink: link', 'uplink: stream pose']
