// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** What stands alone as protocol.mjs beside the page: for its tests under plain node, and for others. */

export { BadSignature, openSigned } from '../operator/cose';
export * from '../operator/index';
export { decodeAnswer } from '../operator/messages';
export { RouteRestorer } from './forms';
export * from './index';
