// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** What comes in on the robot itself, from its reports: a topic that stopped, a clock that is off. */

import type { Health } from '../protocol';

/** A topic is silent when so many samples are missing, for longer than so many of its pauses so far. */
const MISSING = 10;
const PAUSES = 1.5;
/** A clock is called slow only by more than a slow link can explain. */
const LATE_MS = 2000;
const LATE_ROUND_TRIPS = 4;
const FAR_OFF_MS = 10_000;
const REPORTS = 6;
const NAMED = 3;
const MOST_ROUTES = 4096;

interface Inflow {
  topic: string;
  stream: string;
  received: number;
  /** On the robot's time. */
  roseAtS: number;
  toldAtS: number;
  /** As a rule, and at the last rise. */
  hz: number;
  seenHz: number;
  longestPauseS: number;
}

/** Of one boot of one robot. */
export class Inflows {
  private readonly routes = new Map<bigint, Inflow>();
  private readonly delaysMs: number[] = [];

  /** Takes in a report, with the time at which it came. */
  tell(health: Health, wallMs: number): void {
    if (health.timeNs !== null) {
      this.delaysMs.push(wallMs - health.timeNs / 1e6);
      if (this.delaysMs.length > REPORTS) this.delaysMs.shift();
    }
    const atS = health.uptimeS;
    if (atS === null) return;
    for (const { route, stream, topic, figures } of health.routes) {
      const received = figures['received'];
      if (received === undefined) continue;
      const hz = received / Math.max(1, atS);
      const known = this.routes.get(route);
      if (known === undefined) {
        if (this.routes.size >= MOST_ROUTES) continue;
        const began = { roseAtS: atS, toldAtS: atS, hz, seenHz: hz, longestPauseS: 0 };
        this.routes.set(route, { topic, stream, received, ...began });
      } else if (atS > known.toldAtS) {
        if (received > known.received) {
          known.longestPauseS = Math.max(known.longestPauseS, known.toldAtS - known.roseAtS);
          known.seenHz = (received - known.received) / (atS - known.toldAtS);
          Object.assign(known, { received, roseAtS: atS, hz });
        }
        known.toldAtS = atS;
      }
    }
  }

  /** What is wrong, with its severity. */
  troubles(health: Health, active: boolean): [number, string][] {
    return [...this.silences(health, active), ...this.clock(health)];
  }

  private silences(health: Health, active: boolean): [number, string][] {
    if (!active) return [];
    // What nobody asked for, or a ladder has paused, is not expected.
    const paused = health.streams.filter((stream) => stream.demandHz === 0 || stream.maxHz === 0);
    const quiet = new Set(paused.map((stream) => stream.stream));
    const found: { text: string; hz: number }[] = [];
    for (const inflow of this.routes.values()) {
      const forS = inflow.toldAtS - inflow.roseAtS;
      if (quiet.has(inflow.stream) || forS * inflow.hz < MISSING) continue;
      if (forS <= PAUSES * inflow.longestPauseS) continue;
      const before = `${Number(inflow.seenHz.toPrecision(3))} Hz before`;
      found.push({ text: `${inflow.topic} for ${Math.round(forS)} s (${before})`, hz: inflow.seenHz });
    }
    if (found.length === 0) return [];
    found.sort((one, other) => other.hz - one.hz);
    const named = found.slice(0, NAMED).map((one) => one.text).join(', ');
    const more = found.length > NAMED ? ` and ${found.length - NAMED} more` : '';
    return [[6, `no samples on the robot: ${named}${more}`]];
  }

  private clock(health: Health): [number, string][] {
    if (this.delaysMs.length === 0) return [];
    const offsetMs = Math.min(...this.delaysMs);
    const seconds = Number((Math.abs(offsetMs) / 1000).toPrecision(3));
    const severity = Math.abs(offsetMs) >= FAR_OFF_MS ? 4 : 2;
    if (offsetMs < 0) return [[severity, `its clock is ahead of ours by ${seconds} s or more`]];
    const { rttS } = health.link;
    if (rttS === null || offsetMs <= Math.max(LATE_MS, LATE_ROUND_TRIPS * 1000 * rttS)) return [];
    return [[severity, `its clock is behind ours by about ${seconds} s, and ages are too high by that`]];
  }
}
