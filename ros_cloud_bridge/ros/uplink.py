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

"""The managed node ``uplink``: its lifecycle, and what each transition does."""

from collections.abc import Callable, Mapping, Sequence
import time
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import InvalidHandle
from rclpy.guard_condition import GuardCondition
from rclpy.lifecycle import State, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.timer import Timer

from ros_cloud_bridge.bridge import Bridge
from ros_cloud_bridge.command.identity import identity, robot_key
from ros_cloud_bridge.core.config import changed_at_run_time, may_change_at_run_time
from ros_cloud_bridge.core.config_table import field_of
from ros_cloud_bridge.core.selection import TopicSelector
from ros_cloud_bridge.host_lock import HostLock
from ros_cloud_bridge.journal import Journal
from ros_cloud_bridge.ros.black_box import BlackBoxes
from ros_cloud_bridge.ros.diagnostics import DiagnosticsPublisher
from ros_cloud_bridge.ros.interfaces import load_message, schema_of
from ros_cloud_bridge.ros.managed import ManagedNode
from ros_cloud_bridge.ros.mirrored import BridgeSign
from ros_cloud_bridge.ros.parameters import read_parameters, try_change
from ros_cloud_bridge.ros.routes import RouteManager
from ros_cloud_bridge.ros.taking import STEADY_CLOCK
from ros_cloud_bridge.uplink.diagnosis import Diagnosis
from ros_cloud_bridge.values import BridgeConfig, Lease

_INACTIVE = 'the uplink is not active'


