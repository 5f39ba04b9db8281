// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** What came in is malformed, hostile, over a limit or of another version. */
export class ProtocolError extends Error {
  override readonly name: string = 'ProtocolError';
}

/** The definition of a message's type has not come yet. */
export class UnknownSchema extends ProtocolError {
  override readonly name = 'UnknownSchema';
}
