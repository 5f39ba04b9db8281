// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { describe, expect, it } from 'vitest';

import { Series } from '../src/page/series';

const HZ = 50;

function filled(seconds: number, value: (i: number) => number): Series {
  const series = new Series(1);
  const count = seconds * HZ;
  for (let first = 0; first < count; first += 1000) {
    const size = Math.min(1000, count - first);
    const times = Float64Array.from({ length: size }, (_, i) => (first + i) / HZ);
    series.append(times, times.map((_, i) => value(first + i)));
  }
  return series;
}

describe('a history', () => {
  it('gives recent points as they came, and one before them', () => {
    const series = filled(60, (i) => i);
    const [times, values] = series.window(50, 6000);
    expect(times![0]).toBeLessThan(50);
    expect(times).toHaveLength(501);
    expect(values!.at(-1)).toBe(60 * HZ - 1);
  });

  it('reaches back over an hour in few points, without losing a spike', () => {
    const spike = 600 * HZ + 3;
    const series = filled(3600, (i) => (i === spike ? 1000 : Math.sin(i)));
    const [times, values] = series.window(0, 6000);
    expect(times!.length).toBeLessThanOrEqual(6000);
    expect(times![0]).toBe(0);
    expect(Math.max(...values!)).toBe(1000);
    expect(Math.min(...values!)).toBeLessThan(-0.99);
    for (let i = 1; i < times!.length; i++) expect(times![i]).toBeGreaterThan(times![i - 1]!);
  });

  it('passes over what comes late, and begins anew when the clock was set back', () => {
    const series = filled(20, (i) => i);
    series.append(Float64Array.of(15), Float64Array.of(-1));
    expect(series.newest(0)).toBe(20 * HZ - 1);
    series.append(Float64Array.of(1), Float64Array.of(-2));
    expect(series.window(-Infinity, 6000)).toEqual([Float64Array.of(1), Float64Array.of(-2)]);
  });

  it('takes what is no number', () => {
    const series = new Series(2);
    const times = Float64Array.from({ length: 100 }, (_, i) => i);
    series.append(times, new Float64Array(200).fill(NaN));
    expect(series.window(0, 6000)[0]).toHaveLength(100);
    expect(series.newest(1)).toBeNaN();
  });
});
