// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** What robots tell of their black boxes' captures (docs/black_box.md), on topics of their own. */

import type { Sample } from '../protocol';
import { textOf } from './values';

export interface BoxEvent {
  readonly event: string;
  readonly box: string;
  readonly span: string;
  readonly trigger: string;
  readonly timeMs: number;
  readonly samples: number | null;
  readonly bytes: number | null;
  /** Null while the capture goes on. */
  readonly complete: boolean | null;
  readonly cutShort: string;
}

const MOST_EVENTS = 200;
const TOPIC = /^\/black_box\/[^/]+\/events$/;

export class BoxEvents {
  private events: BoxEvent[] = [];

  /** The newest first. */
  get all(): readonly BoxEvent[] {
    return this.events;
  }

  /** Takes in a sample, of the backlog too: a capture is told as durably as it is kept. */
  add(sample: Sample): void {
    if (sample.typeName !== 'std_msgs/msg/String' || !TOPIC.test(sample.topic)) return;
    const event = read(textOf(sample.message()['data'], 1 << 20));
    if (event === null) return;
    this.events = [event, ...this.events]
      .sort((one, other) => other.timeMs - one.timeMs)
      .slice(0, MOST_EVENTS);
  }
}

function read(json: string): BoxEvent | null {
  let found: Record<string, unknown>;
  try {
    found = JSON.parse(json) as Record<string, unknown>;
  } catch {
    return null;
  }
  if (typeof found !== 'object' || found === null || textOf(found['event']) === '') return null;
  const triggers = Array.isArray(found['triggers']) ? (found['triggers'] as unknown[]) : [];
  const first = (triggers[0] ?? {}) as Record<string, unknown>;
  const at = numberOrNull(found['time_ns']) ?? numberOrNull(found['to_ns']) ?? 0;
  return {
    event: textOf(found['event'], 32),
    box: textOf(found['black_box'], 64),
    span: textOf(found['span'], 128),
    trigger: textOf(found['trigger'], 256) || textOf(first?.['trigger'], 256),
    timeMs: at / 1e6,
    samples: numberOrNull(found['samples']),
    bytes: numberOrNull(found['bytes']),
    complete: typeof found['complete'] === 'boolean' ? found['complete'] : null,
    cutShort: textOf(found['cut_short'], 64),
  };
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
