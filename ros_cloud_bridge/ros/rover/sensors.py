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

"""The rover's sensors but the camera: each gives the truth back with its own faults."""

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from ros_cloud_bridge.ros.rover.drive import Pose, Velocity, wrap
from ros_cloud_bridge.ros.rover.world import World

GRAVITY_M_S2 = 9.80665
# The lidar's place on the rover; the URDF says the same.
LIDAR_X_M = 0.08
LIDAR_Z_M = 0.24


@dataclass(frozen=True, slots=True, kw_only=True)
class Inertial:
    """One IMU reading: rad/s, m/s² and the heading that its own filter believes (radians)."""

    angular_velocity: tuple[float, float, float]
    acceleration: tuple[float, float, float]
    yaw: float


class Imu:
    """
    A cheap MEMS unit: white noise on all axes and a gyroscope bias that wanders.

    :param rng: source of noise and bias
    """

    GYRO_NOISE_RAD_S = 0.004
    ACCELERATION_NOISE_M_S2 = 0.06
    BIAS_RAD_S = 0.002
    _BIAS_WALK = 1e-5  # rad/s per root second

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.gyro_bias = rng.normal(0.0, self.BIAS_RAD_S, 3)
        self._acceleration_bias = rng.normal(0.0, 0.03, 3)
        # Calibrated away while standing at the start; what is left makes yaw drift.
        self._known_bias = float(self.gyro_bias[2] * 0.9)
        self.yaw = 0.0

    def step(self, velocity: Velocity, acceleration_m_s2: float, dt: float) -> Inertial:
        """
        Read the unit once.

        :param velocity: the true velocity
        :param acceleration_m_s2: true forward acceleration
        :param dt: seconds since the last reading
        :returns: the reading, in the frame of the body
        """
        noise = self._rng.standard_normal(9)
        self.gyro_bias += noise[6:] * (self._BIAS_WALK * math.sqrt(dt))
        gyro = self.gyro_bias + noise[:3] * self.GYRO_NOISE_RAD_S
        gyro[2] += velocity.angular
        # The floor shakes a moving body.
        shake = self.ACCELERATION_NOISE_M_S2 * (1.0 + 4.0 * abs(velocity.linear))
        force = self._acceleration_bias + noise[3:6] * shake
        force += (acceleration_m_s2, velocity.linear * velocity.angular, GRAVITY_M_S2)
        self.yaw = wrap(self.yaw + (float(gyro[2]) - self._known_bias) * dt)
        return Inertial(
            angular_velocity=(float(gyro[0]), float(gyro[1]), float(gyro[2])),
            acceleration=(float(force[0]), float(force[1]), float(force[2])),
            yaw=self.yaw,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """
    One turn of the lidar, float32 arrays of one entry per ray, counter-clockwise from -pi.

    A ray that met nothing in range reads +inf, as REP-117 has it.
    """

    ranges: NDArray[np.float32]
    intensities: NDArray[np.float32]


class Lidar:
    """
    A spinning lidar that looks at the world from above the body.

    :param world: what it sees
    :param rng: source of noise and of rays that are lost
    """

    RAYS = 360
    RANGE_MIN_M = 0.12
    RANGE_MAX_M = 8.0
    NOISE_M = 0.008
    LOST = 0.004  # part of the rays that bring no echo

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self._world = world
        self._rng = rng
        self.angles = -math.pi + np.arange(self.RAYS) * (math.tau / self.RAYS)

    def scan(self, pose: Pose) -> Scan:
        """
        Take one scan.

        :param pose: of base_link
        :returns: what came back
        """
        bearings = self.angles + pose.yaw
        directions = np.stack((np.cos(bearings), np.sin(bearings)), axis=1)
        x = pose.x + LIDAR_X_M * math.cos(pose.yaw)
        y = pose.y + LIDAR_X_M * math.sin(pose.yaw)
        hits = self._world.cast(x, y, directions)
        noise = self._rng.standard_normal(self.RAYS) * self.NOISE_M
        lost = self._rng.random(self.RAYS) < self.LOST
        # A face that is hit at a slant gives less back.
        facing = np.abs(np.where(hits.on_x_face, directions[:, 0], directions[:, 1]))
        gone = lost | (hits.distance > self.RANGE_MAX_M)
        ranges = np.where(gone, np.inf, np.maximum(hits.distance + noise, self.RANGE_MIN_M))
        near = np.where(gone, 0.0, hits.distance)
        intensities = np.where(gone, 0.0, 255.0 * facing / (1.0 + 0.08 * near * near))
        return Scan(ranges=ranges.astype(np.float32), intensities=intensities.astype(np.float32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """State of the battery: V, A (negative while it gives), 0..1, °C."""

    voltage_v: float
    current_a: float
    percentage: float
    temperature_c: float


class Battery:
    """
    Seven lithium cells in series that computer and motors drain.

    At 8 % it is exchanged for a full one, so that a rover left alone keeps driving.

    :param rng: source of the charge at the start and of the readings' noise
    """

    CELLS = 7
    CAPACITY_AH = 18.0
    EXCHANGE_AT = 0.08
    _RESISTANCE_OHM = 0.06

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.percentage = float(rng.uniform(0.85, 0.95))
        self.exchanged = 0
        self._current_a = 0.0
        self._temperature_c = 24.0

    def step(self, velocity: Velocity, acceleration_m_s2: float, dt: float) -> None:
        """
        Draw current.

        :param velocity: what the motors do
        :param acceleration_m_s2: what they push against
        :param dt: seconds
        """
        watts = 28.0 + 55.0 * abs(velocity.linear) + 14.0 * abs(velocity.angular)
        watts += 20.0 * max(0.0, acceleration_m_s2) * abs(velocity.linear)
        self._current_a = -watts / self._open_voltage()
        self.percentage += self._current_a * dt / 3600.0 / self.CAPACITY_AH
        warm = 24.0 + 0.12 * watts
        self._temperature_c += (warm - self._temperature_c) * dt / 900.0
        if self.percentage < self.EXCHANGE_AT:
            self.percentage = 1.0
            self.exchanged += 1

    def read(self) -> Charge:
        """
        Read the battery's own gauge.

        :returns: the state of charge, with a little noise on voltage and current
        """
        noise = self._rng.standard_normal(2)
        return Charge(
            voltage_v=self._open_voltage()
            + self._current_a * self._RESISTANCE_OHM
            + 0.01 * float(noise[0]),
            current_a=self._current_a + 0.03 * float(noise[1]),
            percentage=self.percentage,
            temperature_c=self._temperature_c,
        )

    def _open_voltage(self) -> float:
        # Flat in the middle, steep at the end, as lithium cells are.
        cell = 3.35 + 0.75 * self.percentage - 0.55 * math.exp(-self.percentage / 0.05)
        return self.CELLS * cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A satellite fix: degrees and metres, and the standard deviation of each coordinate."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    deviation_m: float


class Gnss:
    """
    A satellite receiver under a glass roof: its error wanders slowly around the truth.

    The map's x points east here and its y north (REP-103).

    :param rng: source of the error
    """

    ORIGIN = (48.13743, 11.57549, 519.0)
    DEVIATION_M = 0.8
    _METRES_PER_DEGREE = 111_320.0
    _MEMORY_S = 40.0

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._error = rng.normal(0.0, self.DEVIATION_M, 3)

    def read(self, pose: Pose, dt: float) -> Fix:
        """
        Take one fix.

        :param pose: the true pose in the map
        :param dt: seconds since the last fix
        :returns: the fix
        """
        keep = math.exp(-dt / self._MEMORY_S)
        fresh = self._rng.normal(0.0, self.DEVIATION_M, 3)
        self._error = keep * self._error + math.sqrt(1.0 - keep * keep) * fresh
        latitude, longitude, altitude = self.ORIGIN
        shrink = math.cos(math.radians(latitude))
        return Fix(
            latitude_deg=latitude + (pose.y + float(self._error[1])) / self._METRES_PER_DEGREE,
            longitude_deg=longitude
            + (pose.x + float(self._error[0])) / (self._METRES_PER_DEGREE * shrink),
            altitude_m=altitude + float(self._error[2]),
            deviation_m=self.DEVIATION_M,
        )
