// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** A robot as the fleet's list shows it: who is there, how its link is, what is given up on it. */

import type { Robot } from '../protocol';
import { Inflows } from './inflow';

/** Beyond it health is called silent; it comes every ten seconds unless configured otherwise. */
const SILENT_MS = 45_000;
/** So long a stream counts as dropping behind its last loss. */
const LOSING_MS = 15_000;

export interface FleetRow {
  readonly robot: string;
  /** Null while it has not said. */
  readonly online: boolean | null;
  readonly reason: string;
  readonly limitedBy: string;
  /** The link as the robot's pacing sees it. */
  readonly rateBytesPerS: number | null;
  readonly rttS: number | null;
  /** Measured between two reports, like `lostPerS`. */
  readonly sentBytesPerS: number | null;
  readonly lostPerS: number | null;
  readonly lost: number;
  readonly backlog: number;
  /** Milliseconds since the last report. */
  readonly silentMs: number | null;
  /** In words, the worst first. */
  readonly troubles: readonly string[];
  /** 0 is fine, 9 the worst. */
  readonly severity: number;
}

/** Reasons that thin a stream as it was configured; all others lose what had been accepted. */
const THINNED = new Set([
  'lost_before_bridge',
  'rate',
  'decimation',
  'duplicate',
  'degraded',
  'not_demanded',
  'unchanged',
  'not_reduced',
]);

export function isLoss(reason: string): boolean {
  return !THINNED.has(reason);
}

export function words(name: string): string {
  return name.replaceAll('_', ' ');
}

interface Report {
  readonly bootId: string;
  readonly at: number;
  readonly sentBytes: number;
  readonly lost: number;
  readonly byRoute: ReadonlyMap<bigint, number>;
}

/** Keeps of one robot what is needed to tell rates. */
export class RobotFigures {
  private before: Report | null = null;
  private sentBytesPerS: number | null = null;
  private lostPerS: number | null = null;
  /** When a loss was last seen, by stream: a list that is sorted by troubles must not flicker. */
  private readonly losing = new Map<string, number>();
  private periodMs = 10_000;
  private inflows = new Inflows();

  /** A health document has come. */
  addHealth(robot: Robot, now: number, wallMs: number): void {
    const byRoute = new Map<bigint, number>();
    let lost = 0;
    const before = this.before?.bootId === robot.health?.bootId ? this.before : null;
    for (const route of robot.routes) {
      let sum = 0;
      for (const reason in route.dropped) if (isLoss(reason)) sum += route.dropped[reason] ?? 0;
      byRoute.set(route.route, sum);
      lost += sum;
      if (sum > (before?.byRoute.get(route.route) ?? sum)) this.losing.set(route.stream, now);
    }
    if (before === null) this.inflows = new Inflows();
    if (robot.health !== null) this.inflows.tell(robot.health, wallMs);
    const sentBytes = robot.health?.link.sentBytes ?? 0;
    if (before !== null && now > before.at) {
      const seconds = (now - before.at) / 1000;
      this.sentBytesPerS = Math.max(0, sentBytes - before.sentBytes) / seconds;
      this.lostPerS = Math.max(0, lost - before.lost) / seconds;
      this.periodMs = Math.min(60_000, now - before.at);
    }
    for (const [stream, at] of this.losing) if (now - at > LOSING_MS) this.losing.delete(stream);
    this.before = { bootId: robot.health?.bootId ?? '', at: now, sentBytes, lost, byRoute };
  }

  row(robot: Robot, now: number): FleetRow {
    const link = robot.health?.link;
    const silentMs = this.before === null ? null : now - this.before.at;
    const found = this.troubles(robot, silentMs).sort((one, other) => other[0] - one[0]);
    return {
      robot: robot.robotId,
      online: robot.online,
      reason: robot.state?.reason ?? '',
      limitedBy: link?.limitedBy ?? '',
      rateBytesPerS: link?.rateBytesPerS ?? null,
      rttS: link?.rttS ?? null,
      sentBytesPerS: this.sentBytesPerS,
      lostPerS: this.lostPerS,
      lost: this.before?.lost ?? 0,
      backlog: robot.health?.spool?.figures['samples'] ?? 0,
      silentMs,
      troubles: found.map(([, text]) => text),
      severity: found[0]?.[0] ?? 0,
    };
  }

  private troubles(robot: Robot, silentMs: number | null): [number, string][] {
    const { state, health } = robot;
    if (robot.online === false) {
      const reason = state?.reason ?? '';
      return [[reason === 'connection_lost' ? 9 : 1, `offline: ${words(reason)}`]];
    }
    const found: [number, string][] = [];
    if (health === null) return found;
    if (silentMs !== null && silentMs > Math.max(SILENT_MS, 3 * this.periodMs)) {
      found.push([8, `no report for ${Math.round(silentMs / 1000)} s`]);
    }
    if (health.link.budget?.exhausted) found.push([7, 'data budget used up']);
    if (health.spool !== null && health.spool.state !== 'ok') {
      found.push([7, `disk: ${words(health.spool.state)}`]);
    }
    const down = health.streams.filter((stream) => (stream.step ?? 0) > 0);
    if (down.length > 0) found.push([6, `stepped down: ${down.map((s) => s.stream).join(', ')}`]);
    if (this.losing.size > 0) found.push([5, `dropping: ${[...this.losing.keys()].join(', ')}`]);
    const limit = health.link.limitedBy;
    if (limit !== '' && limit !== 'application') found.push([4, `limited by ${words(limit)}`]);
    const problems = Object.keys(health.problems).length;
    found.push(...this.inflows.troubles(health, state?.reason !== 'deactivated'));
    if (problems > 0) found.push([3, `topics not bridged: ${problems}`]);
    return found;
  }
}
