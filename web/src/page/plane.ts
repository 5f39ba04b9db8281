// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** A plane in metres seen from above, moved and zoomed by pointer: maps, scans, tracks. */

import { effect } from '@preact/signals';

import type { Pose2 } from '../link/frames';
import type { GridView, ScanView } from '../link/views';
import { colour, theme } from './theme';
import { ticker } from './ticker';

const MOST_TRACK = 20_000;
const LEAST_SCALE = 0.02;
const MOST_SCALE = 4000;

/** Where something was: bounded in points, thinned evenly when it grows too long. */
class Track {
  private xs: number[] = [];
  private ys: number[] = [];
  private leastStep = 0.02;

  get length(): number {
    return this.xs.length;
  }

  add(x: number, y: number): void {
    const last = this.xs.length - 1;
    if (last >= 0) {
      const step = Math.hypot(x - this.xs[last]!, y - this.ys[last]!);
      if (step < this.leastStep) return;
    }
    this.xs.push(x);
    this.ys.push(y);
    if (this.xs.length > MOST_TRACK) {
      this.xs = this.xs.filter((_, i) => i % 2 === 0);
      this.ys = this.ys.filter((_, i) => i % 2 === 0);
      this.leastStep *= 2;
    }
  }

  clear(): void {
    this.xs = [];
    this.ys = [];
  }

  trace(context: CanvasRenderingContext2D, toX: (x: number) => number, toY: (y: number) => number): void {
    for (let i = 0; i < this.xs.length; i++) {
      const x = toX(this.xs[i]!);
      const y = toY(this.ys[i]!);
      if (i === 0) context.moveTo(x, y);
      else context.lineTo(x, y);
    }
  }
}

export class Plane {
  readonly track = new Track();
  /** Keeps the robot in the middle until the user moves the plane. */
  follow = true;
  onFollow: (follow: boolean) => void = () => {};
  private readonly context: CanvasRenderingContext2D;
  private readonly ends: (() => void)[] = [];
  private centre = { x: 0, y: 0 };
  private scale = 40;
  private dirty = true;
  private grid: GridView | null = null;
  private tinted: HTMLCanvasElement | null = null;
  private scan: { points: Float32Array; pose: Pose2 } | null = null;
  private robot: Pose2 | null = null;
  private readonly pointers = new Map<number, { x: number; y: number }>();
  private fitted = false;

  constructor(private readonly canvas: HTMLCanvasElement, scale = 40) {
    this.scale = scale;
    this.context = canvas.getContext('2d')!;
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(canvas);
    this.ends.push(() => observer.disconnect());
    this.ends.push(ticker.add(() => this.draw()));
    this.ends.push(
      effect(() => {
        void theme.value;
        this.tinted = null;
        this.dirty = true;
      }),
    );
    this.listen();
  }

  close(): void {
    for (const end of this.ends) end();
    this.grid?.bitmap.close();
  }

  setGrid(grid: GridView): void {
    this.grid?.bitmap.close();
    this.grid = grid;
    this.tinted = null;
    this.dirty = true;
    if (!this.fitted) this.fit();
  }

  setScan(scan: ScanView, pose: Pose2): void {
    this.scan = { points: scan.points, pose };
    this.dirty = true;
  }

  setRobot(pose: Pose2): void {
    this.robot = pose;
    this.track.add(pose.x, pose.y);
    if (this.follow && !this.fitted) this.centre = { x: pose.x, y: pose.y };
    this.dirty = true;
  }

  /** Shows the whole map, or what there is of a track. */
  fit(): void {
    const { grid } = this;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (grid !== null && width > 0) {
      const [w, h] = [grid.width * grid.resolution, grid.height * grid.resolution];
      this.scale = clamp(Math.min(width / w, height / h) * 0.95);
      this.centre = { x: grid.origin.x + w / 2, y: grid.origin.y + h / 2 };
      this.fitted = true;
    } else if (this.robot !== null) this.centre = { x: this.robot.x, y: this.robot.y };
    this.setFollow(true);
    this.dirty = true;
  }

  zoom(factor: number): void {
    this.zoomAt(factor, this.canvas.clientWidth / 2, this.canvas.clientHeight / 2);
  }

  private setFollow(follow: boolean): void {
    if (this.follow === follow) return;
    this.follow = follow;
    this.onFollow(follow);
  }

  private resize(): void {
    const ratio = Math.min(devicePixelRatio, 2);
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    if (this.grid !== null && this.follow) this.fit();
    this.dirty = true;
  }

  private draw(): void {
    if (!this.dirty || this.canvas.width === 0) return;
    this.dirty = false;
    const { context, canvas, scale } = this;
    const ratio = canvas.width / canvas.clientWidth;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    const { clientWidth: width, clientHeight: height } = canvas;
    context.clearRect(0, 0, width, height);
    const toX = (x: number) => width / 2 + (x - this.centre.x) * scale;
    const toY = (y: number) => height / 2 - (y - this.centre.y) * scale;
    this.drawLines(width, height, toX, toY);
    this.drawGrid(toX, toY);
    this.drawTrack(toX, toY);
    this.drawScan(toX, toY);
    this.drawRobot(toX, toY);
  }

