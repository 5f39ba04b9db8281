// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** docs/protocol.md#limits: each is checked before anything is allocated. Bytes if not said otherwise. */

export const MAX_PAYLOAD = 16 * 1024 * 1024;
export const MAX_BATCH = 64 * 1024 * 1024;
export const MAX_BATCH_RAW = 64 * 1024 * 1024;
export const MAX_SECTIONS = 4096;
export const MAX_SAMPLES = 65536;
export const MAX_STEPS = 1 << 20;
export const MAX_EXCEPTIONS = MAX_BATCH_RAW / 32;
export const MAX_FRAGMENTS = 65536;
export const MAX_GAPS = 16384;
export const MAX_SCHEMA_TEXT = 256 * 1024;
export const MAX_TEXT = 1024;
export const MAX_FORM = 64;
export const MAX_DICTIONARY = 64 * 1024;
export const MAX_JSON = 1024 * 1024;
export const MAX_COMMAND = 64 * 1024;
export const MAX_ANSWER = 256 * 1024;
export const TOPIC_MAX_LEVELS = 8;
export const TOPIC_MAX_BYTES = 256;
export const INT64_MAX = (1n << 63n) - 1n;
