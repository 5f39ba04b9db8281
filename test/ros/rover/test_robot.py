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

"""``ros-cloud-bridge robot`` as a process of its own, seen through ROS from this one."""

from array import array
from collections.abc import Callable, Iterator
import contextlib
import json
import math
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any
from xml.etree import ElementTree

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import OccupancyGrid, Odometry
import pytest
from rcl_interfaces.msg import Log
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import (
    BatteryState,
    CameraInfo,
    Image,
    Imu,
    LaserScan,
    NavSatFix,
    PointCloud2,
)
from std_msgs.msg import String

try:
    from tf2_msgs.msg import TFMessage
except ModuleNotFoundError:
    TFMessage = None

NAMESPACE = f'/rover_{os.getpid()}'
COMMAND = 'import sys; from ros_cloud_bridge.cli.main import main; sys.exit(main())'
DEADLINE_S = 40.0
LATCHED = {'map': OccupancyGrid, 'robot_description': String}
STREAMS = {
    'imu/data': Imu,
    'odom': Odometry,
    'scan': LaserScan,
    'battery_state': BatteryState,
    'diagnostics': DiagnosticArray,
    'fix': NavSatFix,
    'explored': OccupancyGrid,
}
PICTURES = {
    'camera/image_raw': Image,
    'camera/image_mono': Image,
    'camera/camera_info': CameraInfo,
    'camera/depth/image_raw': Image,
    'camera/depth/points': PointCloud2,
}
if TFMessage:
    LATCHED['tf_static'] = TFMessage
    STREAMS['tf'] = TFMessage
else:
    STREAMS.update(odom_transform=TransformStamped, map_transform=TransformStamped)


