// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Commands to robots (docs/protocol.md#commands), signed where the key is: in the browser. */

export { Operator, type Drive, type Goal, type OperatorOptions, type Outcome } from './operator';
export { OperatorKey, forgetKey, storedKey, storeKey } from './keys';
