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

"""The rover's readings as ROS messages; typed arrays spare rclpy a check of each number."""

from array import array
from collections.abc import Iterable
import math

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Quaternion, TransformStamped
from nav_msgs.msg import OccupancyGrid, Odometry
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import (
    BatteryState,
    CameraInfo,
    Image,
    LaserScan,
    NavSatFix,
    NavSatStatus,
    PointCloud2,
    PointField,
)
from sensor_msgs.msg import (
    Imu as ImuMessage,
)

from ros_cloud_bridge.ros.rover.camera import Camera
from ros_cloud_bridge.ros.rover.depth_camera import Points
from ros_cloud_bridge.ros.rover.description import (
    BASE,
    GNSS,
    IMU,
    LIDAR,
    MAP,
    Mount,
    ODOM,
    OPTICAL,
)
from ros_cloud_bridge.ros.rover.drive import Pose, WheelOdometry
from ros_cloud_bridge.ros.rover.sensors import Battery, Charge, Fix, Imu, Inertial, Lidar, Scan
from ros_cloud_bridge.ros.rover.simulation import Simulation
from ros_cloud_bridge.ros.rover.world import Grid

_NEVER = 1e6  # variance of what a rover on a flat floor does not know
_ORIENTATION_COVARIANCE = np.diag((1e-4, 1e-4, 0.02)).ravel()
_GYRO_COVARIANCE = np.diag((Imu.GYRO_NOISE_RAD_S**2,) * 3).ravel()
_FORCE_COVARIANCE = np.diag((Imu.ACCELERATION_NOISE_M_S2**2,) * 3).ravel()


def quaternion(yaw: float) -> Quaternion:
    """
    Turn a heading into a rotation.

    :param yaw: radians about z
    :returns: unit quaternion
    """
    return Quaternion(z=math.sin(yaw / 2.0), w=math.cos(yaw / 2.0))


def transform(stamp: Time, parent: str, child: str, pose: Pose) -> TransformStamped:
    """
    Build a transform in the plane.

    :param stamp: when it holds
    :param parent: frame in which the pose is given
    :param child: frame that stands at the pose
    :param pose: its pose
    :returns: the message
    """
    message = TransformStamped()
    message.header.stamp = stamp
    message.header.frame_id = parent
    message.child_frame_id = child
    message.transform.translation.x = pose.x
    message.transform.translation.y = pose.y
    message.transform.rotation = quaternion(pose.yaw)
    return message


def mounted(stamp: Time, mounts: Iterable[Mount]) -> list[TransformStamped]:
    """
    Build the transforms of fixed frames.

    :param stamp: from when on they hold
    :param mounts: the frames
    :returns: one message for each
    """
    messages = []
    for mount in mounts:
        message = TransformStamped()
        message.header.stamp = stamp
        message.header.frame_id = mount.parent
        message.child_frame_id = mount.frame
        translation = message.transform.translation
        translation.x, translation.y, translation.z = mount.xyz
        message.transform.rotation = _from_rpy(*mount.rpy)
        messages.append(message)
    return messages


def _from_rpy(roll: float, pitch: float, yaw: float) -> Quaternion:
    (sr, cr), (sp, cp), (sy, cy) = (
        (math.sin(angle / 2.0), math.cos(angle / 2.0)) for angle in (roll, pitch, yaw)
    )
    return Quaternion(
        x=sr * cp * cy - cr * sp * sy,
        y=cr * sp * cy + sr * cp * sy,
        z=cr * cp * sy - sr * sp * cy,
        w=cr * cp * cy + sr * sp * sy,
    )


def odometry(stamp: Time, wheels: WheelOdometry) -> Odometry:
    """
    Report what the wheels believe.

    :param stamp: when
    :param wheels: the dead reckoning
    :returns: the message, pose in odom, velocity in base_link
    """
    message = Odometry()
    message.header.stamp = stamp
    message.header.frame_id = ODOM
    message.child_frame_id = BASE
    message.pose.pose.position.x = wheels.pose.x
    message.pose.pose.position.y = wheels.pose.y
    message.pose.pose.orientation = quaternion(wheels.pose.yaw)
    variance = wheels.variance_m2
    message.pose.covariance = np.diag(
        (variance, variance, _NEVER, _NEVER, _NEVER, wheels.variance_rad2)
    ).ravel()
    message.twist.twist.linear.x = wheels.velocity.linear
    message.twist.twist.angular.z = wheels.velocity.angular
    message.twist.covariance = np.diag((4e-4, 1e-6, _NEVER, _NEVER, _NEVER, 2e-3)).ravel()
    return message


