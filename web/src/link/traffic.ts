// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Rates and ages of what arrives, by topic; and how the robot's clock differs from ours. */

import type { Sample } from '../protocol';

const MOST_TOPICS = 4096;
const WINDOW_MS = 5000;
const NO_RATES = { hz: 0, bytesPerS: 0 };

export class TopicTraffic {
  samples = 0;
  type = '';
  stream = '';
  error = '';
  ageMs: number | null = null;
  private count = 0;
  private bytes = 0;
  /** By the robot's clock, since samples of a batch arrive together; the first only begins it. */
  private firstMs = NaN;
  private lastMs = NaN;
  private arrived = 0;
  private before = NO_RATES;

  add(sample: Sample, now: number, wallMs: number): void {
    this.samples += 1;
    this.type = sample.typeName;
    this.stream = sample.stream;
    const sourceMs = Number(sample.sourceTimeNs / 1000n) / 1000;
    this.ageMs = wallMs - sourceMs;
    // What stood at the broker says nothing of a rate.
    if (sample.latched) return;
    this.arrived = now;
    this.lastMs = sourceMs;
    if (Number.isNaN(this.firstMs)) this.firstMs = sourceMs;
    else {
      this.count += 1;
      this.bytes += sample.data.length;
    }
  }

  rates(now: number): { hz: number; bytesPerS: number } {
    if (this.count === 0) return now - this.arrived < 2 * WINDOW_MS ? this.before : NO_RATES;
    const span = this.lastMs - this.firstMs;
    // A topic that has stopped is not to keep the rate that it had.
    const silent = Math.max(0, now - this.arrived - 3 * (span / this.count));
    const seconds = Math.max(1, span + silent) / 1000;
    const found = { hz: this.count / seconds, bytesPerS: this.bytes / seconds };
    if (span + silent >= WINDOW_MS) {
      this.before = found;
      this.count = this.bytes = 0;
      this.firstMs = this.lastMs;
    }
    return found;
  }
}

export class Traffic {
  readonly topics = new Map<string, TopicTraffic>();
  private least = Infinity;
  private leastBefore = Infinity;
  private turn = 0;

  add(sample: Sample, now: number, wallMs: number): TopicTraffic | null {
    let topic = this.topics.get(sample.topic);
    if (topic === undefined) {
      if (this.topics.size >= MOST_TOPICS) return null;
      topic = new TopicTraffic();
      this.topics.set(sample.topic, topic);
    }
    topic.add(sample, now, wallMs);
    if (!sample.latched && !sample.historical) {
      if (now - this.turn > 30_000) {
        this.leastBefore = this.least;
        this.least = Infinity;
        this.turn = now;
      }
      this.least = Math.min(this.least, topic.ageMs ?? Infinity);
    }
    return topic;
  }

  /**
   * @returns what to add to the robot's time to get this machine's, less than the age of the
   * freshest samples: what is newest is drawn at the edge, whatever both clocks say
   */
  get clockOffsetMs(): number {
    const least = Math.min(this.least, this.leastBefore);
    return Number.isFinite(least) ? least : 0;
  }
}
