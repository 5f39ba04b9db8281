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

"""Goals that commands send, and all the ways in which they end."""

import os

import pytest

pytest.importorskip('rclpy')
pytest.importorskip('test_msgs')
from ros_cloud_bridge.command_values import State  # noqa: E402
from support.actuator_rig import outcome, Rig  # noqa: E402
from support.command_servers import (  # noqa: E402
    ABORTED_ORDER,
    ServersProcess,
    STUBBORN_ORDER,
)
from support.waiting import wait_until  # noqa: E402

# As long as a middleware may believe in a participant that says nothing more.
LEASE_S = 60.0


def test_a_goal_tells_acceptance_feedback_and_result(shared: Rig) -> None:
    ticket = shared.start('count', 'goal', {'order': 6})
    ended = shared.ended(ticket)
    assert ended.state is State.SUCCEEDED, ended
    assert ended.detail == {'result': {'sequence': [0, 1, 1, 2, 3, 5]}, 'status': 'succeeded'}
    first, *feedback = shared.progress(ticket)
    assert first is None
    told = [detail['feedback']['sequence'] for detail in feedback]
    assert told[-1] == [0, 1, 1, 2, 3, 5]
    assert told == sorted(told, key=len)


def test_a_goal_is_rejected_by_its_server(shared: Rig) -> None:
    ticket = shared.start('count', 'goal', {'order': -1})
    assert outcome(shared.ended(ticket)) == (State.FAILED, 'refused_by_server')
    assert shared.progress(ticket) == []


def test_a_goal_is_aborted_by_its_server(shared: Rig) -> None:
    ended = shared.run('count', 'goal', {'order': ABORTED_ORDER})
    assert outcome(ended) == (State.FAILED, 'aborted')
    assert ended.detail == {'result': {'sequence': [0, 1, 1, 2]}, 'status': 'aborted'}


def test_a_goal_is_cancelled(shared: Rig) -> None:
    ticket = shared.start('count', 'goal', {'order': 2000})
    wait_until(lambda: len(shared.progress(ticket)) > 2, what='feedback')
    shared.actuators.cancel(ticket)
    ended = shared.ended(ticket)
    assert ended.state is State.CANCELLED
    assert ended.detail['status'] == 'canceled'
    assert ended.detail['result']['sequence'][:4] == [0, 1, 1, 2]
    assert {'cancel': 'accepted'} in shared.progress(ticket)


def test_a_goal_cancelled_before_its_acceptance_is_cancelled(shared: Rig) -> None:
    ticket = shared.start('count', 'goal', {'order': 2001})
    shared.actuators.cancel(ticket)
    assert shared.ended(ticket).state is State.CANCELLED


def test_a_goal_whose_server_refuses_to_cancel_runs_on(shared: Rig) -> None:
    ticket = shared.start('count', 'goal', {'order': STUBBORN_ORDER})
    wait_until(lambda: len(shared.progress(ticket)) > 2, what='feedback')
    shared.actuators.cancel(ticket)
    wait_until(lambda: {'cancel': 'refused'} in shared.progress(ticket), what='the refusal')
    assert shared.ended(ticket).state is State.SUCCEEDED


def test_three_goals_at_once_keep_apart(shared: Rig) -> None:
    orders = (5, 8, 11)
    tickets = [shared.start('count', 'goal', {'order': order}) for order in orders]
    for ticket, order in zip(tickets, orders, strict=True):
        assert len(shared.ended(ticket).detail['result']['sequence']) == order
        told = [d['feedback']['sequence'] for d in shared.progress(ticket)[1:]]
        assert max(map(len, told)) == order


@pytest.mark.parametrize('again', [False, True], ids=['gone', 'started again'])
def test_a_killed_server_is_lost(again: bool) -> None:
    name = f'mortal_{os.getpid()}_{again:d}'
    rig = Rig(name)
    try:
        with ServersProcess(name) as first:
            rig.wait_for_servers()
            call = rig.start('mute', 'call', {'data': True})
            goal = rig.start('count', 'goal', {'order': 10**6})
            wait_until(lambda: len(rig.progress(goal)) > 1, what='feedback')
            first.kill()
        if again:
            # One of the same name that knows nothing of what the other was asked.
            with ServersProcess(name):
                check_lost(rig, call, goal)
                rig.wait_for_servers()
        else:
            check_lost(rig, call, goal)
    finally:
        rig.close()


def check_lost(rig: Rig, *tickets: int) -> None:
    for ticket in tickets:
        assert outcome(rig.ended(ticket, LEASE_S)) == (State.FAILED, 'server_lost')
