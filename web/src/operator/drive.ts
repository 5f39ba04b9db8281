// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import type { Dialogue, Driver, Outcome } from './dialogue';
import type { Answer } from './messages';

/** A driving message is of no use later. */
const MESSAGE_TTL_MS = 1_000;
/** The robot answers every half second. */
const SILENCE_MS = 1_500;
/** After so long without a message driving begins anew. */
const PAUSE_MS = 1_000;
/** What no further message will mend. */
const ENDS = ['no_lease', 'lease_held', 'wrong_epoch', 'stopping'];

/**
 * A held lease on a channel that moves something.
 *
 * Whoever drives has to go on calling {@link publish}, as every 50 ms while a stick is held: the robot
 * stops by itself when nothing has come for `watchdogS`.
 */
export class Drive implements Driver {
  /** Messages published, and carried out as the robot says. */
  sent = 0;
  carriedOut = 0;
  /** Share of the speed that the robot takes at the messages' present age, 0 to 1; null if not told. */
  scale: number | null = null;
  /** From sending to answer, of the last message answered. */
  latencyMs: number | null = null;
  /** Resolves with why when the lease is over: given back, lost, or the robot was started again. */
  readonly ended: Promise<string>;
  private refusal = '';
  private over = false;
  private end!: (why: string) => void;
  private newest = 0;
  private lastAtMs = -Infinity;
  private silentSinceMs: number | null = null;

  constructor(
    private readonly dialogue: Dialogue,
    private readonly channel: string,
    private readonly now: () => number,
    private readonly giveBack: () => Promise<Outcome>,
    /** What the robot granted. */
    readonly leaseS: number,
    readonly watchdogS: number,
  ) {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  /** Publish fields, at once and only once; what has not been signed yet when newer ones come is left out. */
  publish(fields: Record<string, unknown>): void {
    if (this.over) return;
    const now = this.now();
    if (now - this.lastAtMs > PAUSE_MS) this.silentSinceMs = null;
    this.lastAtMs = now;
    this.silentSinceMs ??= now;
    const number = ++this.newest;
    this.dialogue.drive(this, this.channel, fields, MESSAGE_TTL_MS, () => {
      const wanted = !this.over && number === this.newest;
      if (wanted) this.sent += 1;
      return wanted;
    });
  }

  /** Publish nothing more and give the lease back; the robot stops what moves. */
  async release(): Promise<Outcome> {
    this.over = true;
    const outcome = await this.giveBack();
    this.end('released');
    return outcome;
  }

  /** The robot's last complaint, as `field_limit: …`, or that it does not answer; else empty. */
  get complaint(): string {
    const now = this.now();
    const drives = now - this.lastAtMs <= PAUSE_MS;
    const silentMs = this.silentSinceMs === null ? 0 : now - this.silentSinceMs;
    if (!this.over && drives && silentMs > SILENCE_MS) return `no answer for ${(silentMs / 1000).toFixed(1)} s`;
    return this.refusal;
  }

  heard(answer: Answer, sentAtMs: number): void {
    const now = this.now();
    // An answer that was held back proves nothing of what was sent after its message.
    this.silentSinceMs = this.lastAtMs > sentAtMs ? Math.max(sentAtMs, this.silentSinceMs ?? sentAtMs) : null;
    this.latencyMs = now - sentAtMs;
    const detail = (typeof answer.detail === 'object' && answer.detail ? answer.detail : {}) as Record<string, unknown>;
    if (answer.state === 'succeeded') {
      this.refusal = '';
      this.carriedOut += typeof detail.count === 'number' ? detail.count : 1;
      this.scale = typeof detail.scale === 'number' ? detail.scale : null;
      return;
    }
    this.refusal = answer.reason || answer.state;
    if (!ENDS.includes(this.refusal.split(':')[0]!) || this.over) return;
    this.over = true;
    this.end(this.refusal);
  }
}
