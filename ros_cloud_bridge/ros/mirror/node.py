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

"""The managed node ``mirror``: its lifecycle, and what each transition does."""

from collections.abc import Sequence
import time
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import State, TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.timer import Timer

from ros_cloud_bridge.core.mirror_config import read_mirror_config
from ros_cloud_bridge.core.mirror_table import MIRROR_BY_KEY, MirrorConfig
from ros_cloud_bridge.ros.diagnostics import DiagnosticsPublisher
from ros_cloud_bridge.ros.managed import ManagedNode
from ros_cloud_bridge.ros.mirror.commands.desk import Desk, make_operator
from ros_cloud_bridge.ros.mirror.diagnosis import MirrorDiagnosis
from ros_cloud_bridge.ros.mirror.mirror import Mirror
from ros_cloud_bridge.ros.mirrored import make_mirror_node
from ros_cloud_bridge.ros.parameters import flat_parameters
from ros_cloud_bridge.ros.taking import STEADY_CLOCK


class MirrorNode(ManagedNode):
    """
    Republishes robots' streams into this graph.

    ``configure`` reads and checks the parameters, ``activate`` connects and publishes,
    ``deactivate`` disconnects and takes everything out of the graph again.

    :param options: further arguments of the rclpy node
    """

    def __init__(self, **options: Any) -> None:
        super().__init__('mirror', find=MIRROR_BY_KEY.get, **options)
        self._config: MirrorConfig | None = None
        self._outlets: Node | None = None
        self._mirror: Mirror | None = None
        self._desk: Desk | None = None
        self._timer: Timer | None = None
        self._diagnostics: DiagnosticsPublisher | None = None
        self.add_on_set_parameters_callback(self._on_set_parameters)

    def configure_parts(self) -> None:
        """Read and check the parameters."""
        config = read_mirror_config(flat_parameters(self))
        if config.operator.name:
            # A key that cannot be read is known before anything is connected.
            make_operator(config, self.log)
        self._config = config

    def activate_parts(self) -> None:
        """Connect, and publish."""
        assert self._config is not None
        self._outlets = make_mirror_node(self)
        mirror = self._mirror = Mirror(self._outlets, self._config, self.log)
        self._timer = self.create_timer(
            self._config.graph_period_s, self._look, clock=STEADY_CLOCK
        )
        desk = None
        if self._config.operator.name:
            desk = self._desk = Desk(self._outlets, self._config, self.log)
            desk.start()
            assert self.executor is not None
            self.executor.add_node(self._outlets)
        diagnosis = MirrorDiagnosis(self.get_name())
        self._diagnostics = DiagnosticsPublisher(
            self, self._config.diagnostics_period_s, lambda: diagnosis.of(mirror, desk), self.log
        )
        mirror.start()

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Disconnect, and take everything out of the graph."""
        self._end()
        return super().on_deactivate(state)

    def let_go(self) -> None:
        """Disconnect and forget."""
        self._end()
        self._config = None

    def _end(self) -> None:
        if self._timer is not None:
            self.destroy_timer(self._timer)
            self._timer = None
        if self._diagnostics is not None:
            self._diagnostics.close()
            self._diagnostics = None
        if self._desk is not None:
            # First: what moves stops.
            self._desk.stop()
            self._desk = None
        if self._mirror is not None:
            self._mirror.stop()
            self._mirror = None
        if self._outlets is not None:
            if self.executor is not None:
                self.executor.remove_node(self._outlets)
            self._outlets.destroy_node()
            self._outlets = None

    def _look(self) -> None:
        try:
            if self._mirror is not None:
                self._mirror.look(time.monotonic())
                if self._desk is not None:
                    self._desk.look(self._mirror.robots, self._mirror.infos)
        except Exception as error:  # a graph that changes under us is no reason to die
            self.log('error', f'graph: {error!r}')

    def _on_set_parameters(self, changes: Sequence[Parameter]) -> SetParametersResult:
        if self._config is None:
            return SetParametersResult(successful=True)
        for change in changes:
            if change.name in MIRROR_BY_KEY:
                problem = 'is read-only while the mirror runs; change it and restart'
                return SetParametersResult(successful=False, reason=f'{change.name}: {problem}')
        return SetParametersResult(successful=True)
