// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

/** A point cloud in WebGL: orbited by dragging, zoomed by wheel and pinch, coloured by a value. */

import type { CloudView } from '../link/views';
import { colour } from './theme';
import { ticker } from './ticker';

export type Shading = 'height' | 'intensity' | 'distance';

const VERTEX = `
attribute vec3 place;
attribute float shade;
uniform mat4 camera;
uniform vec2 range;
uniform float size;
varying float level;
void main() {
  gl_Position = camera * vec4(place, 1.0);
  gl_PointSize = clamp(size / gl_Position.w, 1.5, 9.0);
  level = clamp((shade - range.x) / max(range.y - range.x, 1e-6), 0.0, 1.0);
}`;

// A polynomial fit of a perceptual blue-green-yellow-red ramp: equal steps look equal.
const FRAGMENT = `
precision mediump float;
varying float level;
uniform vec4 flat_colour;
void main() {
  vec2 off = gl_PointCoord - 0.5;
  if (flat_colour.a == 0.0 && dot(off, off) > 0.25) discard;
  vec3 low = mix(vec3(0.19, 0.32, 0.85), vec3(0.10, 0.78, 0.76), smoothstep(0.0, 0.35, level));
  vec3 mid = mix(low, vec3(0.62, 0.90, 0.30), smoothstep(0.3, 0.65, level));
  vec3 top = mix(mid, vec3(0.98, 0.45, 0.25), smoothstep(0.65, 1.0, level));
  gl_FragColor = flat_colour.a > 0.0 ? flat_colour : vec4(top, 1.0);
}`;

export class CloudScene {
  shading: Shading = 'height';
  private readonly gl: WebGLRenderingContext;
  private readonly program: WebGLProgram;
  private readonly places: WebGLBuffer;
  private readonly shades: WebGLBuffer;
  private readonly ground: WebGLBuffer;
  private readonly ends: (() => void)[] = [];
  private readonly pointers = new Map<number, { x: number; y: number }>();
  private cloud: CloudView | null = null;
  private count = 0;
  private groundCount = 0;
  private range: readonly [number, number] = [0, 1];
  private yaw = -2.3;
  private pitch = 0.65;
  private distance = 0;
  private target = [0, 0, 0];
  private dirty = true;

  /** @throws Error where the browser has no WebGL */
  constructor(private readonly canvas: HTMLCanvasElement) {
    const gl = canvas.getContext('webgl', { antialias: true, alpha: true });
    if (gl === null) throw new Error('this browser has no WebGL');
    this.gl = gl;
    this.program = link(gl);
    this.places = gl.createBuffer()!;
    this.shades = gl.createBuffer()!;
    this.ground = gl.createBuffer()!;
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(canvas);
    this.ends.push(() => observer.disconnect(), ticker.add(() => this.draw()));
    this.layGround();
    this.listen();
  }

  close(): void {
    for (const end of this.ends) end();
    this.gl.getExtension('WEBGL_lose_context')?.loseContext();
  }

