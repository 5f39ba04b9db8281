// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Dark or light, as the system has it until the user chooses. */

import { computed, effect, signal } from '@preact/signals';

import { kept } from './kept';

type Choice = 'system' | 'dark' | 'light';

const system = matchMedia('(prefers-color-scheme: light)');
const systemLight = signal(system.matches);
system.addEventListener('change', () => (systemLight.value = system.matches));

export const choice = kept<Choice>('theme', 'system', (value): value is Choice =>
  ['system', 'dark', 'light'].includes(value as string),
);
export const theme = computed(() => {
  if (choice.value !== 'system') return choice.value;
  return systemLight.value ? 'light' : 'dark';
});

const colours = new Map<string, string>();

effect(() => {
  document.documentElement.dataset['theme'] = theme.value;
  colours.clear();
});

/** A colour of the style sheet, for what is drawn on a canvas; ask again when the theme changes. */
export function colour(name: string): string {
  let found = colours.get(name);
  if (found === undefined) {
    found = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    colours.set(name, found);
  }
  return found;
}