  private drawLines(width: number, height: number, toX: Project, toY: Project): void {
    const { context, scale } = this;
    const step = niceStep(70 / scale);
    context.beginPath();
    context.strokeStyle = colour('line');
    context.globalAlpha = 0.55;
    const left = this.centre.x - width / 2 / scale;
    const bottom = this.centre.y - height / 2 / scale;
    for (let x = Math.ceil(left / step) * step; x < left + width / scale; x += step) {
      context.moveTo(Math.round(toX(x)) + 0.5, 0);
      context.lineTo(Math.round(toX(x)) + 0.5, height);
    }
    for (let y = Math.ceil(bottom / step) * step; y < bottom + height / scale; y += step) {
      context.moveTo(0, Math.round(toY(y)) + 0.5);
      context.lineTo(width, Math.round(toY(y)) + 0.5);
    }
    context.stroke();
    context.globalAlpha = 1;
    // A scale says how far a step is.
    const length = step * scale;
    context.fillStyle = colour('dim');
    context.fillRect(width - 12 - length, height - 14, length, 2);
    context.font = '11px system-ui, sans-serif';
    context.textAlign = 'right';
    context.fillText(step >= 1000 ? `${step / 1000} km` : `${step} m`, width - 12, height - 19);
  }

  private drawGrid(toX: Project, toY: Project): void {
    const { context, grid } = this;
    if (grid === null) return;
    this.tinted ??= tint(grid.bitmap, colour('dim'));
    context.save();
    context.translate(toX(grid.origin.x), toY(grid.origin.y));
    context.rotate(-grid.origin.yaw);
    const pixel = this.scale * grid.resolution;
    context.imageSmoothingEnabled = pixel < 1;
    context.drawImage(
      this.tinted,
      0,
      -grid.height * pixel,
      grid.width * pixel,
      grid.height * pixel,
    );
    context.restore();
  }

  private drawTrack(toX: Project, toY: Project): void {
    if (this.track.length < 2) return;
    const { context } = this;
    context.beginPath();
    this.track.trace(context, toX, toY);
    context.strokeStyle = colour('accent');
    context.lineWidth = 2;
    context.lineJoin = 'round';
    context.globalAlpha = 0.8;
    context.stroke();
    context.globalAlpha = 1;
    context.lineWidth = 1;
  }

  private drawScan(toX: Project, toY: Project): void {
    if (this.scan === null) return;
    const { context } = this;
    const { points, pose } = this.scan;
    const cos = Math.cos(pose.yaw);
    const sin = Math.sin(pose.yaw);
    context.fillStyle = colour('c2');
    for (let i = 0; i + 1 < points.length; i += 2) {
      const x = pose.x + cos * points[i]! - sin * points[i + 1]!;
      const y = pose.y + sin * points[i]! + cos * points[i + 1]!;
      context.fillRect(toX(x) - 1.25, toY(y) - 1.25, 2.5, 2.5);
    }
  }

  private drawRobot(toX: Project, toY: Project): void {
    if (this.robot === null) return;
    const { context } = this;
    context.save();
    context.translate(toX(this.robot.x), toY(this.robot.y));
    context.rotate(-this.robot.yaw);
    const size = Math.min(22, Math.max(9, 0.25 * this.scale));
    context.beginPath();
    context.moveTo(size, 0);
    context.lineTo(-0.7 * size, 0.65 * size);
    context.lineTo(-0.4 * size, 0);
    context.lineTo(-0.7 * size, -0.65 * size);
    context.closePath();
    context.fillStyle = colour('accent');
    context.strokeStyle = colour('panel');
    context.lineWidth = 2;
    context.stroke();
    context.fill();
    context.restore();
  }

  private zoomAt(factor: number, px: number, py: number): void {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const x = this.centre.x + (px - width / 2) / this.scale;
    const y = this.centre.y - (py - height / 2) / this.scale;
    this.scale = clamp(this.scale * factor);
    this.centre = { x: x - (px - width / 2) / this.scale, y: y + (py - height / 2) / this.scale };
    this.fitted = true;
    this.setFollow(false);
    this.dirty = true;
  }

  private listen(): void {
    const { canvas, pointers } = this;
    const on = <K extends keyof HTMLElementEventMap>(
      name: K,
      act: (event: HTMLElementEventMap[K]) => void,
      options?: AddEventListenerOptions,
    ) => {
      canvas.addEventListener(name, act, options);
      this.ends.push(() => canvas.removeEventListener(name, act));
    };
    on(
      'wheel',
      (event) => {
        event.preventDefault();
        this.zoomAt(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
      },
      { passive: false },
    );
    on('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    });
    on('pointermove', (event) => {
      const before = pointers.get(event.pointerId);
      if (before === undefined) return;
      const now = { x: event.offsetX, y: event.offsetY };
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other === undefined) {
        this.centre.x -= (now.x - before.x) / this.scale;
        this.centre.y += (now.y - before.y) / this.scale;
        this.fitted = true;
        this.setFollow(false);
        this.dirty = true;
      } else {
        const gap = Math.hypot(before.x - other.x, before.y - other.y);
        const wide = Math.hypot(now.x - other.x, now.y - other.y);
        if (gap > 0) this.zoomAt(wide / gap, (now.x + other.x) / 2, (now.y + other.y) / 2);
      }
      pointers.set(event.pointerId, now);
    });
    const end = (event: PointerEvent) => pointers.delete(event.pointerId);
    on('pointerup', end);
    on('pointercancel', end);
  }
}

type Project = (metres: number) => number;

function clamp(scale: number): number {
  return Math.min(MOST_SCALE, Math.max(LEAST_SCALE, scale));
}

function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= least)! * power;
  return Number(step.toPrecision(2));
}

function tint(bitmap: ImageBitmap, ink: string): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext('2d')!;
  context.drawImage(bitmap, 0, 0);
  context.globalCompositeOperation = 'source-in';
  context.fillStyle = ink;
  context.fillRect(0, 0, canvas.width, canvas.height);
  return canvas;
}