  show(cloud: CloudView): void {
    this.cloud = cloud;
    this.count = cloud.points.length / 3;
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.places);
    gl.bufferData(gl.ARRAY_BUFFER, cloud.points, gl.DYNAMIC_DRAW);
    if (this.distance === 0 && this.count > 0) this.aim(cloud.points);
    this.shade();
  }

  setShading(shading: Shading): void {
    this.shading = shading;
    this.shade();
  }

  private shade(): void {
    const { cloud, gl } = this;
    if (cloud === null) return;
    const values = new Float32Array(this.count);
    for (let i = 0; i < this.count; i++) {
      const [x, y, z] = [cloud.points[3 * i]!, cloud.points[3 * i + 1]!, cloud.points[3 * i + 2]!];
      if (this.shading === 'height') values[i] = z;
      else if (this.shading === 'distance') values[i] = Math.hypot(x, y, z);
      else values[i] = cloud.intensity[i] ?? 0;
    }
    // Outliers would leave all others one colour.
    const sample = values.filter((_, i) => i % Math.ceil(this.count / 2000) === 0).sort();
    this.range = [sample[Math.floor(sample.length * 0.02)] ?? 0, sample[Math.floor(sample.length * 0.98)] ?? 1];
    gl.bindBuffer(gl.ARRAY_BUFFER, this.shades);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
    this.dirty = true;
  }

  /** Looks at the middle of most points, from far enough to see them. */
  private aim(points: Float32Array): void {
    const sums = [0, 0, 0];
    for (let i = 0; i < points.length; i++) sums[i % 3]! += points[i]!;
    this.target = sums.map((sum) => sum / this.count);
    const far: number[] = [];
    const step = Math.ceil(this.count / 2000);
    for (let i = 0; i < this.count; i += step) {
      far.push(
        Math.hypot(
          points[3 * i]! - this.target[0]!,
          points[3 * i + 1]! - this.target[1]!,
          points[3 * i + 2]! - this.target[2]!,
        ),
      );
    }
    far.sort((one, other) => one - other);
    this.distance = Math.max(1, 2.2 * (far[Math.floor(0.7 * far.length)] ?? 5));
  }

  private layGround(): void {
    const lines: number[] = [];
    const most = 50;
    for (let i = -most; i <= most; i += 5) {
      lines.push(i, -most, 0, i, most, 0, -most, i, 0, most, i, 0);
    }
    this.groundCount = lines.length / 3;
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.ground);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, new Float32Array(lines), this.gl.STATIC_DRAW);
  }

  private resize(): void {
    const ratio = Math.min(devicePixelRatio, 2);
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    this.dirty = true;
  }

  private draw(): void {
    if (!this.dirty || this.canvas.width === 0) return;
    this.dirty = false;
    const { gl, program, canvas } = this;
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.useProgram(program);
    const place = gl.getAttribLocation(program, 'place');
    const shade = gl.getAttribLocation(program, 'shade');
    const flat = gl.getUniformLocation(program, 'flat_colour');
    gl.uniformMatrix4fv(gl.getUniformLocation(program, 'camera'), false, this.camera());
    gl.uniform2f(gl.getUniformLocation(program, 'range'), ...this.range);
    gl.uniform1f(gl.getUniformLocation(program, 'size'), canvas.height / 22);
    gl.enableVertexAttribArray(place);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.ground);
    gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
    gl.disableVertexAttribArray(shade);
    gl.uniform4f(flat, ...rgb(colour('line')), 1);
    gl.drawArrays(gl.LINES, 0, this.groundCount);
    if (this.count === 0) return;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.places);
    gl.vertexAttribPointer(place, 3, gl.FLOAT, false, 0, 0);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.shades);
    gl.enableVertexAttribArray(shade);
    gl.vertexAttribPointer(shade, 1, gl.FLOAT, false, 0, 0);
    gl.uniform4f(flat, 0, 0, 0, 0);
    gl.drawArrays(gl.POINTS, 0, this.count);
  }

  private camera(): Float32Array {
    const distance = this.distance || 20;
    const aspect = this.canvas.width / this.canvas.height;
    const [cp, sp] = [Math.cos(this.pitch), Math.sin(this.pitch)];
    const [cy, sy] = [Math.cos(this.yaw), Math.sin(this.yaw)];
    const eye = [
      this.target[0]! + distance * cp * cy,
      this.target[1]! + distance * cp * sy,
      this.target[2]! + distance * sp,
    ];
    // Forward, right and up of a camera that keeps the horizon level (z is up, REP-103).
    const f = [-cp * cy, -cp * sy, -sp];
    const r = [-sy, cy, 0];
    const u = [-sp * cy, -sp * sy, cp];
    const dot = (axis: number[]) => -(axis[0]! * eye[0]! + axis[1]! * eye[1]! + axis[2]! * eye[2]!);
    const focal = 1 / Math.tan(0.45);
    const near = distance / 100;
    const far = distance * 40;
    const a = (far + near) / (near - far);
    const b = (2 * far * near) / (near - far);
    const sx = focal / aspect;
    // Column by column: projection times view.
    return new Float32Array([
      sx * r[0]!, focal * u[0]!, -a * f[0]!, f[0]!,
      sx * r[1]!, focal * u[1]!, -a * f[1]!, f[1]!,
      sx * r[2]!, focal * u[2]!, -a * f[2]!, f[2]!,
      sx * dot(r), focal * dot(u), -a * dot(f) + b, dot(f),
    ]);
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
        this.distance *= Math.exp(event.deltaY * 0.0012);
        this.dirty = true;
      },
      { passive: false },
    );
    on('contextmenu', (event) => event.preventDefault());
    on('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    });
    on('pointermove', (event) => {
      const before = pointers.get(event.pointerId);
      if (before === undefined) return;
      const now = { x: event.offsetX, y: event.offsetY };
      const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other !== undefined) {
        const gap = Math.hypot(before.x - other.x, before.y - other.y);
        if (gap > 0) this.distance *= gap / Math.max(1, Math.hypot(now.x - other.x, now.y - other.y));
      } else if (event.buttons === 2 || event.shiftKey) this.pan(now.x - before.x, now.y - before.y);
      else {
        this.yaw -= (now.x - before.x) * 0.008;
        this.pitch = Math.min(1.55, Math.max(-1.2, this.pitch + (now.y - before.y) * 0.006));
      }
      pointers.set(event.pointerId, now);
      this.dirty = true;
    });
    const end = (event: PointerEvent) => pointers.delete(event.pointerId);
    on('pointerup', end);
    on('pointercancel', end);
  }

  private pan(dx: number, dy: number): void {
    const step = (2 * this.distance * Math.tan(0.45)) / this.canvas.clientHeight;
    const [cp, sp] = [Math.cos(this.pitch), Math.sin(this.pitch)];
    const [cy, sy] = [Math.cos(this.yaw), Math.sin(this.yaw)];
    this.target[0]! += step * (dx * sy - dy * sp * cy);
    this.target[1]! += step * (-dx * cy - dy * sp * sy);
    this.target[2]! += step * dy * cp;
  }
}

function link(gl: WebGLRenderingContext): WebGLProgram {
  const program = gl.createProgram()!;
  for (const [kind, text] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(kind)!;
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
    throw new Error(gl.getProgramInfoLog(program) ?? 'the shaders cannot be built');
  }
  return program;
}

function rgb(hex: string): [number, number, number] {
  const digits = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(hex);
  if (digits === null) return [0.5, 0.5, 0.5];
  return [1, 2, 3].map((i) => parseInt(digits[i]!, 16) / 255) as [number, number, number];
}
