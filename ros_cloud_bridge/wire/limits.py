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

"""
Bounds of the protocol; a receiver checks each before it allocates.

All sizes in bytes unless the name says otherwise.
"""

MAX_PAYLOAD = 16 * 1024 * 1024
# A batch before fragmentation, and all of its blocks together once decompressed.
MAX_BATCH = 64 * 1024 * 1024
MAX_BATCH_RAW = 64 * 1024 * 1024
MAX_SECTIONS = 4096
# In all sections together: a constant column takes no bytes, so that the bytes bound no samples.
MAX_SAMPLES = 65536
# Work that layout COLUMNS may cause per batch, in steps of less than a microsecond.
MAX_STEPS = 1 << 20
# Every eighth word of a batch of floats of four bytes.
MAX_EXCEPTIONS = MAX_BATCH_RAW // 32
# Enough for fragments of 1 KiB in the largest batch, so that a slow link can have small ones.
MAX_FRAGMENTS = 65536
# Gaps of an account, all routes together, and the greatest number of a reason there.
MAX_GAPS = 16384
MAX_REASON = 255
MAX_CONFIRMATION = 64 * 1024
MAX_CONFIRMED_RANGES = 4096
MAX_SCHEMA_TEXT = 256 * 1024
MAX_TEXT = 1024
MAX_DICTIONARY = 64 * 1024
MAX_JSON = 1024 * 1024
CBOR_MAX_DEPTH = 6
CBOR_MAX_ITEMS = 262144
# Commands hold fields of ROS messages, which nest; signatures and heads are a part of the size.
MAX_COMMAND = 64 * 1024
MAX_ANSWER = 256 * 1024
COMMAND_MAX_DEPTH = 24
COMMAND_MAX_ITEMS = 16384
TOPIC_MAX_LEVELS = 8
TOPIC_MAX_BYTES = 256
# What a portable sender keeps to (AWS IoT Core takes 128 KiB with headers).
PORTABLE_PAYLOAD = 120 * 1024
