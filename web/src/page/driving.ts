// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/**
 * Driving by hand. The robot moves only while somebody holds on: whatever ends the hold, from letting go
 * to another window in front, sends a stop at once; what cannot be sent, the robot's watchdog does.
 */

import { signal } from '@preact/signals';

import type { Drive } from '../operator';
import { linkState } from './client';
import { note, operator } from './commanding';

const PERIOD_MS = 50;
/** Without a hold: as often as keeps the lease and the robot's watchdog content. */
const IDLE_PERIOD_MS = 200;
/** Control that nobody uses is given back. */
const IDLE_MS = 30_000;

export interface Stick {
  /** From -1 (back) to 1 (ahead). */
  readonly ahead: number;
  /** From -1 (right) to 1 (left). */
  readonly left: number;
}

export type DriveState = 'free' | 'asking' | 'held';

const STILL: Stick = { ahead: 0, left: 0 };

export class Driver {
  readonly state = signal<DriveState>('free');
  readonly moving = signal(false);
  /** Why control ended or was not given, or what the robot complains of. */
  readonly word = signal('');
  readonly scale = signal<number | null>(null);
  private drive: Drive | null = null;
  private stick = STILL;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private usedAt = 0;

  constructor(
    private readonly robot: string,
    private readonly channel: string,
    private readonly stamped: boolean,
    private readonly speeds: () => { linear: number; angular: number },
  ) {
    addEventListener('blur', this.stop);
    addEventListener('pagehide', this.giveBack);
    document.addEventListener('visibilitychange', this.onVisibility);
  }

  close(): void {
    removeEventListener('blur', this.stop);
    removeEventListener('pagehide', this.giveBack);
    document.removeEventListener('visibilitychange', this.onVisibility);
    this.giveBack();
  }

  async takeControl(): Promise<void> {
    const by = operator.value;
    if (by === null || this.state.value !== 'free') return;
    this.state.value = 'asking';
    this.word.value = '';
    try {
      const drive = await by.drive(this.robot, this.channel);
      if (this.state.peek() !== 'asking') {
        // Given back before it was granted.
        void drive.release();
        return;
      }
      this.drive = drive;
      this.state.value = 'held';
      this.usedAt = performance.now();
      void drive.ended.then((why) => this.lost(drive, why));
      this.beat();
    } catch (error) {
      this.state.value = 'free';
      this.word.value = error instanceof Error ? error.message : String(error);
    }
  }

  /** Moves; called on each change while somebody holds on. */
  hold(stick: Stick): void {
    if (this.drive === null || document.hidden) return;
    const began = !this.moving.value;
    this.stick = stick;
    this.moving.value = true;
    this.usedAt = performance.now();
    if (began) this.beat();
  }

  readonly stop = (): void => {
    this.stick = STILL;
    if (!this.moving.value) return;
    this.moving.value = false;
    // Now, and not with the next beat.
    this.beat();
  };

  readonly giveBack = (): void => {
    this.stop();
    clearTimeout(this.timer);
    const { drive } = this;
    this.drive = null;
    this.state.value = 'free';
    this.scale.value = null;
    if (drive !== null) void note(`release ${this.channel}`, drive.release());
  };

  private readonly onVisibility = (): void => {
    if (document.hidden) this.giveBack();
  };

  private lost(drive: Drive, why: string): void {
    if (this.drive !== drive) return;
    clearTimeout(this.timer);
    this.drive = null;
    this.stick = STILL;
    this.moving.value = false;
    this.state.value = 'free';
    this.word.value = why;
  }

  private beat(): void {
    clearTimeout(this.timer);
    const { drive } = this;
    if (drive === null) return;
    if (linkState.value.state === 'connected') drive.publish(this.fields());
    this.scale.value = drive.scale;
    this.word.value = drive.complaint;
    if (!this.moving.value && performance.now() - this.usedAt > IDLE_MS) {
      this.giveBack();
      this.word.value = 'Given back: nobody drove.';
      return;
    }
    this.timer = setTimeout(() => this.beat(), this.moving.value ? PERIOD_MS : IDLE_PERIOD_MS);
  }

  private fields(): Record<string, unknown> {
    const { linear, angular } = this.speeds();
    const twist = {
      linear: { x: linear * this.stick.ahead },
      angular: { z: angular * this.stick.left },
    };
    return this.stamped ? { twist } : twist;
  }
}