class Ear:
    """A node that keeps all that it hears, with the publisher's sequence numbers."""

    def __init__(self, node: Node, executor: SingleThreadedExecutor) -> None:
        self.node = node
        self.executor = executor
        self.heard: dict[str, list[Any]] = {}
        self.numbers: dict[str, list[int]] = {}

    def listen(self, topic: str, message_type: Any, latched: bool = False) -> None:
        self.heard[topic] = []
        self.numbers[topic] = []

        def take(message: Any, info: Any) -> None:
            self.heard[topic].append(message)
            self.numbers[topic].append(info['publication_sequence_number'])

        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        qos = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE, durability=durability)
        self.node.create_subscription(message_type, topic, take, qos)

    def spin_until(self, done: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not done():
            assert time.monotonic() < deadline, {t: len(m) for t, m in self.heard.items()}
            self.executor.spin_once(timeout_sec=0.1)


@pytest.fixture
def ear() -> Iterator[Ear]:
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node('ear', namespace=NAMESPACE, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    yield Ear(node, executor)
    executor.shutdown()
    node.destroy_node()
    rclpy.shutdown(context=context)


@contextlib.contextmanager
def process(*arguments: str) -> Iterator['subprocess.Popen[str]']:
    child = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def robot(*arguments: str) -> Any:
    return process('-c', COMMAND, 'robot', '--namespace', NAMESPACE, *arguments)


def seconds(message: Any) -> float:
    stamp = message.header.stamp
    return float(stamp.sec + 1e-9 * stamp.nanosec)


def printed(output: str) -> dict[str, int]:
    return {topic: int(count) for topic, count in (line.split() for line in output.splitlines())}


def test_all_topics_arrive_as_counted(ear: Ear, tmp_path: Path) -> None:
    for topic, message_type in (STREAMS | PICTURES).items():
        ear.listen(topic, message_type)
    for topic, message_type in LATCHED.items():
        ear.listen(topic, message_type, latched=True)
    ear.listen('/rosout', Log, latched=True)
    counts_file = tmp_path / 'counts.json'
    with robot('--duration', '5', '--seed', '11', '--counts', str(counts_file)) as child:
        ear.spin_until(lambda: child.poll() is not None)
        out, err = child.communicate()
    assert child.returncode == 0, err
    counts = json.loads(counts_file.read_text())
    assert printed(out) == counts
    said = [m for m in ear.heard['/rosout'] if m.name == f'{NAMESPACE[1:]}.rover']
    assert len(said) == counts.pop('/rosout')
    assert any('seed 11' in message.msg for message in said)
    assert set(counts) == {f'{NAMESPACE}/{t}' for t in LATCHED | STREAMS | PICTURES}

    def complete() -> bool:
        return all(ear.heard[t] and ear.numbers[t][-1] == counts[f'{NAMESPACE}/{t}'] for t in all_)

    # The last message of each topic bears the number that was counted, with nothing lost since
    # the first that was heard (before that, discovery was still under way).
    all_ = [*LATCHED, *STREAMS, *PICTURES]
    ear.spin_until(complete)
    for topic in all_:
        numbers = ear.numbers[topic]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), topic
    check_contents(ear.heard)


def check_contents(heard: dict[str, list[Any]]) -> None:
    for topic in (*STREAMS, *PICTURES):
        if topic != 'tf':
            stamps = [seconds(message) for message in heard[topic]]
            assert stamps == sorted(stamps), topic
            assert abs(stamps[-1] - time.time()) < 60.0
    imu = heard['imu/data']
    assert all(abs(m.linear_acceleration.z - 9.8) < 1.5 for m in imu)
    assert imu[-1].header.frame_id == 'imu_link'
    scan = heard['scan'][-1]
    assert len(scan.ranges) == len(scan.intensities) == 360
    assert scan.angle_max == pytest.approx(scan.angle_min + 359 * scan.angle_increment, abs=1e-4)
    finite = [value for value in scan.ranges if math.isfinite(value)]
    assert all(scan.range_min <= value <= scan.range_max + 0.1 for value in finite)
    assert len(finite) > 200
    odom = heard['odom'][-1]
    assert (odom.header.frame_id, odom.child_frame_id) == ('odom', 'base_link')
    assert odom.pose.covariance[0] > heard['odom'][0].pose.covariance[0] > 0.0
    picture, info = heard['camera/image_raw'][-1], heard['camera/camera_info'][-1]
    assert (picture.encoding, picture.width, picture.height, picture.step) == (
        'rgb8',
        320,
        240,
        960,
    )
    assert len(picture.data) == 320 * 240 * 3
    assert len(set(picture.data[::97])) > 20
    assert seconds(picture) == seconds(info)
    assert info.k[0] == info.p[0] > 100.0
    mono = heard['camera/image_mono'][-1]
    assert (mono.encoding, mono.width, mono.height, mono.step) == ('mono8', 320, 240, 320)
    assert seconds(mono) == seconds(picture)
    check_depths(heard['camera/depth/image_raw'][-1], heard['camera/depth/points'][-1])
    explored = heard['explored']
    assert set(explored[-1].data) == set(array('b', (-1, 0, 100)))
    assert explored[-1].data.count(-1) < explored[0].data.count(-1)
    battery = heard['battery_state']
    assert 0.0 < battery[-1].percentage < battery[0].percentage <= 1.0
    assert battery[-1].current < 0.0
    assert 47.0 < heard['fix'][-1].latitude < 49.0
    names = {status.name for status in heard['diagnostics'][-1].status}
    assert {'rover: battery', 'rover: drive'} <= names
    if TFMessage:
        children = {t.child_frame_id for m in heard['tf'] for t in m.transforms}
        assert children == {'base_link', 'odom'}
    else:
        last = heard['odom_transform'][-1]
        assert (last.header.frame_id, last.child_frame_id) == ('odom', 'base_link')
        assert last.transform.translation.x == pytest.approx(odom.pose.pose.position.x, abs=0.2)
        assert heard['map_transform'][-1].child_frame_id == 'odom'
    check_latched(heard)


def check_depths(image: Image, cloud: PointCloud2) -> None:
    assert (image.encoding, image.width, image.height, image.step) == ('16UC1', 160, 120, 320)
    millimetres = array('H', bytes(image.data))
    assert len(millimetres) == 160 * 120
    assert all(mm == 0 or 300 <= mm <= 8000 for mm in millimetres)
    assert (cloud.width, cloud.height, cloud.point_step) == (160, 120, 16)
    assert [field.name for field in cloud.fields] == ['x', 'y', 'z', 'intensity']
    numbers = array('f', bytes(cloud.data))
    deep = [z for z in numbers[2::4] if not math.isnan(z)]
    assert len(deep) > 160 * 60
    assert 0.3 <= min(deep) < max(deep) <= 8.0


def check_latched(heard: dict[str, list[Any]]) -> None:
    (grid,) = heard['map']
    assert (grid.info.width, grid.info.height) == (400, 320)
    assert grid.info.resolution == pytest.approx(0.05)
    assert len(grid.data) == 400 * 320
    assert set(grid.data) == set(array('b', (-1, 0, 100)))
    (description,) = heard['robot_description']
    tree = ElementTree.fromstring(description.data)
    links = {link.get('name') for link in tree.iter('link')}
    children = {child.get('link') for child in tree.iter('child')}
    assert links - children == {'base_link'}, 'not one tree'
    assert {'imu_link', 'lidar_link', 'camera_optical_frame', 'gnss_link'} <= children


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_late_joiner_gets_what_is_latched_and_a_signal_ends_cleanly(
    ear: Ear, number: signal.Signals
) -> None:
    ear.listen('imu/data', Imu)
    with robot('--no-camera') as child:
        ear.spin_until(lambda: len(ear.heard['imu/data']) > 20)
        for topic, message_type in LATCHED.items():
            ear.listen(topic, message_type, latched=True)
        ear.spin_until(lambda: all(ear.heard[topic] for topic in LATCHED))
        check_latched(ear.heard)
        child.send_signal(number)
        out, err = child.communicate(timeout=DEADLINE_S)
    assert child.returncode == 0, err
    assert 'Traceback' not in err
    counts = printed(out)
    assert counts[f'{NAMESPACE}/imu/data'] > 20
    assert not [topic for topic in counts if 'camera' in topic]


def test_the_ros_executable_takes_parameters(tmp_path: Path) -> None:
    counts_file = tmp_path / 'counts.json'
    chosen = {
        'duration_s': '2',
        'imu_hz': '20',
        'scan_hz': '2.5',
        'camera': 'false',
        'rate_factor': '2.0',
        'counts_file': str(counts_file),
    }
    arguments = [word for name, value in chosen.items() for word in ('-p', f'{name}:={value}')]
    module = 'ros_cloud_bridge.ros.rover.node'
    ros_arguments = ('--ros-args', '-r', f'__ns:={NAMESPACE}', *arguments)
    with process('-m', module, *ros_arguments) as child:
        _, err = child.communicate(timeout=DEADLINE_S)
    assert child.returncode == 0, err
    counts = json.loads(counts_file.read_text())
    assert 'camera' not in ' '.join(counts)
    # On a machine that stalls steps are left out, so no more than this, and the ratio stays.
    imu, scan = counts[f'{NAMESPACE}/imu/data'], counts[f'{NAMESPACE}/scan']
    assert 40 <= imu <= 80
    assert abs(imu / 8 - scan) <= 1


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (('--namespace', '1 x'), 'namespace'),
        (('--counts', '/no/such/folder/counts.json'), 'counts_file'),
        (('--duration', '-1'), 'above 0'),
        (('--seed', 'x'), 'whole number'),
        (('--rate', '1000'), 'rate_factor'),
        (('--ros-args', '-p', 'scan_hz:=often'), 'scan_hz'),
        (('--ros-args', '-p', 'imu_hz:=-3.0'), 'imu_hz'),
        (('--ros-args', '-p', 'seed:=1.5'), 'seed'),
        (('--ros-args', '--such-is-unknown'), '--such-is-unknown'),
    ],
)
def test_bad_arguments_are_named(arguments: tuple[str, ...], said: str) -> None:
    with process('-c', COMMAND, 'robot', *arguments) as child:
        _, err = child.communicate(timeout=DEADLINE_S)
    assert child.returncode == 2, err
    assert said in err
    assert 'Traceback' not in err
