/** Holds what rollup.config.js makes of the compiled modules: the files that are packed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { rollup } from '@rollup/wasm-node';
import { freshDirectory, ROOT } from './processes.ts';

const JOINED = new URL('../lib/', import.meta.url);
/** What a process loads that is preloaded and measures nothing. */
const BEFORE_SIGNS = ['preload.js', 'register.js'];
/** What a worker loads besides, unless the app has metrics of its own. */
const MEMBER = ['marks.js', 'preload.js', 'shared.js', 'signs.js', 'start.js', 'started-threads.js'];
/** Loaded by people, for a while: `top` has arrows. */
const COMMAND = 'cli.js';

const files = readdirSync(JOINED, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => /\.c?js$/.test(path) && !path.startsWith('page/'));

describe('the files that are packed', () => {
  it('are few, and each is named for what it has', () => {
    assert.deepEqual([...files].sort(), [
      'app-metrics.js',
      'cli.js',
      'export/exporter.js',
      'export/thread.js',
      'hooks.js',
      'http-instrumentation.js',
      'index.js',
      'marks.js',
      'metrics.js',
      'preload.js',
      'register.cjs',
      'register.js',
      'shared.js',
      'signs.js',
      'start.js',
      'started-threads.js',
    ]);
  });

  it('find each other, and what is loaded later, where their paths lead', () => {
    for (const file of files) {
      const paths = [...read(file).matchAll(/(['"`])(\.\.?\/[^'"`]*)\1/g)].map(([, , path]) => path!);
      // Below node_modules is what the app has.
      const own = paths.filter((path) => !path.includes('/node_modules/'));
      for (const path of own) assert.ok(existsSync(new URL(path, new URL(file, JOINED))), `${file}: ${path}`);
    }
  });

  it('give what the modules give that they are made of, and nothing more', async () => {
    for (const entry of ['index.js', 'hooks.js']) {
      const [joined, compiled] = await Promise.all([import(`../lib/${entry}`), import(`../src/${entry}`)]);
      assert.deepEqual(Object.keys(joined), Object.keys(compiled), entry);
    }
    for (const entry of ['register.js', 'cli.js', 'export/thread.js'])
      assert.doesNotMatch(read(entry), /^export /m, entry);
  });

  it('may be joined into an app with what it uses of them: nothing in them needs its own place before it is used', async (t) => {
    const { sideEffects } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { sideEffects: string[] };
    const acting = sideEffects.map((path) => join(ROOT, path));
    const app = '\0app';
    const index = JSON.stringify(fileURLToPath(new URL('index.js', JOINED)));
    const names = ['setRoute', 'recordException', 'GunicornOtelError', 'METRICS', 'SETTINGS', 'readSettings'];
    const bundle = await rollup({
      input: app,
      external: (id) => !/^[./\0]/.test(id),
      treeshake: { moduleSideEffects: (id) => id === app || acting.includes(id) },
      plugins: [
        {
          name: 'app',
          resolveId: (id) => (id === app ? id : null),
          load: (id) =>
            id === app
              ? `import { ${names} } from ${index};\nsetRoute({}, '/');\nreadSettings({});\nconsole.log([${names}].length);`
              : null,
        },
      ],
    });
    // Nothing is beside it, and nothing can be asked from there.
    const file = join(freshDirectory(t), 'app.mjs');
    await bundle.write({ file, format: 'esm' });
    const source = readFileSync(file, 'utf8').replaceAll('import.meta.url', 'undefined');
    const stdout = execFileSync(process.execPath, ['--input-type=module'], {
      input: source,
      encoding: 'utf8',
      cwd: ROOT,
    });
    assert.equal(stdout.trim(), String(names.length));
    assert.ok(!source.includes('class ExporterThread'), 'what is not used is left out');
  });

  it('are Latin-1: one letter of another alphabet, and V8 keeps two bytes for each of the file', () => {
    for (const file of files.filter((each) => each !== COMMAND)) {
      const foreign = [...read(file)].filter((letter) => letter.codePointAt(0)! > 0xff);
      assert.deepEqual(foreign, [], file);
    }
  });

  it('are two before there is a sign, and a few in a worker: each delays every process, and takes memory', () => {
    assert.deepEqual(loadedBy('register.js'), BEFORE_SIGNS);
    assert.deepEqual(loadedBy('start.js'), MEMBER);
  });
});

function read(file: string): string {
  return readFileSync(new URL(file, JOINED), 'utf8');
}

function loadedBy(entry: string, loaded = new Set<string>()): string[] {
  loaded.add(entry);
  for (const [, path] of read(entry).matchAll(/^(?:import|export) (?:.* from )?'\.\/([^']+)';$/gm)) {
    if (!loaded.has(path!)) loadedBy(path!, loaded);
  }
  return [...loaded].sort();
}
