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

"""The rover as a whole: body, patrol and sensors, stepped through time, the same for each seed."""

import math

import numpy as np

from ros_cloud_bridge.ros.rover.building import default_world, PLACES, START, WAYPOINTS, WAYS
from ros_cloud_bridge.ros.rover.depth_camera import DepthCamera
from ros_cloud_bridge.ros.rover.drive import (
    Drive,
    Pose,
    RADIUS_M,
    STANDING,
    Velocity,
    WheelOdometry,
    wrap,
)
from ros_cloud_bridge.ros.rover.patrol import Arrival, Patrol, Point
from ros_cloud_bridge.ros.rover.sensors import (
    Battery,
    Charge,
    Fix,
    Gnss,
    Imu,
    Inertial,
    Lidar,
    Scan,
)
from ros_cloud_bridge.ros.rover.steering import PATROL_SPEED_M_S, Steering
from ros_cloud_bridge.ros.rover.survey import Survey
from ros_cloud_bridge.ros.rover.world import Grid

# The first is wanted beside a straight way back to the patrol, the second must be.
_WIDE_M = RADIUS_M + 0.15
_NARROW_M = RADIUS_M + 0.005
_PROBE_M = 0.04


class Simulation:
    """
    One rover in the default building.

    Every part draws from its own random stream, so reading one sensor more often changes nothing
    in the others and nothing in the motion.

    :param seed: chooses the patrol and every fault and noise
    """

    def __init__(self, seed: int = 1) -> None:
        streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(8)]
        self.world = default_world()
        self.time_s = 0.0
        self.drive = Drive(self.world, Pose(*PLACES[START], 0.0))
        self.patrol = Patrol(PLACES, WAYS, WAYPOINTS, START, streams[0])
        self.steering = Steering()
        self._off_patrol = False
        self.odometry = WheelOdometry(streams[1])
        self.battery = Battery(streams[2])
        self.inertial: Inertial
        self._imu = Imu(streams[3])
        self._lidar = Lidar(self.world, streams[4])
        self._gnss = Gnss(streams[5])
        self._localization = streams[6]
        self.depth_camera = DepthCamera(self.world, streams[7])
        self._survey = Survey(self.world, self._lidar.angles)
        self._scanned: tuple[Pose, Scan] | None = None
        self._fixed_at_s = 0.0
        self.inertial = self._imu.step(self.drive.velocity, 0.0, 0.01)

    @property
    def pose(self) -> Pose:
        """The true pose of base_link in the map."""
        return self.drive.pose

    def step(self, dt: float) -> Arrival | None:
        """
        Let time pass.

        :param dt: seconds, at most 0.05
        :returns: an arrival in the step in which a waypoint is reached
        """
        command, arrival = self._decide(dt)
        self.drive.step(command, dt)
        velocity, acceleration = self.drive.velocity, self.drive.acceleration_m_s2
        self.odometry.step(velocity, dt)
        self.inertial = self._imu.step(velocity, acceleration, dt)
        self.battery.step(velocity, acceleration, dt)
        self.time_s += dt
        return arrival

    def _decide(self, dt: float) -> tuple[Velocity, Arrival | None]:
        order = self.steering.order(self.time_s)
        if not order.patrol:
            self._off_patrol = self._off_patrol or order.velocity != STANDING
            return order.velocity, None
        if self._off_patrol:
            self._off_patrol = False
            self.patrol.resume(self.pose, self._free)
        limits = self.drive.limits
        fastest = Velocity(min(PATROL_SPEED_M_S, limits.speed_m_s), limits.turn_rad_s)
        return self.patrol.step(self.drive.pose, fastest, dt)

    def _free(self, start: Point, end: Point) -> bool:
        length = math.dist(start, end)
        steps = max(1, math.ceil(length / _PROBE_M))
        for step in range(steps + 1):
            part = step / steps
            x = start[0] + part * (end[0] - start[0])
            y = start[1] + part * (end[1] - start[1])
            # It may stand close to a wall, but is to get away from it.
            wanted = _WIDE_M if part * length > 0.6 else _NARROW_M
            if step and self.world.clearance(x, y) < wanted:
                return False
        return True

    def scan(self) -> Scan:
        """
        Take a scan from where the rover is.

        :returns: ranges and intensities
        """
        scan = self._lidar.scan(self.pose)
        self._scanned = self.pose, scan
        return scan

    def explored(self) -> Grid:
        """
        Draw the last scan into the map of what was seen so far.

        :returns: the map; the same one every time
        """
        pose, scan = self._scanned or (self.pose, self.scan())
        return self._survey.add(pose, scan)

    def charge(self) -> Charge:
        """
        Read the battery.

        :returns: its state
        """
        return self.battery.read()

    def fix(self) -> Fix:
        """
        Take a satellite fix.

        :returns: position on the earth
        """
        dt, self._fixed_at_s = self.time_s - self._fixed_at_s, self.time_s
        return self._gnss.read(self.pose, dt)

    def map_to_odom(self) -> Pose:
        """
        Localize: what corrects the odometry so that it fits the map, a little uncertain.

        :returns: pose of the odom frame in the map
        """
        noise = self._localization.standard_normal(3)
        seen = Pose(
            self.pose.x + 0.01 * float(noise[0]),
            self.pose.y + 0.01 * float(noise[1]),
            self.pose.yaw + 0.003 * float(noise[2]),
        )
        turn = wrap(seen.yaw - self.odometry.pose.yaw)
        x, y, _ = self.odometry.pose
        cos, sin = math.cos(turn), math.sin(turn)
        return Pose(seen.x - (cos * x - sin * y), seen.y - (sin * x + cos * y), turn)
