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

from rclpy.lifecycle import LifecycleNode, State, TransitionCallbackReturn

from ros_cloud_bridge.command.station import Station
from ros_cloud_bridge.errors import BridgeError
from ros_cloud_bridge.ros.commands.actuators import Actuators
from ros_cloud_bridge.ros.commands.controls import BridgeControls
from ros_cloud_bridge.ros.parameters import adopt_overrides, read_parameters
from ros_cloud_bridge.ros.saying import say
from ros_cloud_bridge.ros.uplink import UplinkNode
from ros_cloud_bridge.values import BridgeConfig


class CommandNode(LifecycleNode):
    """
    Carries commands from the cloud out.

    ``configure`` reads the parameters and the keys, ``activate`` connects and takes commands,
    ``deactivate`` stops whatever moves and takes none, ``cleanup`` and ``shutdown`` let go.

    :param uplink: the node of the same process, which commands of ``kind: bridge`` reach
    :param options: further arguments of the rclpy node
    """

    def __init__(self, uplink: UplinkNode, **options: Any) -> None:
        super().__init__('command', allow_undeclared_parameters=True, **options)
        self._uplink = uplink
        self.problem: BridgeError | None = None
        self._config: BridgeConfig | None = None
        self._station: Station | None = None
        self._actuators: Actuators | None = None
        self._controls: BridgeControls | None = None
        adopt_overrides(self)

    def on_configure(self, state: State) -> TransitionCallbackReturn:
        """Read and check the parameters and the keys."""
        try:
            self._config = read_parameters(self)
            self._station = Station(self._config, self._log, self._uplink.charge)
        except BridgeError as error:
            self.problem = error
            self._log('error', str(error))
            self._let_go()
            return TransitionCallbackReturn.FAILURE
        except Exception as error:  # rclpy would end the node on it without a word
            self._log('error', f'cannot be configured: {error!r}')
            self._let_go()
            return TransitionCallbackReturn.FAILURE
        self.problem = None
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: State) -> TransitionCallbackReturn:
        """Connect, and take commands."""
        try:
            self._begin()
        except Exception as error:  # as above
            self._log('error', f'cannot be activated: {error!r}')
            return TransitionCallbackReturn.ERROR
        return super().on_activate(state)

    def _begin(self) -> None:
        config, station = self._config, self._station
        assert config is not None and station is not None
        if self._actuators is None:
            self._actuators = Actuators(self, config.channels, station.report, self._log)
            for channel, problem in self._actuators.check().items():
                self._log('error', f"command channel '{channel}': {problem}")
            self._controls = BridgeControls(self, self._uplink, station.report)
        assert self._controls is not None
        self._uplink.tells_commands(lambda: station.figures().document())
        station.start(self._actuators, self._controls)

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Stop what moves; whatever comes is left unanswered."""
        if self._station is not None:
            self._station.pause()
        return super().on_deactivate(state)

    def on_cleanup(self, state: State) -> TransitionCallbackReturn:
        """Disconnect and forget."""
        self._let_go()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: State) -> TransitionCallbackReturn:
        """Stop what moves, answer what runs, and disconnect."""
        self._let_go()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: State) -> TransitionCallbackReturn:
        """Let go, so that the node can be configured again."""
        self._let_go()
        return TransitionCallbackReturn.SUCCESS

    def _let_go(self) -> None:
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

    def _log(self, level: str, text: str) -> None:
        say(self, level, text)
