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


"""The page in a real Chromium, with a real broker, bridge and rover."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
import json
import math
from pathlib import Path
import re
import subprocess
import time
from typing import Any

import pytest
import yaml

pytest.importorskip('rclpy', reason='ROS 2 (rclpy) is neither installed nor sourced')
pytest.importorskip('rosbags', reason='rosbags is missing: install the extra cloud')

from geometry_msgs.msg import Twist  # noqa: E402
from nav_msgs.msg import Odometry  # noqa: E402

from ros_cloud_bridge.cloud.web.page import Broker as BrokerPlace  # noqa: E402
from ros_cloud_bridge.cloud.web.page import Page  # noqa: E402
from ros_cloud_bridge.cloud.web.server import PageServer  # noqa: E402
from ros_cloud_bridge.signing.keys import PrivateKey, PublicKey  # noqa: E402
from support.bridge_process import BridgeProcess  # noqa: E402
from support.broker import Broker, free_port  # noqa: E402
from support.browser import chromium, Errors  # noqa: E402
from support.certificates import Authority  # noqa: E402
from support.collector import Collector  # noqa: E402
from support.graph import Graph, qos  # noqa: E402
from support.program import Program, PROJECT  # noqa: E402
from support.waiting import wait_until  # noqa: E402

ROBOT = 'rover'
# A browser without a window has no background: the page is told that it is there.
HIDE = """
Object.defineProperty(document, 'hidden', {configurable: true, get: () => true});
document.dispatchEvent(new Event('visibilitychange'));
"""
SHOW = "delete document.hidden; document.dispatchEvent(new Event('visibilitychange'));"
WAIT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Rig:
    """Broker, bridge, rover, and where their page is."""

    broker: Broker
    url: str
    operators: Path
    state: Path


@pytest.fixture(scope='module')
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """
    Run the rover as its own configuration has it, but its camera on demand.

    :param tmp_path_factory: for keys
    :returns: one that lasts for the module
    """
    folder = tmp_path_factory.mktemp('robot')
    port = free_port()
    given = yaml.safe_load((PROJECT / 'config' / 'rover.yaml').read_text())
    given = given['/**']['ros__parameters']
    given['stream']['camera'] = {'topics': ['camera/image_raw'], 'on_demand': True, 'max_hz': 5.0}
    given['stream']['pose'] = {'topics': ['odom'], 'keep': 'fifo', 'max_delay_s': 0.0}
    given |= {
        'demand': {'allow': ['web-*']},
        'discovery': {'period_s': 0.2},
        'health_period_s': 0.5,
        'operator_keys': str(folder / 'operators'),
        'state_dir': str(folder),
    }
    (folder / 'operators').mkdir()
    lines = ['max_queued_messages 0', f'listener {port} 127.0.0.1', 'protocol websockets']
    with Broker(lines) as broker:
        given['mqtt'] = {'host': broker.host, 'port': broker.port}
        place = BrokerPlace(url=f'ws://{{host}}:{port}/mqtt', root='rcb/v1')
        with (
            PageServer(Page(place), host='127.0.0.1', port=0) as server,
            Program(['robot', '--seed', '3']),
            BridgeProcess(given) as bridge,
        ):
            wait_until(lambda: '/odom [' in bridge.log() or not bridge.running, 60.0)
            assert bridge.running, bridge.log()
            yield Rig(broker=broker, url=server.url, operators=folder / 'operators', state=folder)


@pytest.fixture(scope='module')
def browser() -> Iterator[Any]:
    """
    Run Chromium.

    :returns: one that lasts for the module
    """
    with chromium() as running:
        yield running


@pytest.fixture
def page(rig: Rig, browser: Any) -> Iterator[Any]:
    """
    Open the page in a browser that knows nothing yet.

    :param rig: whose page
    :param browser: Chromium
    :returns: Playwright's ``Page``; nothing may have gone wrong in it
    """
    context = browser.new_context(viewport={'width': 1280, 'height': 900})
    opened = context.new_page()
    opened.set_default_timeout(WAIT_S * 1000)
    errors = Errors(opened)
    yield opened
    context.close()
    assert errors.said == []


class Heard:
    """Listens to the robot itself."""

    def __init__(self, graph: Graph, message_class: Any, topic: str) -> None:
        self._graph = graph
        self.messages: list[Any] = []
        self._subscription = graph.node.create_subscription(
            message_class, topic, self.messages.append, qos()
        )

    def latest(self) -> Any:
        """Take in what has come; None before the first."""
        before = -1
        while len(self.messages) != before:
            before = len(self.messages)
            self._graph.spin_until(lambda: True)
        return self.messages[-1] if self.messages else None

    def close(self) -> None:
        """Unsubscribe."""
        self._graph.node.destroy_subscription(self._subscription)


@pytest.fixture
def odometry(graph: Graph) -> Iterator[Heard]:
    """
    Listen to the rover's odometry.

    :param graph: its graph
    :returns: what was heard
    """
    heard = Heard(graph, Odometry, '/odom')
    yield heard
    heard.close()


def until(page: Any, condition: Callable[[], object], what: str) -> None:
    """Wait while the browser's own events go on."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, what
        page.wait_for_timeout(20)