def imu(stamp: Time, reading: Inertial) -> ImuMessage:
    """
    Report an IMU reading (REP-145).

    :param stamp: when
    :param reading: the reading
    :returns: the message
    """
    message = ImuMessage()
    message.header.stamp = stamp
    message.header.frame_id = IMU
    message.orientation = quaternion(reading.yaw)
    message.orientation_covariance = _ORIENTATION_COVARIANCE
    rate, force = message.angular_velocity, message.linear_acceleration
    rate.x, rate.y, rate.z = reading.angular_velocity
    message.angular_velocity_covariance = _GYRO_COVARIANCE
    force.x, force.y, force.z = reading.acceleration
    message.linear_acceleration_covariance = _FORCE_COVARIANCE
    return message


def scan(stamp: Time, reading: Scan, period_s: float) -> LaserScan:
    """
    Report a scan.

    :param stamp: when; the simulated turn takes no time
    :param reading: the scan
    :param period_s: time between scans
    :returns: the message
    """
    message = LaserScan()
    message.header.stamp = stamp
    message.header.frame_id = LIDAR
    message.angle_min = -math.pi
    message.angle_increment = math.tau / Lidar.RAYS
    message.angle_max = -math.pi + (Lidar.RAYS - 1) * message.angle_increment
    message.scan_time = period_s
    message.range_min = Lidar.RANGE_MIN_M
    message.range_max = Lidar.RANGE_MAX_M
    message.ranges = array('f', reading.ranges.tobytes())
    message.intensities = array('f', reading.intensities.tobytes())
    return message


def image(stamp: Time, picture: NDArray[np.uint8]) -> Image:
    """
    Report a picture.

    :param stamp: when
    :param picture: shape (height, width, 3), or (height, width)
    :returns: the message, rgb8 or mono8
    """
    message = Image()
    message.header.stamp = stamp
    message.header.frame_id = OPTICAL
    message.height, message.width = picture.shape[:2]
    message.encoding = 'rgb8' if picture.ndim == 3 else 'mono8'
    message.step = picture.size // message.height
    message.data = array('B', picture.tobytes())
    return message


def depth_image(stamp: Time, picture: NDArray[np.uint16]) -> Image:
    """
    Report a depth picture (REP-118).

    :param stamp: when
    :param picture: millimetres, shape (height, width)
    :returns: the message, 16UC1
    """
    message = Image()
    message.header.stamp = stamp
    message.header.frame_id = OPTICAL
    message.height, message.width = picture.shape
    message.encoding = '16UC1'
    message.step = 2 * message.width
    message.data = array('B', picture.astype('<u2', copy=False).tobytes())
    return message


def point_cloud(stamp: Time, points: Points) -> PointCloud2:
    """
    Report what a depth camera sees as an organised cloud.

    :param stamp: when
    :param points: places and intensities
    :returns: the message
    """
    message = PointCloud2()
    message.header.stamp = stamp
    message.header.frame_id = OPTICAL
    message.height, message.width = points.intensities.shape
    message.fields = [
        PointField(name=name, offset=4 * place, datatype=PointField.FLOAT32, count=1)
        for place, name in enumerate(('x', 'y', 'z', 'intensity'))
    ]
    message.point_step = 16
    message.row_step = message.point_step * message.width
    table = np.concatenate((points.places, points.intensities[..., None]), axis=2)
    message.data = array('B', table.astype('<f4', copy=False).tobytes())
    return message


def camera_info(stamp: Time, camera: Camera) -> CameraInfo:
    """
    Describe the camera.

    :param stamp: that of its picture
    :param camera: the camera, which has no distortion
    :returns: the message
    """
    message = CameraInfo()
    message.header.stamp = stamp
    message.header.frame_id = OPTICAL
    message.height, message.width = camera.height, camera.width
    message.distortion_model = 'plumb_bob'
    message.d = array('d', (0.0,) * 5)
    f, (cx, cy) = camera.focal_px, camera.centre_px
    message.k = np.array((f, 0.0, cx, 0.0, f, cy, 0.0, 0.0, 1.0))
    message.r = np.eye(3).ravel()
    message.p = np.array((f, 0.0, cx, 0.0, 0.0, f, cy, 0.0, 0.0, 0.0, 1.0, 0.0))
    return message


