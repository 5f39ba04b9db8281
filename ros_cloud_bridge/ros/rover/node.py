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

"""The rover as a ROS node; its rates and faults are parameters, see ``settings``."""

from collections.abc import Callable, Mapping, Sequence
import contextlib
from dataclasses import dataclass
from importlib import import_module
import sys
import time
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import OccupancyGrid, Odometry
import rclpy
from rclpy._rclpy_pybind11 import RCLError, RCLInvalidROSArgsError, UnknownROSArgsError
from rclpy.exceptions import InvalidNamespaceException
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from rclpy.validate_namespace import validate_namespace
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

from ros_cloud_bridge.errors import BridgeError, ConfigError, LocalFault
from ros_cloud_bridge.ros.rover import messages
from ros_cloud_bridge.ros.rover.camera import brightness, Camera
from ros_cloud_bridge.ros.rover.description import BASE, MAP, MOUNTS, ODOM, urdf
from ros_cloud_bridge.ros.rover.outlets import (
    check_counts_file,
    LATCHED,
    Outlets,
    PICTURES,
    write_counts,
)
from ros_cloud_bridge.ros.rover.remote import Remote
from ros_cloud_bridge.ros.rover.settings import declare
from ros_cloud_bridge.ros.rover.simulation import Simulation
from ros_cloud_bridge.ros.rover.stopping import Stop, stop_signals

_MOST_LATE_S = 0.5  # what was missed beyond this is left out, not caught up with
_FAREWELL_S = 2.0


@dataclass(slots=True, kw_only=True)
class _Duty:
    """Something to publish at a rate, in even steps of the simulation."""

    act: Callable[[Time], None]
    share: float  # of the steps
    credit: float

    def due(self) -> bool:
        self.credit += self.share
        if self.credit < 1.0 - 1e-9:
            return False
        self.credit -= 1.0
        return True