def go(page: Any, rig: Rig, tab: str) -> None:
    page.goto(f'{rig.url}#/robots/{ROBOT}/{tab}')


def plot(page: Any, rig: Rig, topic: str, group: str) -> Any:
    go(page, rig, 'plots')
    page.get_by_label('Topic', exact=True).select_option(topic)
    page.get_by_role('button', name=group).first.click()
    return page.locator('.plot .keys b')


def test_the_page_plots_what_the_rover_published(page: Any, rig: Rig, odometry: Heard) -> None:
    # Nothing that the page shows is older than what is heard here.
    until(page, lambda: odometry.latest() is not None, 'odometry')
    labels = plot(page, rig, '/odom', 'position')
    shown: set[tuple[str, ...]] = set()

    def collect() -> bool:
        texts = tuple(labels.all_inner_texts())
        if len(texts) == 3 and '–' not in texts:
            shown.add(texts)
        odometry.latest()
        return len(shown) >= 8

    until(page, collect, 'the plot shows values')

    def published(texts: tuple[str, ...]) -> bool:
        """Tell whether it was heard here, where all comes a little later."""
        odometry.latest()
        places = [message.pose.pose.position for message in odometry.messages]
        values = [float(text) for text in texts]
        return any(math.dist(values, (at.x, at.y, at.z)) < 1e-3 for at in places)

    for texts in shown:
        until(page, partial(published, texts), f'{texts} was never published')
    # It is drawn, too: some pixels of the chart have the first line's colour.
    assert page.locator('.plot canvas').evaluate(
        """(canvas) => {
          const { width, height } = canvas;
          const pixels = canvas.getContext('2d').getImageData(0, 0, width, height).data;
          let coloured = 0;
          for (let i = 0; i < pixels.length; i += 4) coloured += pixels[i + 2] - pixels[i] > 60;
          return coloured > 20;
        }"""
    )


def test_what_is_on_demand_is_leased_while_it_is_shown(page: Any, rig: Rig) -> None:
    def leases(heard: Collector) -> list[tuple[str, str]]:
        health = heard.documents('health')
        found = health[-1]['demand']['leases'] if health else []
        return [(lease['stream'], lease['consumer']) for lease in found]

    with Collector(rig.broker, ROBOT) as heard:
        go(page, rig, 'live')
        page.get_by_text('in map').wait_for()
        assert leases(heard) == []
        page.get_by_label('Add a panel').select_option('/camera/image_raw')
        page.get_by_text('320 × 240 rgb8').wait_for()
        until(page, lambda: leases(heard), 'the lease stands in health')
        ((stream, consumer),) = leases(heard)
        assert stream == 'camera'
        assert re.fullmatch('web-[0-9a-f]{12}', consumer)
        panel = page.locator('header').filter(has_text='/camera/image_raw')
        panel.get_by_label('Close Camera').click()
        until(page, lambda: not leases(heard), 'the lease is given back')


def become_operator(page: Any, rig: Rig) -> None:
    """Make a key in the page, let its owner in, and compare the robot's key."""
    go(page, rig, 'commands')
    page.get_by_label('Your name as an operator').fill('alice')
    page.get_by_role('button', name='Make a key').click()
    pem = page.get_by_test_id('public-key').inner_text()
    (rig.operators / 'alice.pub').write_text(f'{pem}\n')
    key = PublicKey.load(rig.operators / 'alice.pub')
    assert page.get_by_text(key.fingerprint).is_visible()
    told = page.get_by_test_id('robot-fingerprint').inner_text()
    robot = PrivateKey.load(rig.state / f'robot-{ROBOT}.key').public
    assert told == robot.fingerprint
    page.get_by_label('I have compared it').check()
    page.get_by_role('button', name='Trust this robot').click()


