// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** A plot that scrolls: uPlot over a series' window, redrawn when its turn comes. */

import { effect } from '@preact/signals';
import uPlot from 'uplot';

import { robotNews } from './client';
import { mark } from './format';
import type { Series } from './series';
import { colour, theme } from './theme';
import { ticker } from './ticker';

/** Points per field that are drawn at most: more than there are pixels shows nothing more. */
const MOST_POINTS = 6000;

/** What all plots show: the same span, so that they can be compared. */
export interface Span {
  readonly seconds: number;
  /** In the robot's time, where it stands still; null while it runs. */
  readonly heldAt: number | null;
}

/** The robot's time now, seconds since the epoch, as far as this machine can tell. */
export function robotNow(): number {
  return (Date.now() - (robotNews.peek()?.clockOffsetMs ?? 0)) / 1000;
}

export class Chart {
  private readonly plot: uPlot;
  private readonly ends: (() => void)[] = [];
  private drawnTo = 0;
  private drawnSeconds = 0;

  constructor(
    place: HTMLElement,
    private readonly series: Series,
    private readonly span: () => Span,
  ) {
    this.plot = new uPlot(options(place, series.fields), empty(series.fields), place);
    const observer = new ResizeObserver(() => {
      this.plot.setSize({ width: place.clientWidth, height: place.clientHeight });
    });
    observer.observe(place);
    let first = true;
    this.ends.push(
      () => observer.disconnect(),
      ticker.add(() => this.draw()),
      effect(() => {
        void theme.value;
        if (!first) this.plot.redraw(false);
        first = false;
      }),
    );
  }

  close(): void {
    for (const end of this.ends) end();
    this.plot.destroy();
  }

  private draw(): void {
    const { seconds, heldAt } = this.span();
    // It moves by whole pixels: in between it would be drawn again to look the same.
    const pixel = seconds / Math.max(1, this.plot.bbox.width);
    const to = Math.floor((heldAt ?? robotNow()) / pixel) * pixel;
    if (to === this.drawnTo && seconds === this.drawnSeconds) return;
    this.drawnTo = to;
    this.drawnSeconds = seconds;
    const view = this.series.window(to - seconds, MOST_POINTS);
    this.plot.batch(() => {
      this.plot.setData(view as unknown as uPlot.AlignedData, false);
      this.plot.setScale('x', { min: to - seconds, max: to });
    });
  }
}

function empty(fields: number): uPlot.AlignedData {
  return Array.from({ length: fields + 1 }, () => []) as unknown as uPlot.AlignedData;
}

function options(place: HTMLElement, fields: number): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: () => colour('dim'),
    grid: { stroke: () => colour('line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  };
  return {
    width: Math.max(10, place.clientWidth),
    height: Math.max(10, place.clientHeight),
    padding: [6, 8, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    pxAlign: 0,
    scales: { x: { time: true, auto: false }, y: { auto: true } },
    axes: [
      { ...axis, size: 22, space: 70 },
      { ...axis, size: 52, space: 26, values: (_, splits) => splits.map(mark) },
    ],
    series: [
      {},
      ...Array.from({ length: fields }, (_, i) => ({
        stroke: () => colour(`c${(i % 6) + 1}`),
        width: 1.5,
        points: { show: false },
        pxAlign: 0,
      })),
    ],
  };
}
