// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Compact forms by name: what gives samples of a route their CDR back. */

import { ProtocolError } from '../errors';
import { restoreCloud } from './cloud';
import { GridRestorer, restoreDepth, restoreEarlierScan, restoreScan } from './sensors';

export type Restore = (form: Uint8Array) => Uint8Array;

const ALONE: Readonly<Record<string, Restore>> = {
  'cloud_quantize/1': restoreCloud,
  'depth/1': restoreDepth,
  'laser_quantize/1': restoreEarlierScan,
  'laser_quantize/2': restoreScan,
};
const DIFFERENCES = 'grid_diff/1';
/** What of a route is kept for one that asks later: nobody must restore every message. */
const HELD = 256;
const HELD_BYTES = 4 * 1024 * 1024;

export class UnknownForm extends ProtocolError {
  override readonly name = 'UnknownForm';
}

/** Restores the samples of one route. */
export class RouteRestorer {
  private readonly grids: GridRestorer | null;
  private held: Uint8Array[] = [];
  private heldBytes = 0;

  constructor(private readonly form: string) {
    this.grids = form === DIFFERENCES ? new GridRestorer() : null;
  }

  /** Hold on to a sample, for later ones may need it. */
  note(data: Uint8Array): void {
    if (!this.grids) return;
    this.held.push(data);
    this.heldBytes += data.length;
    while (this.held.length > 1 && (this.heldBytes > HELD_BYTES || this.held.length > HELD)) {
      this.heldBytes -= this.held.shift()!.length;
    }
  }

  /** @throws ProtocolError when it is malformed, or what it needs is not here */
  restore(data: Uint8Array): Uint8Array {
    const { grids } = this;
    if (!grids) return restoreAlone(this.form, data);
    try {
      return guarded(this.form, (form) => grids.restore(form), data);
    } catch (error) {
      if (!this.held.length) throw error;
    }
    // Perhaps nobody has asked for what it needs.
    const { held } = this;
    this.held = [];
    this.heldBytes = 0;
    for (const earlier of held) {
      try {
        grids.restore(earlier);
      } catch {
        continue;
      }
    }
    return guarded(this.form, (form) => grids.restore(form), data);
  }
}

function restoreAlone(form: string, data: Uint8Array): Uint8Array {
  if (!Object.hasOwn(ALONE, form)) throw new UnknownForm(`nobody here knows the form ${form}`);
  return guarded(form, ALONE[form]!, data);
}

function guarded(form: string, restore: Restore, data: Uint8Array): Uint8Array {
  try {
    return restore(data);
  } catch (error) {
    throw error instanceof ProtocolError ? error : new ProtocolError(`${form}: cannot be restored: ${String(error)}`);
  }
}
