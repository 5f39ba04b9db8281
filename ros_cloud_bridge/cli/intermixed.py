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

"""A parser that takes options between a command's files and words."""

import argparse
from collections.abc import Sequence
from typing import Any


class IntermixedParser(argparse.ArgumentParser):
    """
    Takes options anywhere, as in ``plan CONFIG --link 64k RECORDING``.

    argparse by itself ends a command's words at the first option behind one of them. Commands with
    subcommands, or that hand on the rest of the line, are parsed as argparse does it.
    """

    _inside = False

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """
        Parse what is known.

        :param args: words; those of the process when left out
        :param namespace: takes the values
        :returns: it, and what is not known
        """
        # Parsing intermixed comes back here, once for the options and once for the words.
        if self._inside or not self._can_be_intermixed():
            return super().parse_known_args(args, namespace)
        self._inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False

    def _can_be_intermixed(self) -> bool:
        words = self._get_positional_actions()
        exclusive = [
            action for group in self._mutually_exclusive_groups for action in group._group_actions
        ]
        return not any(
            word.nargs in (argparse.PARSER, argparse.REMAINDER) or word in exclusive
            for word in words
        )
