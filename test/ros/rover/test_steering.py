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

"""Who drives the rover, and how it finds back to its patrol."""

import math

import numpy as np
import pytest

from ros_cloud_bridge.ros.rover.building import PLACES
from ros_cloud_bridge.ros.rover.drive import Drive, Limits, Pose, RADIUS_M, STANDING, Velocity
from ros_cloud_bridge.ros.rover.simulation import Simulation

STEP_S = 0.02


def run(rover: Simulation, seconds: float) -> None:
    for _ in range(round(seconds / STEP_S)):
        rover.step(STEP_S)


def command(rover: Simulation, velocity: Velocity, seconds: float, hz: float = 10.0) -> None:
    for _ in range(round(seconds * hz)):
        assert rover.steering.command(velocity, rover.time_s)
        run(rover, 1.0 / hz)


def test_commands_drive_it_and_limits_clamp_them() -> None:
    rover = Simulation()
    command(rover, Velocity(0.0, 9.0), 1.0)
    assert rover.drive.velocity == Velocity(0.0, 1.3)
    rover = Simulation()
    command(rover, Velocity(-9.0, 0.0), 1.5)
    assert rover.drive.velocity == Velocity(-0.6, 0.0)
    assert rover.steering.mode(rover.time_s) == 'commanded'
    rover.drive.limits = Limits(speed_m_s=0.2)
    command(rover, Velocity(-9.0, 0.0), 1.0)
    assert rover.drive.velocity.linear == pytest.approx(-0.2)


def test_without_commands_it_stands_and_later_goes_on() -> None:
    rover = Simulation()
    command(rover, Velocity(0.5, 0.0), 1.0)
    moving = rover.drive.velocity
    run(rover, 0.3)
    assert rover.drive.velocity.linear >= moving.linear
    run(rover, 1.5)
    assert rover.drive.velocity == STANDING
    at = rover.pose
    assert rover.steering.mode(rover.time_s) == 'waiting'
    run(rover, 2.5)
    assert rover.pose == at
    run(rover, 3.0)
    assert rover.steering.mode(rover.time_s) == 'patrol'
    assert rover.pose != at


def test_it_stands_while_the_patrol_is_paused_but_can_be_driven() -> None:
    rover = Simulation()
    run(rover, 3.0)
    rover.steering.paused = True
    run(rover, 2.0)
    at = rover.pose
    run(rover, 20.0)
    assert rover.pose == at
    command(rover, Velocity(0.0, 1.0), 1.0)
    assert rover.pose.yaw != at.yaw
    run(rover, 20.0)
    assert rover.drive.velocity == STANDING
    rover.steering.paused = False
    run(rover, 3.0)
    assert rover.pose[:2] != at[:2]


@pytest.mark.parametrize(
    'velocity', [Velocity(math.nan, 0.0), Velocity(0.0, math.inf), Velocity(-math.inf, math.nan)]
)
def test_what_is_no_velocity_is_not_followed(velocity: Velocity) -> None:
    rover = Simulation()
    assert not rover.steering.command(velocity, rover.time_s)
    assert rover.steering.mode(rover.time_s) == 'patrol'


def test_commands_leave_the_noise_and_the_order_of_the_patrol_alone() -> None:
    plain, commanded = Simulation(4), Simulation(4)
    goal = plain.patrol.goal
    command(commanded, STANDING, 1.0)
    run(commanded, 6.0)
    run(plain, 7.0)
    assert commanded.patrol.goal == goal
    arrivals = [first_arrival(rover) for rover in (plain, commanded)]
    assert arrivals[0] == arrivals[1]


def first_arrival(rover: Simulation) -> str:
    for _ in range(round(240.0 / STEP_S)):
        if arrival := rover.step(STEP_S):
            return arrival.waypoint
    return ''


@pytest.mark.parametrize('seed', range(1, 13))
def test_it_finds_back_from_anywhere_and_touches_no_wall_for_long(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rover = Simulation(seed)
    world = rover.world
    while True:
        x, y = float(rng.uniform(-9.5, 9.5)), float(rng.uniform(-7.5, 7.5))
        if world.clearance(x, y) > RADIUS_M and world.room(x, y):
            break
    rover.drive = Drive(world, Pose(x, y, float(rng.uniform(-3.0, 3.0))))
    # Until it stands before a wall, more often than not.
    command(rover, Velocity(0.6, 0.0), 10.0)
    goal = rover.patrol.goal
    run(rover, 5.0)
    assert first_arrival(rover) == goal
    assert math.dist(rover.pose[:2], PLACES[goal]) < 0.2