class RoverNode(Node):
    """
    The node ``rover``.

    :param namespace: of the node and all its topics
    :param chosen: parameters that differ from their defaults
    :raises ConfigError: when a parameter cannot be used
    """

    # A newer rclpy destroys nodes with their context, even one whose parameters were refused.
    _remote: Remote | None = None

    def __init__(self, namespace: str = '', chosen: Mapping[str, Any] | None = None) -> None:
        overrides = [Parameter(name, value=value) for name, value in (chosen or {}).items()]
        super().__init__('rover', namespace=namespace, parameter_overrides=overrides)
        self.settings = declare(self)
        if path := self.settings.counts_path:
            check_counts_file(path)
        self.rover = Simulation(self.settings.seed)
        self.outlets = Outlets(self)
        self._camera = Camera(self.rover.world) if self.settings.camera else None
        self._step_s = 1.0 / self.settings.step_hz
        self._steps = 0
        self._last_step = round(self.settings.duration_s * self.settings.step_hz) or None
        self._tf_message = self._find_tf()
        self._make_publishers()
        self._remote = Remote(self, self.rover, self.outlets.say)
        self._duties = self._make_duties()
        self._started_s = time.monotonic()
        self.create_timer(self._step_s, self._tick)
        self.outlets.say(
            f'rover with seed {self.settings.seed} on patrol, first to {self.rover.patrol.goal}'
        )

    @property
    def finished(self) -> bool:
        """Whether the duration that was asked for is over."""
        return self._last_step is not None and self._steps >= self._last_step

    def destroy_node(self) -> None:
        """Leave the graph."""
        if self._remote is not None:
            self._remote.close()
        super().destroy_node()

    def _find_tf(self) -> Any:
        try:
            return import_module('tf2_msgs.msg').TFMessage
        except ModuleNotFoundError:
            self.outlets.say(
                'tf2_msgs is not installed: transforms go to odom_transform and map_transform '
                '(geometry_msgs/TransformStamped) instead of tf'
            )
            return None

    def _make_publishers(self) -> None:
        add = self.outlets.add
        stamp = self.get_clock().now().to_msg()
        add(OccupancyGrid, 'map', LATCHED).publish(
            messages.occupancy_grid(stamp, self.rover.world.grid())
        )
        add(String, 'robot_description', LATCHED).publish(String(data=urdf()))
        if self._tf_message:
            add(self._tf_message, 'tf_static', LATCHED).publish(
                self._tf_message(transforms=messages.mounted(stamp, MOUNTS))
            )
            self._odom_transform = self._map_transform = add(self._tf_message, 'tf')
        else:
            self._odom_transform = add(TransformStamped, 'odom_transform')
            self._map_transform = add(TransformStamped, 'map_transform')
        self._imu = add(Imu, 'imu/data')
        self._odom = add(Odometry, 'odom')
        self._scan = add(LaserScan, 'scan')
        self._battery = add(BatteryState, 'battery_state')
        self._fix = add(NavSatFix, 'fix')
        self._diagnostics = add(DiagnosticArray, 'diagnostics')
        self._explored = add(OccupancyGrid, 'explored')
        if self._camera:
            self._image = add(Image, 'camera/image_raw', PICTURES)
            self._camera_info = add(CameraInfo, 'camera/camera_info', PICTURES)
            self._mono = add(Image, 'camera/image_mono', PICTURES)
            self._depth = add(Image, 'camera/depth/image_raw', PICTURES)
            self._points = add(PointCloud2, 'camera/depth/points', PICTURES)

    def _make_duties(self) -> list[_Duty]:
        # The order within a step: what is small and fast first, the picture last. The starts are
        # shifted so that scan and picture, which cost most, do not fall into one step.
        duties = (
            ('imu', self._publish_imu, 0.0),
            ('odom', self._publish_odometry, 0.0),
            ('localization', self._publish_localization, 0.2),
            ('scan', self._publish_scan, 0.0),
            ('battery', self._publish_battery, 0.9),
            ('diagnostics', self._publish_diagnostics, 0.85),
            ('fix', self._publish_fix, 0.8),
            ('explored', self._publish_explored, 0.6),
            ('camera', self._publish_picture, 0.75),
            ('depth', self._publish_depth, 0.4),
            ('points', self._publish_points, 0.3),
        )
        return [
            _Duty(act=act, share=self.settings.rate_hz(name) * self._step_s, credit=credit)
            for name, act, credit in duties
            if self.settings.rate_hz(name)
        ]

    def _tick(self) -> None:
        late_s = time.monotonic() - self._started_s - self._steps * self._step_s
        if late_s > _MOST_LATE_S:
            self._started_s += late_s - self._step_s
            late_s = self._step_s
        now_ns = self.get_clock().now().nanoseconds
        while late_s >= self._step_s and not self.finished:
            late_s -= self._step_s
            self._steps += 1
            self._step(Time(**_split(now_ns - int(late_s * 1e9))))

    def _step(self, stamp: Time) -> None:
        arrival = self.rover.step(self._step_s)
        if arrival:
            self.outlets.say(
                f'reached {arrival.waypoint}, next {arrival.next_waypoint} ({arrival.way_m:.1f} m)'
            )
        for duty in self._duties:
            if duty.due():
                duty.act(stamp)

    def _publish_imu(self, stamp: Time) -> None:
        self._imu.publish(messages.imu(stamp, self.rover.inertial))

    def _publish_odometry(self, stamp: Time) -> None:
        self._odom.publish(messages.odometry(stamp, self.rover.odometry))
        pose = self.rover.odometry.pose
        self._odom_transform.publish(self._as_tf(messages.transform(stamp, ODOM, BASE, pose)))

    def _publish_localization(self, stamp: Time) -> None:
        pose = self.rover.map_to_odom()
        self._map_transform.publish(self._as_tf(messages.transform(stamp, MAP, ODOM, pose)))

    def _publish_scan(self, stamp: Time) -> None:
        period_s = 1.0 / self.settings.rate_hz('scan')
        self._scan.publish(messages.scan(stamp, self.rover.scan(), period_s))

    def _publish_battery(self, stamp: Time) -> None:
        self._battery.publish(messages.battery(stamp, self.rover.charge()))

    def _publish_diagnostics(self, stamp: Time) -> None:
        hardware = f'rover-{self.settings.seed}'
        self._diagnostics.publish(
            messages.diagnostics(stamp, self.rover, self.rover.charge(), hardware)
        )

    def _publish_fix(self, stamp: Time) -> None:
        self._fix.publish(messages.fix(stamp, self.rover.fix()))

    def _publish_picture(self, stamp: Time) -> None:
        if self._camera:
            picture = self._camera.picture(self.rover.pose)
            self._image.publish(messages.image(stamp, picture))
            self._mono.publish(messages.image(stamp, brightness(picture)))
            self._camera_info.publish(messages.camera_info(stamp, self._camera))

    def _publish_depth(self, stamp: Time) -> None:
        picture = self.rover.depth_camera.picture(self.rover.pose)
        self._depth.publish(messages.depth_image(stamp, picture))

    def _publish_points(self, stamp: Time) -> None:
        camera = self.rover.depth_camera
        points = camera.points(camera.picture(self.rover.pose))
        self._points.publish(messages.point_cloud(stamp, points))

    def _publish_explored(self, stamp: Time) -> None:
        self._explored.publish(messages.occupancy_grid(stamp, self.rover.explored()))

    def _as_tf(self, message: TransformStamped) -> Any:
        return self._tf_message(transforms=[message]) if self._tf_message else message


