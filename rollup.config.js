/**
 * Joins what tsc has compiled into the few files that are packed: a process pays for each ES module that it loads
 * (docs/decisions/060-joined.md). Names, comments and order stay; dist/src is what unit tests import.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const COMPILED = new URL('dist/src/', import.meta.url);
const JOINED = 'dist/lib';

/**
 * What others load, and what is loaded later by a path: each lies where that path leads from the file that has it
 * (test/joined.test.ts).
 */
const ENTRIES = {
  index: 'index',
  hooks: 'hooks',
  cli: 'cli',
  register: 'register',
  preload: 'preload',
  signs: 'signs',
  'started-threads': 'started-threads',
  start: 'start',
  'app-metrics': 'record/app-metrics',
  'http-instrumentation': 'record/http-instrumentation',
  'export/thread': 'export/thread',
  'export/exporter': 'export/exporter',
};
const inSnapshot = ['count-events', 'group', 'monotonic', 'own-metrics', 'reader'].map((name) => `snapshot/${name}`);
/** Modules that several of them share, with what these import: the rest is left to Rollup. */
const SHARED = {
  preload: ['preload', 'process-environment', 'snapshot/process-mark'],
  signs: ['signs', 'errors', 'report', 'late-meter', 'fastify-requests'],
  metrics: ['catalogue/metrics'],
  marks: ['record/marks'],
  shared: [
    'config',
    'config-module',
    'group-name',
    'manifest',
    'nearest-name',
    'optional-package',
    'settings',
    ...inSnapshot,
  ],
};
/** Files that are no ES modules of ours: for require(), and for browsers. */
const COPIED = ['register.cjs', ...filesOfPage().map((name) => `page/${name}`)];

// What an earlier build has left would be packed.
rmSync(JOINED, { recursive: true, force: true });

export default {
  input: Object.fromEntries(Object.entries(ENTRIES).map(([name, module]) => [name, compiled(module)])),
  external: (specifier) => !/^[./]/.test(specifier),
  // An entry may hold what others need of it, instead of one file more.
  preserveEntrySignatures: 'allow-extension',
  output: {
    dir: JOINED,
    format: 'esm',
    chunkFileNames: '[name].js',
    minifyInternalExports: false,
    // Imports of imports would be loaded a little sooner, and are harder to read.
    hoistTransitiveImports: false,
    manualChunks: Object.fromEntries(Object.entries(SHARED).map(([name, modules]) => [name, modules.map(compiled)])),
  },
  onLog(level, { message }) {
    if (level === 'warn') throw new Error(message);
  },
  plugins: [
    {
      name: 'copy',
      generateBundle() {
        for (const fileName of COPIED) {
          this.emitFile({ type: 'asset', fileName, source: readFileSync(new URL(fileName, COMPILED)) });
        }
      },
    },
  ],
};

function compiled(module) {
  return fileURLToPath(new URL(`${module}.js`, COMPILED));
}

function filesOfPage() {
  return readdirSync(new URL('page/', COMPILED)).filter((name) => !name.endsWith('.d.ts'));
}
