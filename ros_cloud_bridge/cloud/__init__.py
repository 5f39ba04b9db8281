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

"""The consumer side: decode what bridges send, without ROS."""

from ros_cloud_bridge.cloud.column_reader import ColumnReader
from ros_cloud_bridge.cloud.consumer import Consumer
from ros_cloud_bridge.cloud.counts import ConsumerCounts
from ros_cloud_bridge.cloud.decoder import Decoder
from ros_cloud_bridge.cloud.identity import SampleId
from ros_cloud_bridge.cloud.leasing import LeaseState
from ros_cloud_bridge.cloud.ledger import Ledger, LedgerError
from ros_cloud_bridge.cloud.losses import RouteLosses
from ros_cloud_bridge.cloud.operator import CommandFailed, Drive, Operator, Outcome, Sent
from ros_cloud_bridge.cloud.presence import RobotState
from ros_cloud_bridge.cloud.sample import Sample
from ros_cloud_bridge.cloud.seen import dump_seen, load_seen, Seen
from ros_cloud_bridge.cloud.table import Ragged, Table
from ros_cloud_bridge.errors import BridgeError, ProtocolError, UnknownSchema

__all__ = [
    'BridgeError',
    'ColumnReader',
    'CommandFailed',
    'Consumer',
    'ConsumerCounts',
    'Decoder',
    'Drive',
    'LeaseState',
    'Ledger',
    'LedgerError',
    'Operator',
    'Outcome',
    'ProtocolError',
    'Ragged',
    'RobotState',
    'RouteLosses',
    'Sample',
    'SampleId',
    'Seen',
    'Sent',
    'Table',
    'UnknownSchema',
    'dump_seen',
    'load_seen',
]
