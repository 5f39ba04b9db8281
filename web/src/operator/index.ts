// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Commands to robots (docs/protocol.md#commands), signed where the key is: in the browser. */

export type { Outcome } from './dialogue';
export { Drive } from './drive';
export { fingerprint } from './ed25519';
export { forgetKey, OperatorKey, storedKey, storeKey } from './keys';
export { type Goal, Operator, type OperatorOptions } from './operator';
