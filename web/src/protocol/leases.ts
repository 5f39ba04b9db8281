// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** One consumer's leases of streams on demand: when to ask for them again. */

import type { LeaseWish } from './asking';
import type { Health, LeaseState } from './values';

const LEASE_S = 30;
const MAX_LEASES = 64;
const RENEWALS = 3;
const MIN_INTERVAL_MS = 1_000;
const PATIENCE_MS = 2_000;
const MAX_REFUSED_INTERVAL_MS = 20_000;

interface Kept {
  hz: number;
  seconds: number;
  /** What the robot grants of the seconds, as far as known. */
  grantedS: number;
  dueMs: number;
  askedMs: number | null;
  inVain: number;
  granted: boolean | null;
  reason: string;
}

/** Keeps leases of one robot's streams alive until they are released. */
export class Leases {
  private readonly kept = new Map<string, Kept>();
  private earliestMs = -Infinity;

  constructor(private readonly consumer: string) {}

  states(robotId: string): LeaseState[] {
    return [...this.kept]
      .filter(([, kept]) => kept.seconds > 0)
      .map(([stream, { hz, granted, reason }]) => ({ robotId, stream, hz, granted, reason }));
  }

  keep(stream: string, hz: number): void {
    const askedMs = this.kept.get(stream)?.askedMs ?? null;
    this.kept.set(stream, {
      hz, seconds: LEASE_S, grantedS: LEASE_S, dueMs: -Infinity, askedMs, inVain: 0, granted: null, reason: '',
    });
  }

  release(stream: string): void {
    const kept = this.kept.get(stream);
    if (kept) {
      kept.seconds = 0;
      kept.dueMs = -Infinity;
    }
  }

  /** Ask at once: the robot may have forgotten. */
  again(): void {
    for (const kept of this.kept.values()) {
      kept.dueMs = -Infinity;
      kept.inVain = 0;
    }
  }

  /** Say what to ask for now; what is returned counts as asked. */
  due(away: boolean, nowMs: number): LeaseWish[] {
    const wanted: LeaseWish[] = [];
    if (nowMs < this.earliestMs) return wanted;
    for (const [stream, kept] of this.kept) {
      if (kept.dueMs > nowMs) continue;
      if (kept.seconds === 0 && (away || kept.askedMs === null)) {
        // Nobody there to give it back to.
        this.kept.delete(stream);
        continue;
      }
      if (away || wanted.length === MAX_LEASES) continue;
      wanted.push({ stream, hz: kept.hz, seconds: kept.seconds });
      kept.askedMs = nowMs;
      kept.dueMs = nowMs + intervalMs(kept);
      if (kept.seconds === 0) this.kept.delete(stream);
    }
    if (wanted.length) this.earliestMs = nowMs + MIN_INTERVAL_MS;
    return wanted;
  }

  /** Take in what the robot says of its leases. */
  heard(health: Health, nowMs: number): void {
    for (const [stream, kept] of this.kept) {
      if (kept.askedMs === null) continue;
      const lease = health.leases.find((entry) => entry.consumer === this.consumer && entry.stream === stream);
      const reason = health.grantsLeases ? health.refusedLeases[`${this.consumer}/${stream}`] : 'its bridge grants no leases';
      if (lease) {
        kept.granted = true;
        kept.reason = '';
        kept.inVain = 0;
        kept.grantedS = Math.min(kept.seconds, (nowMs - kept.askedMs) / 1000 + (lease.endsInS ?? 0));
        kept.dueMs = Math.min(kept.dueMs, kept.askedMs + intervalMs(kept));
      } else if (reason !== undefined) {
        kept.granted = false;
        kept.reason = reason;
      } else if (kept.granted !== false) {
        // It may have come too early for the answer, or the robot has forgotten.
        kept.granted = null;
        kept.dueMs = Math.min(kept.dueMs, kept.askedMs + PATIENCE_MS * 2 ** kept.inVain);
        kept.inVain = Math.min(kept.inVain + 1, 8);
      }
    }
  }

  /** Keep nothing any more; says what to tell the robot. */
  giveBack(): LeaseWish[] {
    const wishes = [...this.kept]
      .filter(([, kept]) => kept.askedMs !== null && kept.granted !== false)
      .map(([stream]) => ({ stream, hz: 0, seconds: 0 }));
    this.kept.clear();
    return wishes.slice(0, MAX_LEASES);
  }
}

function intervalMs(kept: Kept): number {
  const interval = Math.max(MIN_INTERVAL_MS, (1000 * kept.grantedS) / RENEWALS);
  return kept.granted === false ? Math.min(interval, MAX_REFUSED_INTERVAL_MS) : interval;
}
