// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Collects numbers of plots, handed to the page some dozens of times a second. */

import type { Message } from '../protocol';
import { numberAt, parsePath, type Step } from './values';

/** Points that wait for the next turn; a page that does not take them must not cost memory. */
const MOST_WAITING = 65_536;

export class PlotFeed {
  private readonly paths: (readonly Step[])[];
  private times: number[] = [];
  private readonly values: number[][];

  constructor(readonly id: string, fields: readonly string[]) {
    this.paths = fields.flatMap((field) => {
      const path = parsePath(field);
      return path === null ? [] : [path];
    });
    this.values = this.paths.map(() => []);
  }

  add(timeS: number, message: Message): void {
    if (this.times.length >= MOST_WAITING) return;
    this.times.push(timeS);
    for (let i = 0; i < this.paths.length; i++) {
      this.values[i]!.push(numberAt(message, this.paths[i]!));
    }
  }

  /** @returns null when nothing has come */
  take(): { times: Float64Array; values: Float64Array } | null {
    const count = this.times.length;
    if (count === 0) return null;
    const times = Float64Array.from(this.times);
    const values = new Float64Array(count * this.paths.length);
    this.values.forEach((column, i) => {
      values.set(column, i * count);
      column.length = 0;
    });
    this.times.length = 0;
    return { times, values };
  }
}
