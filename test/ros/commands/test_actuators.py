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

"""Service calls and messages that commands bring about, and what can go wrong with them."""

from collections.abc import Callable
import threading
import time

import pytest

rclpy = pytest.importorskip('rclpy')
pytest.importorskip('test_msgs')
from geometry_msgs.msg import Twist  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402

from ros_cloud_bridge.command_values import State  # noqa: E402
from ros_cloud_bridge.core.commands.effects import Ended  # noqa: E402
from ros_cloud_bridge.errors import BadFields, LocalFault, MissingTypeSupport  # noqa: E402
from support.actuator_rig import outcome, Rig  # noqa: E402
from support.command_servers import CommandServers  # noqa: E402
from support.waiting import wait_until  # noqa: E402


def test_a_service_answers(shared: Rig, servers: CommandServers) -> None:
    ended = shared.run('set', 'call', {'data': True})
    assert ended.state is State.SUCCEEDED, ended
    assert ended.detail == {'success': True, 'message': 'on'}
    assert shared.run('set', 'call').detail == {'success': False, 'message': 'off'}
    assert threading.get_ident() not in shared.threads


def test_values_go_through_a_service_and_back(shared: Rig) -> None:
    fields = {'byte_value': b'\xff', 'uint64_value': 2**64 - 1, 'string_value': 'grün'}
    detail = shared.run('basic', 'call', fields).detail
    assert {name: detail[name] for name in fields} == fields


def test_bad_fields_reach_no_server(shared: Rig, servers: CommandServers) -> None:
    before = list(servers.calls)
    ended = shared.run('set', 'call', {'data': 1})
    assert ended.state is State.FAILED
    assert ended.reason == 'bad_fields: data: expected bool, got the integer 1'
    assert servers.calls == before


def test_an_absent_server_is_waited_for_and_then_named(
    shared: Rig, servers: CommandServers
) -> None:
    ended = shared.run('absent', 'call', {'data': True})
    assert outcome(ended) == (State.FAILED, 'no_server')
    assert f'/{servers.get_name()}/absent' in ended.reason
    assert outcome(shared.run('nobody counts', 'goal', {'order': 3})) == (
        State.FAILED,
        'no_server',
    )
    ended = shared.run('nobody has parameters', 'get', {'names': ['gain']})
    assert outcome(ended) == (State.FAILED, 'no_server')


def test_a_server_that_comes_while_it_is_waited_for_is_called(
    rig: Rig, servers: CommandServers
) -> None:
    ticket = rig.start('absent', 'call', {'data': True})
    # Behind it in the same queue: once this has ended, that waits.
    rig.run('set', 'call')
    late = servers.create_service(SetBool, '~/absent', servers.answer)
    try:
        assert rig.ended(ticket).detail == {'success': True, 'message': 'on'}
    finally:
        servers.destroy_service(late)


def test_nothing_is_sent_behind_the_deadline(shared: Rig, servers: CommandServers) -> None:
    shared.run('set', 'call', {'data': True})  # the server is there
    before = list(servers.calls), list(servers.goals)
    for channel, type_, arguments in (
        ('set', 'call', {'data': True}),
        ('count', 'goal', {'order': 3}),
        ('parameters', 'set', {'values': {'gain': 2.0}}),
    ):
        ticket = shared.start(channel, type_, arguments, within_s=-1.0)
        assert outcome(shared.ended(ticket)) == (State.FAILED, 'expired')
    assert (servers.calls, servers.goals) == before


def test_a_cancelled_call_is_forgotten_and_the_late_response_ignored(
    shared: Rig, servers: CommandServers
) -> None:
    before = len(servers.calls)
    ticket = shared.start('slow', 'call', {'data': True})
    # Behind it in the same queue: once this has ended, that has begun.
    shared.run('set', 'call', {'data': False})
    shared.actuators.cancel(ticket)
    assert outcome(shared.ended(ticket)) == (State.CANCELLED, '')
    wait_until(lambda: len(servers.calls) == before + 2, what='the late response')
    assert shared.run('set', 'call').state is State.SUCCEEDED
    ends = [e for e in shared.events if isinstance(e, Ended) and e.ticket == ticket]
    assert len(ends) == 1


