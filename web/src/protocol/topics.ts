// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { ProtocolError } from './errors';
import { TOPIC_MAX_BYTES, TOPIC_MAX_LEVELS } from './limits';

export const DEFAULT_ROOT = 'rcb/v1';

/** Parts of a topic of the protocol; `rest` are the levels behind the kind. */
export interface TopicName {
  readonly robotId: string;
  readonly kind: string;
  readonly rest: readonly string[];
}

/** @returns null when the topic is not of this protocol */
export function parseTopic(topic: string, root: string): TopicName | null {
  if (!topic.startsWith(`${root}/`)) return null;
  if (new TextEncoder().encode(topic).length > TOPIC_MAX_BYTES || topic.split('/').length > TOPIC_MAX_LEVELS) {
    throw new ProtocolError('topic longer or deeper than the protocol allows');
  }
  const [robotId, kind, ...rest] = topic.slice(root.length + 1).split('/');
  return robotId && kind ? { robotId, kind, rest } : null;
}
