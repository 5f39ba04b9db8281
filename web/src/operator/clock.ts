// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Two monotonic clocks drift apart by less than this; then the estimate falls behind only. */
const DRIFT = 1e-4;
/** After so long without a word the estimate is too far behind: 60 ms. */
const STALE_MS = 600_000;

/** A robot's time as its operator reckons it: behind the robot's by a little, never ahead. */
export class RobotClock {
  /** In hexadecimal; empty while it is not known. */
  epoch = '';
  private robotMs = 0;
  private atMs = 0;

  /** Take what the robot has answered to a question of ours: nothing else proves an epoch. */
  begin(epoch: string, robotMs: number, atMs: number): void {
    if (epoch === this.epoch) {
      this.take(robotMs, atMs);
      return;
    }
    this.epoch = epoch;
    this.robotMs = robotMs;
    this.atMs = atMs;
  }

  /** Take another word of the same epoch; of all of them the greatest estimate holds. */
  take(robotMs: number, atMs: number): void {
    if (robotMs < this.estimate(atMs)) return;
    this.robotMs = robotMs;
    this.atMs = atMs;
  }

  forget(): void {
    this.epoch = '';
  }

  knows(nowMs: number): boolean {
    return this.epoch !== '' && nowMs - this.atMs <= STALE_MS;
  }

  nowMs(nowMs: number): number {
    return Math.max(0, Math.floor(this.estimate(nowMs)));
  }

  private estimate(nowMs: number): number {
    return this.robotMs + (nowMs - this.atMs) * (1 - DRIFT);
  }
}