def _split(nanoseconds: int) -> dict[str, int]:
    seconds, rest = divmod(nanoseconds, 10**9)
    return {'sec': seconds, 'nanosec': rest}


def drive(
    stop: Stop,
    ros_arguments: Sequence[str] | None = None,
    namespace: str = '',
    chosen: Mapping[str, Any] | None = None,
) -> int:
    """
    Run the rover until it is stopped or its duration is over, then print what it published.

    :param stop: asks for the end
    :param ros_arguments: such as ``--ros-args``; those of the process when left out
    :param namespace: of the node
    :param chosen: parameters that differ from their defaults
    :returns: exit status
    :raises ConfigError: when the namespace or a parameter cannot be used
    :raises LocalFault: when ROS does not start
    """
    try:
        validate_namespace('/' + namespace.lstrip('/'))
        rclpy.init(
            args=None if ros_arguments is None else list(ros_arguments),
            signal_handler_options=SignalHandlerOptions.NO,
        )
    except InvalidNamespaceException as error:
        raise ConfigError('namespace', str(error)) from error
    except (RCLInvalidROSArgsError, UnknownROSArgsError) as error:
        raise ConfigError('--ros-args', str(error)) from error
    except RCLError as error:
        raise LocalFault(f'ROS does not start: {error}') from error
    with contextlib.ExitStack() as cleanup:
        cleanup.callback(rclpy.try_shutdown)
        node = RoverNode(namespace, chosen)
        cleanup.callback(node.destroy_node)
        executor = SingleThreadedExecutor()
        cleanup.callback(executor.shutdown)
        executor.add_node(node)
        while not stop.requested and not node.finished:
            executor.spin_once(timeout_sec=0.2)
        node.outlets.wait_until_taken(_FAREWELL_S)
        counts = node.outlets.counts()
        for topic, count in counts.items():
            print(f'{topic} {count}')
        if path := node.settings.counts_path:
            write_counts(path, counts)
    return 0


def main(args: Sequence[str] | None = None) -> int:
    """
    Be the ROS executable ``rover``.

    :param args: command line with the program's name, as rclpy takes it; the process's by default
    :returns: exit status
    """
    with stop_signals() as stop:
        try:
            return drive(stop, args)
        except BridgeError as error:
            print(f'rover: {error}', file=sys.stderr)
            return 2


if __name__ == '__main__':
    sys.exit(main())
