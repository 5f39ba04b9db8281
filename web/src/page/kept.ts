// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Settings kept in this browser; one that refuses storage gets the page all the same. */

import { effect, signal, type Signal } from '@preact/signals';

const PREFIX = 'rcb.';

export function keptValue<T>(name: string, otherwise: T, fits: (value: unknown) => value is T): T {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(PREFIX + name) ?? 'null');
    return fits(value) ? value : otherwise;
  } catch {
    return otherwise;
  }
}

export function keep(name: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Full or forbidden: it is then kept for as long as the page.
  }
}

export function kept<T>(name: string, otherwise: T, fits: (value: unknown) => value is T): Signal<T> {
  const found = signal(keptValue(name, otherwise, fits));
  let first = true;
  effect(() => {
    const { value } = found;
    if (first) first = false;
    else keep(name, value);
  });
  return found;
}