def speed(odometry: Heard) -> float:
    message = odometry.latest()
    if message is None:
        return math.nan
    return float(abs(message.twist.twist.linear.x) + abs(message.twist.twist.angular.z))


def test_the_rover_is_driven_while_somebody_holds_on(
    page: Any, rig: Rig, graph: Graph, odometry: Heard
) -> None:
    commands = Heard(graph, Twist, '/cmd_vel')
    become_operator(page, rig)
    go(page, rig, 'live')
    # A new key is known a second after it was granted.
    until(page, lambda: take_control(page), 'control')
    stick = page.get_by_label('Joystick')
    box = stick.bounding_box()
    x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2

    def hold() -> None:
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 60, y, steps=3)
        until(
            page, lambda: turning(commands.latest()) and speed(odometry) > 0.3, 'the rover turns'
        )
        assert commands.latest().linear.x == pytest.approx(0.0, abs=0.05)

    hold()
    page.mouse.up()
    until(page, lambda: speed(odometry) < 0.02, 'the rover stands when the stick is let go')
    assert commands.latest().angular.z == 0.0
    hold()
    page.evaluate("dispatchEvent(new Event('blur'))")
    until(page, lambda: speed(odometry) < 0.02, 'the rover stands when another window is in front')
    page.mouse.up()
    hold()
    page.evaluate(HIDE)
    until(page, lambda: speed(odometry) < 0.02, 'the rover stands when its tab is hidden')
    page.get_by_role('button', name='Take control').wait_for()
    page.mouse.up()
    page.evaluate(SHOW)
    until(page, lambda: take_control(page), 'control')
    # Some systems never tell that a key is lifted while the command key is down.
    for other in ('Meta', 'Control', 'Alt'):
        page.keyboard.down('a')
        page.get_by_text('moving', exact=True).wait_for()
        page.keyboard.down(other)
        page.get_by_text('in control').wait_for()
        page.keyboard.up(other)
        page.keyboard.up('a')
    page.get_by_role('button', name='Give back control').click()
    page.get_by_role('button', name='Take control').wait_for()
    # By keys, which must do nothing without control.
    before = len(commands.messages)
    page.keyboard.down('w')
    page.wait_for_timeout(300)
    page.keyboard.up('w')
    commands.latest()
    assert len(commands.messages) == before
    commands.close()
    go(page, rig, 'commands')
    channel = page.get_by_label('Channel patrol')
    channel.get_by_role('button', name='true').click()
    channel.get_by_text('succeeded').wait_for()
    assert page.get_by_role('log').get_by_text('call patrol').is_visible()


