import { resolve } from 'node:path';

import { defineConfig } from 'vite';

const HERE = import.meta.dirname;

/** The protocol alone, as one module that also runs under node 18; built behind the page. */
export default defineConfig({
  build: {
    outDir: resolve(HERE, '../ros_cloud_bridge/cloud/web/assets'),
    emptyOutDir: false,
    target: 'es2022',
    lib: { entry: resolve(HERE, 'src/protocol/bundle.ts'), formats: ['es'], fileName: () => 'protocol.mjs' },
  },
});