class UplinkNode(ManagedNode):
    """
    Bridges selected topics to MQTT.

    ``configure`` reads and checks the parameters, ``activate`` connects and subscribes,
    ``deactivate`` stops sending and keeps the connection, ``cleanup`` and ``shutdown`` let go.

    :param journal: notes every accepted sample, if not None
    :param options: further arguments of the rclpy node
    """

    def __init__(self, journal: Journal | None = None, **options: Any) -> None:
        super().__init__('uplink', **options)
        self._journal = journal
        self._config: BridgeConfig | None = None
        self._lock: HostLock | None = None
        self._bridge: Bridge | None = None
        self._routes: RouteManager | None = None
        self._boxes: BlackBoxes | None = None
        self._sign: BridgeSign | None = None
        self._timer: Timer | None = None
        self._demand: GuardCondition | None = None
        self._diagnostics: DiagnosticsPublisher | None = None
        self.add_on_set_parameters_callback(self._on_set_parameters)

    @property
    def bridge(self) -> Bridge | None:
        """The pump, once configured."""
        return self._bridge

    def configure_parts(self) -> None:
        """Read and check the parameters, and make the bridge."""
        self._config = read_parameters(self)
        self._lock = HostLock(self._config)
        self._bridge = Bridge(self._config, self.log, self._journal)
        self._bridge.find_schema = lambda name: schema_of(load_message(name))
        if self._config.channels:
            self._bridge.identify(identity(robot_key(self._config)))

    def activate_parts(self) -> None:
        """Connect and subscribe."""
        assert self._config is not None and self._bridge is not None
        selector = TopicSelector(
            self._config,
            namespace=self.get_namespace(),
            own=[f'{self.get_fully_qualified_name()}/'],
        )
        self._routes = RouteManager(
            self,
            self._bridge,
            selector,
            self.log,
            include_mirrored=self._config.discovery.include_mirrored,
        )
        self._sign = BridgeSign(self, self._config.robot_id)
        self._boxes = BlackBoxes(self, self._bridge, self._config, self.log)
        # Leases come on the pump's thread, subscriptions are made on the executor's.
        self._demand = self.create_guard_condition(self._refresh)
        self._bridge.on_demand_changed = self._wake
        self._bridge.start()
        self._timer = self.create_timer(
            self._config.discovery.period_s, self._refresh, clock=STEADY_CLOCK
        )
        self._refresh()
        if self._diagnostics is None:
            # It goes on while the bridge is inactive: the connection does so too.
            report, diagnosis = self._bridge.report, Diagnosis(self.get_name())
            self._diagnostics = DiagnosticsPublisher(
                self,
                self._config.diagnostics_period_s,
                lambda: diagnosis.of(report(), time.monotonic()),
                self.log,
            )

    def on_deactivate(self, state: State) -> TransitionCallbackReturn:
        """Unsubscribe and stop sending; the connection stays."""
        self._unsubscribe()
        if self._bridge is not None:
            self._bridge.pause()
        return super().on_deactivate(state)

    def _refresh(self) -> None:
        if self._routes is None:
            return
        try:
            self._routes.refresh()
            if self._boxes is not None:
                self._boxes.refresh()
        except Exception as error:  # a graph that changes under us is no reason to die
            self.log('error', f'discovery: {error!r}')

    def _wake(self) -> None:
        """Let the executor look at the demand; runs on the pump's thread."""
        demand = self._demand
        try:
            if demand is not None:
                demand.trigger()
        except InvalidHandle:  # destroyed just now
            pass

    def _unsubscribe(self) -> None:
        if self._bridge is not None:
            self._bridge.on_demand_changed = None
        if self._demand is not None:
            demand, self._demand = self._demand, None
            self.destroy_guard_condition(demand)
        if self._timer is not None:
            self.destroy_timer(self._timer)
            self._timer = None
        if self._routes is not None:
            self._routes.close()
            self._routes = None
        if self._sign is not None:
            self._sign.close()
            self._sign = None
        if self._boxes is not None:
            # What they hand over is for the bridge to commit, so they end before it does.
            self._boxes.close()
            self._boxes = None

    def let_go(self) -> None:
        """Send what waits, say goodbye and disconnect."""
        self._unsubscribe()
        if self._diagnostics is not None:
            self._diagnostics.close()
            self._diagnostics = None
        if self._bridge is not None:
            self._bridge.stop()
            self._bridge = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self._config = None

    def _on_set_parameters(self, changes: Sequence[Parameter]) -> SetParametersResult:
        answer, config = try_change(self, changes, self._config)
        if config is not None and self._config is not None and self._bridge is not None:
            changed = changed_at_run_time(self._config, config)
            if changed:
                self.log('info', f'changed: {", ".join(changed)}')
            self._config = config
            self._bridge.apply(config)
            # Subscriptions follow at once: the next look at the graph may be an hour away.
            self._refresh()
        return answer

    def charge(self, payload: int, topic: int) -> None:
        """
        Take into account what the commands' session has sent; from any thread.

        :param payload: its bytes
        :param topic: bytes of its topic
        """
        bridge = self._bridge
        if bridge is not None:
            bridge.passed(payload, topic)

    def tells_commands(self, figures: Callable[[], dict[str, object]] | None) -> None:
        """
        Tell of commands in ``health`` from now on.

        :param figures: gives what to tell; None for nothing
        """
        if self._bridge is not None:
            self._bridge.commands = figures

    def set_values(self, values: Mapping[str, Any]) -> str:
        """
        Set parameters, all or none; on the executor's thread.

        :param values: by full name
        :returns: why not; empty when they are set
        """
        for name in values:
            if not may_change_at_run_time(name):
                why = 'is read-only while the bridge runs' if field_of(name) else 'unknown key'
                return f'{name}: {why}'
        try:
            parameters = [Parameter(name, value=value) for name, value in values.items()]
        except (TypeError, ValueError) as error:
            return str(error)
        answer = self.set_parameters_atomically(parameters)
        return '' if answer.successful else str(answer.reason)

    def lease(self, consumer: str, lease: Lease) -> str:
        """
        Lease a stream for an operator.

        :param consumer: the operator
        :param lease: what is wanted
        :returns: why not; empty when it is so
        """
        return _INACTIVE if self._bridge is None else self._bridge.lease(consumer, lease)

    def pause(self) -> str:
        """
        Stop sending samples.

        :returns: why not; empty when it is so
        """
        if self._bridge is None or self._routes is None:
            return _INACTIVE
        self._bridge.pause()
        return ''

    def resume(self) -> str:
        """
        Send samples again.

        :returns: why not; empty when it is so
        """
        if self._bridge is None or self._routes is None:
            return _INACTIVE
        self._bridge.start()
        return ''

    def announce(self) -> str:
        """
        Say schemas, routes, latched values and ``info`` again.

        :returns: why not; empty when it is so
        """
        if self._bridge is None:
            return _INACTIVE
        self._bridge.announce()
        return ''

    def trigger(self, box: str, by: str) -> str:
        """
        Fire a black box.

        :param box: its name
        :param by: the operator
        :returns: why not; empty when the span is kept
        """
        return _INACTIVE if self._boxes is None else self._boxes.command(box, by)
