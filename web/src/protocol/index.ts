// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Protocol v1 (docs/protocol.md) for a consumer: give it MQTT messages, take samples. */

export { Decoder, type DecoderOptions } from './decoder';
export { ProtocolError, UnknownSchema } from './errors';
export { UnknownForm } from './forms';
export type * from './values';