def test_a_thumb_drives_on_a_phone_and_a_lost_touch_stops(
    browser: Any, rig: Rig, graph: Graph, odometry: Heard
) -> None:
    commands = Heard(graph, Twist, '/cmd_vel')
    size = {'width': 390, 'height': 844}
    context = browser.new_context(viewport=size, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(WAIT_S * 1000)
    errors = Errors(page)
    become_operator(page, rig)
    go(page, rig, 'live')
    until(page, lambda: take_control(page), 'control')
    stick = page.get_by_label('Joystick')
    stick.scroll_into_view_if_needed()
    box = stick.bounding_box()
    # It has room on the screen, so that a thumb is not lost at the edge.
    assert box['x'] >= 0.0 and box['x'] + box['width'] <= size['width']
    thumb = context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        moved = [{'x': box['x'] + x, 'y': box['y'] + y, 'id': 1} for x, y in points]
        thumb.send('Input.dispatchTouchEvent', {'type': kind, 'touchPoints': moved})

    middle = box['width'] / 2, box['height'] / 2
    for end in ('touchEnd', 'touchCancel'):
        touch('touchStart', middle)
        for step in (20.0, 40.0, 60.0):
            touch('touchMove', (middle[0] + step, middle[1]))
        until(
            page, lambda: turning(commands.latest()) and speed(odometry) > 0.3, 'the rover turns'
        )
        touch(end)
        until(page, lambda: speed(odometry) < 0.02, f'the rover stands after {end}')
        assert commands.latest().angular.z == 0.0
    touch('touchStart', middle)
    touch('touchMove', (middle[0] + 60.0, middle[1]))
    page.get_by_text('moving', exact=True).wait_for()
    page.set_viewport_size({'width': size['height'], 'height': size['width']})
    page.get_by_text('in control').wait_for()
    touch('touchEnd')
    page.set_viewport_size(size)
    # Nothing is wider than the phone.
    assert page.evaluate('document.documentElement.scrollWidth') <= size['width']
    commands.close()
    context.close()
    assert errors.said == []


def turning(command: Any) -> bool:
    return command is not None and command.angular.z < -0.5


def take_control(page: Any) -> bool:
    if page.get_by_text('in control').is_visible():
        return True
    button = page.get_by_role('button', name='Take control')
    if button.is_visible() and button.is_enabled():
        button.click()
    return False


HOSTILE = [
    ('state', b'{"version": 99, "boot_id": 1}'),
    ('state', b'\xff\xfe'),
    ('info', b'[' * 100_000),
    ('health', b'{"boot_id": "0000000000000000", "routes": 7, "link": [], "streams": "x"}'),
    ('b/high', b'\x82\x63'),
    ('b/high', bytes([0x88, 2, 0, 0x48, *range(8)])),
    ('b/low', b'\x9f' * 3000),
    ('b/future', b'\x00'),
    ('schema/0123456789abcdef', b'\xa1'),
    ('latched/map/0', b'\x84\x01\x01'),
]


def test_hostile_messages_and_those_of_later_versions_stop_nothing(page: Any, rig: Rig) -> None:
    labels = plot(page, rig, '/odom', 'stamp')
    with Collector(rig.broker, ROBOT) as speaker, Collector(rig.broker, '<b>x') as other:
        for kind, payload in HOSTILE:
            speaker.publish(kind, payload)
        name = "<img src=x onerror=alert('x')>"
        birth = {'version': 1, 'robot_id': name, 'boot_id': '00' * 8, 'state': 'online'}
        other.publish('state', json.dumps({**birth, 'reason': name, 'connection': 1}).encode())
        page.get_by_text('bad messages').wait_for()
        page.get_by_text('<b>x').wait_for()
    before = labels.all_inner_texts()
    until(page, lambda: labels.all_inner_texts() != before, 'the plot goes on')
    assert page.locator('img[src="x"]').count() == 0


def test_a_robot_may_have_the_name_of_a_property(page: Any, rig: Rig) -> None:
    name = 'constructor'
    said = {'version': 1, 'robot_id': name, 'boot_id': '00' * 8}
    channel = {'name': 'drive', 'kind': 'topic', 'type': 'geometry_msgs/msg/Twist', 'lease': True}
    with Collector(rig.broker, name) as speaker:
        birth = {**said, 'state': 'online', 'reason': 'birth', 'connection': 1}
        speaker.publish('state', json.dumps(birth).encode())
        page.goto(f'{rig.url}#/robots/{name}/commands')
        page.get_by_role('status').filter(has_text='Connected').wait_for()
        page.get_by_label('Your name as an operator').fill('alice')
        page.get_by_role('button', name='Make a key').click()
        info = {**said, 'key': 'ab' * 32, 'channels': [channel], 'routes': []}
        trust = page.get_by_text('not trusted yet')

        def told() -> bool:
            speaker.publish('state', json.dumps(birth).encode())
            speaker.publish('info', json.dumps(info).encode())
            page.wait_for_timeout(200)
            return bool(trust.is_visible())

        until(page, told, 'its key is shown as one that nobody has compared')
        assert page.get_by_role('button', name='Take control').count() == 0
        page.get_by_label('I have compared it').check()
        page.get_by_role('button', name='Trust this robot').click()
        page.get_by_role('button', name='Take control').wait_for()


def test_the_page_says_why_nothing_comes(page: Any, rig: Rig) -> None:
    name = 'asleep'
    said = {'version': 1, 'robot_id': name, 'boot_id': '00' * 8}
    route = {'route': 1, 'stream': 'note', 'topic': '/note', 'type': 'std_msgs/msg/String'}
    info = {**said, 'channels': [], 'routes': [{**route, 'schema': ''}]}
    state = {**said, 'state': 'offline', 'reason': 'shutdown', 'connection': 1}
    with Collector(rig.broker, name) as speaker:
        page.goto(f'{rig.url}#/robots/{name}/plots')
        topics = page.get_by_label('Topic', exact=True)

        def known() -> bool:
            speaker.publish('state', json.dumps(state).encode())
            speaker.publish('info', json.dumps(info).encode())
            page.wait_for_timeout(200)
            return bool('/note' in topics.inner_text())

        until(page, known, 'its topic is known')
    topics.select_option('/note')
    page.get_by_text('The robot is offline').wait_for()
    page.goto(f'{rig.url}#/robots/{name}/live')
    page.get_by_label('Add a panel').select_option('/note')
    page.get_by_text('The robot is offline').wait_for()


def test_an_unknown_robot_is_said_to_be_unknown(page: Any, rig: Rig) -> None:
    page.goto(f'{rig.url}#/robots/nobody/plots')
    page.get_by_text('No robot named nobody has said anything to this broker').wait_for()
    page.get_by_role('link', name='All robots').click()
    page.get_by_role('link', name=ROBOT).click()
    page.get_by_role('heading', name=ROBOT).wait_for()


def test_a_view_that_fails_takes_nothing_else_with_it(page: Any, rig: Rig) -> None:
    go(page, rig, 'topics')
    row = page.get_by_role('row').filter(has_text='/odom')
    row.first.wait_for()
    page.evaluate("""
        window.kept = Number.prototype.toLocaleString;
        Number.prototype.toLocaleString = () => { throw new Error('out of digits'); };
        0
    """)
    page.get_by_role('alert').filter(has_text='out of digits').first.wait_for()
    assert page.get_by_role('status').filter(has_text='Connected').is_visible()
    page.evaluate('Number.prototype.toLocaleString = window.kept; 0')
    again = page.get_by_role('button', name='Try again')
    while again.count():
        again.first.click()
    row.first.wait_for()


def test_the_page_outlives_its_broker(page: Any, rig: Rig) -> None:
    labels = plot(page, rig, '/odom', 'stamp')
    until(page, lambda: '–' not in labels.all_inner_texts(), 'the plot shows values')
    rig.broker.kill()
    page.get_by_text('Broker not reachable').wait_for()
    before = labels.all_inner_texts()
    rig.broker.restart()
    page.get_by_role('status').filter(has_text='Connected').wait_for()
    until(page, lambda: labels.all_inner_texts() != before, 'the plot goes on')


def test_whom_the_broker_refuses_the_page_asks(browser: Any, tmp_path: Path) -> None:
    users = tmp_path / 'users'
    subprocess.run(
        ['mosquitto_passwd', '-b', '-c', str(users), 'ops', 'secret'],
        check=True,
        capture_output=True,
    )
    port = free_port()
    lines = ['allow_anonymous false', f'password_file {users}']
    lines += [f'listener {port} 127.0.0.1', 'protocol websockets']
    place = BrokerPlace(url=f'ws://{{host}}:{port}/mqtt', root='rcb/v1')
    with (
        Broker(lines),
        PageServer(Page(place), host='127.0.0.1', port=0) as server,
        closing(browser.new_context()) as context,
    ):
        page = context.new_page()
        page.goto(server.url)
        connected = page.get_by_role('status').filter(has_text='Connected')
        for password in ('wrong', 'secret'):
            page.get_by_label('User').fill('ops')
            page.get_by_label('Password').fill(password)
            page.get_by_role('button', name='Connect').click()
        connected.wait_for()
        page.reload()
        connected.wait_for()
        # Of this tab alone, and nothing of it outlives it.
        assert page.evaluate('JSON.stringify(localStorage)').find('secret') == -1
        other = context.new_page()
        other.goto(server.url)
        other.get_by_label('Password').wait_for()


def test_page_and_broker_are_reached_by_tls(browser: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue('localhost')
    port = free_port()
    lines = [f'listener {port} 127.0.0.1', 'protocol websockets']
    lines += [f'certfile {certificate}', f'keyfile {key}']
    arguments = ['web', '--listen', '127.0.0.1:0', '--ws-url', f'wss://localhost:{port}/mqtt']
    arguments += ['--https-cert', str(certificate), '--https-key', str(key)]
    with (
        Broker(lines),
        Program(arguments) as program,
        # Its authority is nobody's whom a browser trusts.
        closing(browser.new_context(ignore_https_errors=True)) as context,
    ):
        wait_until(lambda: 'https://' in ''.join(program.out), what='the page')
        (url,) = re.findall(r'https://\S+', ''.join(program.out))
        page = context.new_page()
        errors = Errors(page)
        page.goto(url)
        page.get_by_role('status').filter(has_text='Connected').wait_for()
        page.get_by_text(f'wss://localhost:{port}/mqtt').wait_for()
        # Where keys are made.
        assert page.evaluate('isSecureContext')
        assert errors.said == []
