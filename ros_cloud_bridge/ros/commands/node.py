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

"""The managed node ``command``: what its transitions do."""

from typing import Any

from rclpy.lifecycle import State, TransitionCallbackReturn

from ros_cloud_bridge.command.station import Station
from ros_cloud_bridge.ros.commands.actuators import Actuators
from ros_cloud_bridge.ros.commands.controls import BridgeControls
from ros_cloud_bridge.ros.managed import ManagedNode
from ros_cloud_bridge.ros.parameters import read_parameters
from ros_cloud_bridge.ros.uplink import UplinkNode
from ros_cloud_bridge.values import BridgeConfig


class CommandNode(ManagedNode):
    """
    Carries commands from the cloud out.

    ``configure`` reads the parameters and the keys, ``activate`` connects and takes commands,
    ``deactivate`` stops whatever moves and takes none, ``cleanup`` and ``shutdown`` let go.

    :param uplink: the node of the same process, which commands of ``kind: bridge`` reach
    :param options: further arguments of the rclpy node
    """

    def __init__(self, uplink: UplinkNode, **options: Any) -> None:
        super().__init__('command', **options)
        self._uplink = uplink
        self._config: BridgeConfig | None = None
        self._station: Station | None = None
        self._actuators: Actuators | None = None
        self._controls: BridgeControls | None = None

    def configure_parts(self) -> None:
        """Read and check the parameters and the keys."""
        self._config = read_parameters(self)
        self._station = Station(self._config, self.log, self._uplink.charge)

    def activate_parts(self) -> None:
        """Connect, and take commands."""
        config, station = self._config, self._station
        assert config is not None and station is not None
        if self._actuators is None:
            self._actuators = Actuators(self, config.channels, station.report, self.log)
            for channel, problem in self._actuators.check().items():
                self.log('error', f"command channel '{channel}': {problem}")
            self._controls = BridgeControls(self, self._uplink, station.report, station.awaits)
        assert self._controls is not None
        self._uplink.tells_commands(lambda: station.figures().document())
        station.start(self._actuators, self._controls)

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Stop what moves; whatever comes is refused."""
        if self._station is not None:
            self._station.pause()
        return super().on_deactivate(state)

    def let_go(self) -> None:
        """Stop what moves, answer what runs, and disconnect."""
        self._uplink.tells_commands(None)
        station, self._station = self._station, None
        if station is not None:
            # First: its stop messages need the publishers.
            station.stop()
        if self._actuators is not None:
            self._actuators.close()
            self._actuators = None
        if self._controls is not None:
            self._controls.close()
            self._controls = None
        self._config = None
