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

"""The operator's side of commands: sign them, send them, and learn what became of them."""

from ros_cloud_bridge.cloud.operator.drive import Drive
from ros_cloud_bridge.cloud.operator.operator import Operator
from ros_cloud_bridge.cloud.operator.outcome import CommandFailed, Outcome
from ros_cloud_bridge.cloud.operator.sent import Sent

__all__ = ['CommandFailed', 'Drive', 'Operator', 'Outcome', 'Sent']