def test_what_does_not_fit_a_channel_is_refused(shared: Rig) -> None:
    assert outcome(shared.run('set', 'goal')) == (State.FAILED, 'wrong_type')
    assert outcome(shared.run('parameters', 'call')) == (State.FAILED, 'wrong_type')
    assert outcome(shared.run('bridge', 'pause')) == (State.FAILED, 'internal')


def test_channels_with_a_problem_fail_alone(shared: Rig) -> None:
    problems = shared.actuators.check()
    assert set(problems) == {'untyped', 'bad stop', 'bad name'}
    assert problems['untyped'].startswith('no_type_support: no type support for no_such_package/')
    assert problems['bad stop'].startswith('bad_fields: stop.linear.x: expected float64')
    ended = shared.run('untyped', 'call')
    assert (ended.state, ended.reason) == (State.FAILED, problems['untyped'])


def test_messages_are_published_and_stop_is_as_configured(shared: Rig) -> None:
    context = Context()
    rclpy.init(context=context)
    node = Node('base', context=context)
    heard: list[Twist] = []
    loose: list[Twist] = []
    node.create_subscription(Twist, '/commanded/cmd_vel', heard.append, 10)
    qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
    node.create_subscription(Twist, '/commanded/loose', loose.append, qos)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def hear(done: Callable[[], object], act: Callable[[], None]) -> None:
        deadline = time.monotonic() + 20.0
        while not done():
            assert time.monotonic() < deadline
            act()
            executor.spin_once(timeout_sec=0.05)

    # Until discovery is through; best effort may lose a message.
    hear(lambda: heard, lambda: shared.actuators.publish('drive', {'linear': {'x': 0.5}}))
    assert (heard[0].linear.x, heard[0].angular.z) == (0.5, 0.0)
    hear(lambda: heard[-1].angular.z == 0.25, lambda: shared.actuators.stop_message('drive'))
    assert heard[-1].linear.x == 0.0
    hear(lambda: loose, lambda: shared.actuators.stop_message('loose'))
    assert loose[0] == Twist()
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()


def test_publishing_says_what_is_wrong(shared: Rig) -> None:
    with pytest.raises(BadFields, match=r"^linear\.x: expected float64, got 'fast'$"):
        shared.actuators.publish('drive', {'linear': {'x': 'fast'}})
    with pytest.raises(BadFields, match='stop'):
        shared.actuators.stop_message('bad stop')
    with pytest.raises(MissingTypeSupport):
        shared.actuators.publish('untyped', {})
    with pytest.raises(LocalFault, match="no topic channel 'set'"):
        shared.actuators.publish('set', {})


def test_closing_ends_what_runs_and_cancels_goals(rig: Rig, servers: CommandServers) -> None:
    goal = rig.start('count', 'goal', {'order': 3000})
    call = rig.start('slow', 'call', {'data': True})
    wait_until(lambda: rig.progress(goal), what='acceptance')
    assert 3000 in servers.running()
    rig.stop_spinning()
    never = rig.start('set', 'call')
    rig.actuators.close()
    after = rig.start('set', 'call')
    for ticket in (goal, call, never, after):
        assert outcome(rig.ended(ticket)) == (State.FAILED, 'stopping')
    rig.actuators.cancel(goal)
    with pytest.raises(LocalFault):
        rig.actuators.publish('drive', {})
    wait_until(lambda: 3000 not in servers.running(), what='the goal to be cancelled')


def test_commands_from_many_threads_end_each_once(shared: Rig) -> None:
    tickets: list[int] = []

    def work() -> None:
        for _ in range(20):
            ticket = shared.start('set', 'call', {'data': True})
            tickets.append(ticket)
            if ticket % 3 == 0:
                shared.actuators.cancel(ticket)
            # A server holds ten requests at most; more at once it would lose without a word.
            shared.ended(ticket)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(tickets)) == 80
    for ticket in tickets:
        assert shared.ended(ticket).state in (State.SUCCEEDED, State.CANCELLED)
