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


"""Samples that cannot arrive before they are too old: better not begun than given up half sent."""

from dataclasses import dataclass

from ros_cloud_bridge.core.route import Route
from ros_cloud_bridge.uplink.parcels import Parcel
from ros_cloud_bridge.values import Drop

# The first sample after so many of its age limits is tried again; twice that after each failure.
_RETRY_AGES = 10.0
_LONGEST_RETRY_S = 300.0


@dataclass(slots=True)
class _Failure:
    rate: float
    retry_s: float
    retry_at: float


class HopelessCases:
    """Remembers how fast routes got through whose batches became too old on their way."""

    def __init__(self) -> None:
        self._failures: dict[int, _Failure] = {}

    def failed(self, parcel: Parcel, now: float) -> None:
        """
        Learn from a batch that was given up because of its age.

        :param parcel: the batch
        :param now: monotonic seconds
        """
        route = parcel.lead
        began = parcel.began_at
        if began is None:
            return
        before = self._failures.get(route.number)
        retry_s = _RETRY_AGES * route.stream.max_age_s if before is None else 2 * before.retry_s
        retry_s = min(_LONGEST_RETRY_S, retry_s)
        rate = parcel.sent_bytes / max(1e-3, now - began)
        self._failures[route.number] = _Failure(rate, retry_s, now + retry_s)

    def arrived(self, parcel: Parcel) -> None:
        """
        Learn from a batch that arrived in time.

        :param parcel: the batch
        """
        self._failures.pop(parcel.lead.number, None)

    def spare(self, route: Route, now: float) -> None:
        """
        Drop samples of a route that would not arrive in time.

        :param route: the route whose turn it is
        :param now: monotonic seconds
        """
        failure = self._failures.get(route.number)
        if failure is None or route.stream.max_age_s <= 0:
            return
        if now >= failure.retry_at:
            failure.retry_at = now + failure.retry_s
            return
        while len(route):
            needed_s = route.next_size() * route.wire_ratio / max(1.0, failure.rate)
            if route.age_s(now) + needed_s <= route.stream.max_age_s:
                return
            route.drop_head(Drop.EXPIRED)
