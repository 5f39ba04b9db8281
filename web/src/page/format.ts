// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** Numbers in a few characters. */

const NONE = '–';
const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P'];

function scaled(value: number): readonly [string, string] {
  let size = value;
  for (const prefix of PREFIXES) {
    if (size < 999.5) {
      const digits = size === 0 || size >= 99.5 || (prefix === '' && Number.isInteger(size)) ? 0 : 1;
      return [size.toFixed(digits), prefix];
    }
    size /= 1000;
  }
  return [size.toFixed(0), 'E'];
}

/** As in `31.2 kB`. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  const [size, prefix] = scaled(value);
  return `${size} ${prefix}B`;
}

/** As in `31.2 kB/s`. */
export function byteRate(value: number | null | undefined): string {
  return value === null || value === undefined ? NONE : `${bytes(value)}/s`;
}

/** As in `1,234` or `31.2k`. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  return value < 10_000 ? Math.round(value).toLocaleString('en') : scaled(value).join('');
}

/** As in `0.2`, `5.0`, `312`. */
export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined) return NONE;
  if (value === 0) return '0';
  return value < 99.5 ? value.toFixed(value < 0.095 ? 2 : 1) : count(value);
}

/** As in `24 ms`, `1.2 s`, `45 s`, `3 min`, `12 d`. */
export function span(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NONE;
  if (seconds < 0.9995) return `${(seconds * 1000).toFixed(seconds < 0.00095 ? 1 : 0)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** A value of any size for a label, as in `-0.0312` or `1.23e7`. */
export function value(number: number): string {
  if (!Number.isFinite(number)) return Number.isNaN(number) ? NONE : number > 0 ? '∞' : '−∞';
  const size = Math.abs(number);
  if (size === 0) return '0';
  if (size >= 1e6 || size < 1e-4) return number.toExponential(2);
  if (Number.isInteger(number)) return String(number);
  return number.toFixed(size >= 1000 ? 1 : size >= 1 ? 3 : 4);
}

/** As few digits as a scale's mark needs. */
export function mark(number: number): string {
  const size = Math.abs(number);
  return size >= 1e6 || (size < 1e-4 && size > 0) ? number.toExponential(1) : String(+number.toPrecision(6));
}
