import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';

import { defineConfig, type Plugin } from 'vite';

const HERE = import.meta.dirname;
const ASSETS = resolve(HERE, '../ros_cloud_bridge/cloud/web/assets');
// What the page is built from, beside src/; test/cloud/test_web_assets.py reads the same.
const BESIDE = [
  'index.html', 'package.json', 'package-lock.json', 'tsconfig.json', 'vite.config.ts', 'vite.protocol.config.ts',
];

function sources(): string[] {
  const inside = readdirSync(join(HERE, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map((entry) => relative(HERE, join(entry.parentPath, entry.name)).split(sep).join('/'));
  return [...inside, ...BESIDE].sort();
}

/** Leaves a hash of the sources beside what was built from them, so that a test can see its age. */
function stamp(): Plugin {
  return {
    name: 'stamp',
    apply: 'build',
    closeBundle() {
      const hash = createHash('sha256');
      for (const name of sources()) {
        const content = readFileSync(join(HERE, name));
        hash.update(`${name}\0${content.length}\0`).update(content);
      }
      writeFileSync(join(ASSETS, 'sources.sha256'), `${hash.digest('hex')}\n`);
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [stamp()],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: ASSETS,
    // What stands there has its hash in its name: the server lets browsers keep it for ever.
    assetsDir: 'immutable',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    // A data: URL would need a hole in the page's content security policy.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
  },
  worker: { format: 'es' },
  test: { include: ['test/**/*.test.ts', 'src/**/*.test.ts'] },
} as Parameters<typeof defineConfig>[0]);