def battery(stamp: Time, charge: Charge) -> BatteryState:
    """
    Report the battery.

    :param stamp: when
    :param charge: its state
    :returns: the message
    """
    message = BatteryState()
    message.header.stamp = stamp
    message.header.frame_id = BASE
    message.voltage = charge.voltage_v
    message.current = charge.current_a
    message.temperature = charge.temperature_c
    message.percentage = charge.percentage
    message.capacity = message.design_capacity = Battery.CAPACITY_AH
    message.charge = Battery.CAPACITY_AH * charge.percentage
    message.power_supply_status = BatteryState.POWER_SUPPLY_STATUS_DISCHARGING
    message.power_supply_health = BatteryState.POWER_SUPPLY_HEALTH_GOOD
    message.power_supply_technology = BatteryState.POWER_SUPPLY_TECHNOLOGY_LION
    message.present = True
    message.cell_voltage = array('f', (charge.voltage_v / Battery.CELLS,) * Battery.CELLS)
    message.location = 'body'
    message.serial_number = 'RCB-ROVER-1'
    return message


def fix(stamp: Time, reading: Fix) -> NavSatFix:
    """
    Report a satellite fix.

    :param stamp: when
    :param reading: the fix
    :returns: the message
    """
    message = NavSatFix()
    message.header.stamp = stamp
    message.header.frame_id = GNSS
    message.status.status = NavSatStatus.STATUS_FIX
    message.status.service = NavSatStatus.SERVICE_GPS
    message.latitude = reading.latitude_deg
    message.longitude = reading.longitude_deg
    message.altitude = reading.altitude_m
    message.position_covariance = np.diag((reading.deviation_m**2,) * 3).ravel()
    message.position_covariance_type = NavSatFix.COVARIANCE_TYPE_DIAGONAL_KNOWN
    return message


def occupancy_grid(stamp: Time, grid: Grid) -> OccupancyGrid:
    """
    Report a map.

    :param stamp: when it was made
    :param grid: its cells
    :returns: the message
    """
    message = OccupancyGrid()
    message.header.stamp = stamp
    message.header.frame_id = MAP
    message.info.map_load_time = stamp
    message.info.resolution = grid.resolution_m
    message.info.height, message.info.width = grid.cells.shape
    message.info.origin.position.x = grid.origin_x
    message.info.origin.position.y = grid.origin_y
    message.data = array('b', grid.cells.tobytes())
    return message


def diagnostics(stamp: Time, rover: Simulation, charge: Charge, hardware: str) -> DiagnosticArray:
    """
    Report how the rover's parts are.

    :param stamp: when
    :param rover: the rover
    :param charge: of its battery
    :param hardware: the hardware id
    :returns: the message, one status per part
    """
    low = charge.percentage < 0.2
    mode = rover.steering.mode(rover.time_s)
    drift = math.dist(rover.odometry.pose[:2], rover.pose[:2])
    message = DiagnosticArray()
    message.header.stamp = stamp
    for name, level, text, values in (
        (
            'battery',
            DiagnosticStatus.WARN if low else DiagnosticStatus.OK,
            'low' if low else 'discharging',
            {
                'charge (%)': f'{100.0 * charge.percentage:.1f}',
                'voltage (V)': f'{charge.voltage_v:.2f}',
                'exchanged': str(rover.battery.exchanged),
            },
        ),
        (
            'drive',
            DiagnosticStatus.WARN if rover.drive.blocked else DiagnosticStatus.OK,
            'blocked'
            if rover.drive.blocked
            else 'moving'
            if rover.drive.velocity[0]
            else 'standing',
            {
                'speed (m/s)': f'{rover.drive.velocity.linear:.2f}',
                'travelled (m)': f'{rover.drive.travelled_m:.1f}',
            },
        ),
        ('odometry', DiagnosticStatus.OK, 'drifting', {'error (m)': f'{drift:.3f}'}),
        (
            'patrol',
            DiagnosticStatus.OK,
            f'going to {rover.patrol.goal}' if mode == 'patrol' else mode,
            {'goal': rover.patrol.goal, 'mode': mode},
        ),
    ):
        status = DiagnosticStatus(name=f'rover: {name}', message=text, hardware_id=hardware)
        status.level = level
        status.values = [KeyValue(key=key, value=value) for key, value in values.items()]
        message.status.append(status)
    return message
