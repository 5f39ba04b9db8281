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

"""The rover's body: a differential drive in the world, and what its wheels report."""

from dataclasses import dataclass
import math
from typing import NamedTuple

import numpy as np

from ros_cloud_bridge.ros.rover.world import World

RADIUS_M = 0.22  # footprint; nothing of the body stands out of this circle
WHEEL_SEPARATION_M = 0.34
WHEEL_RADIUS_M = 0.08
_ENCODER_TICKS = 4096  # per turn of a wheel


class Pose(NamedTuple):
    """Position and heading in the plane (metres, radians counter-clockwise from x)."""

    x: float
    y: float
    yaw: float


class Velocity(NamedTuple):
    """Forward speed (m/s) and yaw rate (rad/s) of base_link."""

    linear: float
    angular: float


STANDING = Velocity(0.0, 0.0)


def wrap(angle: float) -> float:
    """
    Bring an angle into [-pi, pi].

    :param angle: radians
    :returns: the same direction
    """
    return math.remainder(angle, math.tau)


def moved(pose: Pose, forward_m: float, turn: float) -> Pose:
    """
    Move along an arc.

    :param pose: where it begins
    :param forward_m: length of the arc, negative backwards
    :param turn: change of heading in radians
    :returns: where it ends
    """
    middle = pose.yaw + turn / 2.0
    # The chord of the arc; its length differs from the arc's by less than 1 % up to 0.49 rad.
    chord = forward_m * (math.sin(turn / 2.0) / (turn / 2.0) if abs(turn) > 1e-9 else 1.0)
    return Pose(
        pose.x + chord * math.cos(middle),
        pose.y + chord * math.sin(middle),
        wrap(pose.yaw + turn),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the motors can do."""

    speed_m_s: float = 0.6
    turn_rad_s: float = 1.3
    acceleration_m_s2: float = 0.7
    turn_acceleration_rad_s2: float = 3.5


class Drive:
    """
    The true motion.

    :param world: what it cannot drive through
    :param pose: where it stands at first
    :param limits: what the motors can do
    """

    def __init__(self, world: World, pose: Pose, limits: Limits | None = None) -> None:
        self.pose = pose
        self.velocity = STANDING
        self.acceleration_m_s2 = 0.0
        self.blocked = False
        self.travelled_m = 0.0
        self._world = world
        self.limits = limits or Limits()

    def step(self, command: Velocity, dt: float) -> None:
        """
        Move for a while; a step that would touch something is not made and stops the wheels.

        :param command: the velocity that is wanted
        :param dt: seconds
        """
        limits = self.limits
        before = self.velocity
        linear = _towards(
            before.linear,
            max(-limits.speed_m_s, min(limits.speed_m_s, command.linear)),
            limits.acceleration_m_s2 * dt,
        )
        angular = _towards(
            before.angular,
            max(-limits.turn_rad_s, min(limits.turn_rad_s, command.angular)),
            limits.turn_acceleration_rad_s2 * dt,
        )
        after = moved(self.pose, linear * dt, angular * dt)
        self.blocked = linear != 0.0 and self._world.clearance(after.x, after.y) < RADIUS_M
        if self.blocked:
            linear = 0.0
            after = moved(self.pose, 0.0, angular * dt)
        self.pose = after
        self.velocity = Velocity(linear, angular)
        self.acceleration_m_s2 = (linear - before.linear) / dt
        self.travelled_m += abs(linear) * dt


def _towards(value: float, wanted: float, most: float) -> float:
    return value + max(-most, min(most, wanted - value))


class WheelOdometry:
    """
    Dead reckoning from wheel encoders, with the faults that real ones have.

    Each wheel's radius and the track are a little off (a fault that adds up), the wheels slip
    (noise that grows with the root of the way) and the encoders count whole ticks.

    :param rng: source of the faults and of the slip
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.pose = Pose(0.0, 0.0, 0.0)
        self.velocity = STANDING
        # Variances of x, y (common) and yaw, grown along the way.
        self.variance_m2 = 1e-6
        self.variance_rad2 = 1e-6
        self._rng = rng
        self._scale = 1.0 + rng.normal(0.0, 0.0002, 2)
        self._separation_m = WHEEL_SEPARATION_M * (1.0 + float(rng.normal(0.0, 0.002)))
        self._turned = [0.0, 0.0]  # of each wheel, in ticks
        self._counted = [0, 0]

    def step(self, velocity: Velocity, dt: float) -> None:
        """
        Read the encoders once.

        :param velocity: the true velocity during the step
        :param dt: seconds
        """
        half = velocity.angular * WHEEL_SEPARATION_M / 2.0
        ticks_per_m = _ENCODER_TICKS / (math.tau * WHEEL_RADIUS_M)
        slip = self._rng.standard_normal(2)
        seen = [0.0, 0.0]
        for wheel, speed in enumerate((velocity.linear - half, velocity.linear + half)):
            way = speed * dt * float(self._scale[wheel])
            way += 0.0025 * math.sqrt(abs(speed) * dt) * float(slip[wheel])
            self._turned[wheel] += way * ticks_per_m
            count = math.floor(self._turned[wheel])
            seen[wheel] = (count - self._counted[wheel]) / ticks_per_m
            self._counted[wheel] = count
        forward = (seen[0] + seen[1]) / 2.0
        turn = (seen[1] - seen[0]) / self._separation_m
        self.pose = moved(self.pose, forward, turn)
        # A driver reports its speed filtered, or it would jitter by a tick per reading.
        keep = math.exp(-dt / 0.08)
        self.velocity = Velocity(
            keep * self.velocity.linear + (1.0 - keep) * forward / dt,
            keep * self.velocity.angular + (1.0 - keep) * turn / dt,
        )
        # What a tuned driver would claim: a wrong heading pushes the position the same way for the
        # few metres between two turns.
        way = abs(forward)
        self.variance_rad2 += 2.5e-4 * way + 1e-5 * abs(turn)
        self.variance_m2 += (2e-5 + 4.0 * self.variance_rad2) * way
