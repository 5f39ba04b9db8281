// Copyright 2026 The ros_cloud_bridge authors
// SPDX-License-Identifier: Apache-2.0

import { render } from 'preact';
import 'uplot/dist/uPlot.min.css';

import { start } from './page/start';
import './style.css';
import { App } from './ui/app';

// First: the worker connects while the page is drawn.
await start();
render(<App />, document.getElementById('app')!);
