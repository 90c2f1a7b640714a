/** Holds the shape of src/: which room may import which, what may act or print, and what a stranger finds at the top of a file. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));
const COMPILED = new URL('../src/', import.meta.url);
const MAX_LINES = 250;

/** Room -> the rooms that it may import besides itself. The table of docs/architecture.md. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  record: ['snapshot'],
  snapshot: [],
  aggregate: ['snapshot'],
  catalogue: ['aggregate', 'snapshot'],
  export: ['aggregate', 'catalogue', 'security', 'server', 'snapshot'],
  server: [],
  security: ['server'],
  page: [],
  top: [],
};
/** At the top, for everybody; they know no room. */
const SHARED = [
  'errors.ts',
  'report.ts',
  'config.ts',
  'settings.ts',
  'redis-settings.ts',
  'setting-parsers.ts',
  'setting-row.ts',
  'yield-core.ts',
  'fastify-requests.ts',
  'first-server.ts',
  'late-meter.ts',
  'manifest.ts',
  'nearest-name.ts',
  'no-group.ts',
  'optional-package.ts',
  'started-threads.ts',
  'status-document.ts',
];
/** At the top, what index.ts and hooks.ts give to programs. */
const API = ['worker-metrics.ts', 'metric-producer.ts', 'http-views.ts', 'instrumentation.ts'];
/** At the top, and the only ones there that know rooms. */
const WIRING = [
  'start.ts',
  'lost-directory.ts',
  'member.ts',
  'leadership.ts',
  'serve.ts',
  'process-environment.ts',
  'identity.ts',
  'exporter-thread.ts',
  'index.ts',
  'surroundings.ts',
  'command-line.ts',
  'top.ts',
  'top-options.ts',
  'top-target.ts',
  ...API,
];
const ACTS_ON_IMPORT = ['register.ts', 'register.cts', 'cli.ts', 'export/thread.ts', 'page/page.ts'];
/** What a process loads that is preloaded and measures nothing. */
const BEFORE_SIGNS = [
  'first-server.ts',
  'preload.ts',
  'process-environment.ts',
  'register.ts',
  'snapshot/process-mark.ts',
];
const BANNED_NAMES = /^(utils?|helpers?|common|types|constants|base|misc)\b/;

interface SourceFile {
  /** Below src/, with slashes. */
  readonly path: string;
  /** '' at the top. */
  readonly room: string;
  readonly text: string;
  /** Paths below src/ of what it imports, one way or another. */
  readonly imports: readonly string[];
}

const files = readSources();

describe('imports', () => {
  it('are found by this test', () => {
    const member = files.find(({ path }) => path === 'member.ts')!;
    const late = files.find(({ path }) => path === 'record/late-app-metrics.ts')!;
    assert.ok(member.imports.includes('config.ts') && late.imports.includes('record/app-metrics.ts'));
    assert.ok(files.length > 25);
  });

  for (const [room, allowed] of Object.entries(ROOMS)) {
    it(`of ${room} lead to ${['itself', ...allowed].join(', ')} and to what is for everybody`, () => {
      const own = files.filter((file) => file.room === room);
      assert.ok(own.length > 0);
      const bad = own.flatMap(({ path, imports }) =>
        imports
          .filter((target) => {
            const other = roomOf(target);
            return other === '' ? !SHARED.includes(target) : other !== room && !allowed.includes(other);
          })
          .map((target) => `${path} -> ${target}`),
      );
      assert.deepEqual(bad, []);
    });
  }

  it('of page lead out of it for the type of its data and nothing else: a browser loads it as it is', () => {
    const out = files
      .filter(({ room }) => room === 'page')
      .flatMap(({ text }) => [...text.matchAll(/^import .*'(?:\.\.\/[^']+|[^.'][^']*)';$/gm)].map(([line]) => line));
    assert.ok(out.length > 0);
    for (const line of out) assert.match(line, /^import type \{.*\} from '\.\.\/status-document\.ts';$/);
  });

  it('of what is for everybody lead to no room and no other file of the top', () => {
    for (const { path, imports } of files.filter((file) => SHARED.includes(file.path))) {
      assert.deepEqual(
        imports.filter((target) => !SHARED.includes(target)),
        [],
        path,
      );
    }
  });

  it('of the other files of the top lead to no room, except where rooms are wired', () => {
    const others = files.filter(({ path, room }) => room === '' && !WIRING.includes(path));
    const bad = others.flatMap(({ path, imports }) => imports.filter(roomOf).map((target) => `${path} -> ${target}`));
    assert.deepEqual(bad, []);
  });

  it('know every directory of src as a room', () => {
    assert.deepEqual([...new Set(files.map(({ room }) => room))].filter(Boolean).sort(), Object.keys(ROOMS).sort());
  });
});

describe('acting on import', () => {
  it('is left to the entries: no statement at the top of any other file does anything', () => {
    // In the compiled files, where types are gone; declarations, and what closes them, are all that begins a line.
    const declaration = /^(import|export|const|let|class|function|async function|[\]})/*#\s]|$)/;
    for (const { path } of files) {
      if (ACTS_ON_IMPORT.includes(path)) continue;
      const lines = readFileSync(compiled(path), 'utf8').split('\n');
      assert.deepEqual(
        lines.filter((line) => !declaration.test(line)),
        [],
        path,
      );
    }
  });

  it('of everything else leaves no trace in the process', () => {
    const modules = files.filter(({ path }) => !ACTS_ON_IMPORT.includes(path)).map(({ path }) => compiled(path).href);
    const source = `
      import cluster from 'node:cluster';
      import http from 'node:http';
      const look = () => JSON.stringify({
        listeners: process.eventNames().map((name) => [String(name), process.listenerCount(name)]),
        // Not the reading of the modules themselves, nor the standard streams, which the SDK 3.x opens when it is loaded.
        resources: process.getActiveResourcesInfo().filter((resource) => !/Req|PipeWrap/.test(resource)),
        settings: Object.getOwnPropertyDescriptor(cluster, 'settings'),
        shadowed: ['write', 'end'].filter((name) => Object.hasOwn(http.ServerResponse.prototype, name)),
        variables: Object.keys(process.env),
        preloaded: Symbol.for('@x/gunicorn-otel.preloaded') in globalThis,
      });
      const before = look();
      for (const module of ${JSON.stringify(modules)}) await import(module);
      const after = look();
      if (before !== after) throw new Error(before + ' -> ' + after);`;
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    assert.deepEqual({ stdout, stderr, status }, { stdout: '', stderr: '', status: 0 });
  });

  it('is all that the entries are there for: they export nothing', () => {
    for (const { path, text } of files.filter((file) => ACTS_ON_IMPORT.includes(file.path))) {
      assert.doesNotMatch(text, /^export /m, path);
    }
  });
});

describe('a preloaded process', () => {
  it('loads no more than this before there is a sign: each module delays every process of the machine', () => {
    const loaded = new Set<string>();
    const load = (path: string) => {
      if (loaded.has(path)) return;
      loaded.add(path);
      const text = readFileSync(compiled(path), 'utf8');
      for (const [, target] of text.matchAll(/^(?:import|export) (?:.* from )?'(\.[^']+)\.js';$/gm)) {
        load(join(dirname(path), `${target}.ts`).replaceAll('\\', '/'));
      }
    };
    load('register.ts');
    assert.deepEqual([...loaded].sort(), BEFORE_SIGNS);
  });
});

describe('output', () => {
  it('by console, to stdout, and exit codes are for cli.ts alone', () => {
    for (const { path, text } of files) {
      if (path === 'cli.ts') continue;
      assert.doesNotMatch(withoutComments(text), /\bconsole\.|process\.(stdout|stderr|exit\(|exitCode)/, path);
    }
  });
});

describe('a file', () => {
  it(`has at most ${MAX_LINES} lines`, () => {
    const long = files.map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }));
    assert.deepEqual(
      long.filter(({ lines }) => lines > MAX_LINES),
      [],
    );
  });

  it('begins with what it is there for', () => {
    const bare = files.filter(({ text }) => !/^(#!.*\n)?\/\*\* ?\S|^(#!.*\n)?\/\*\*\n \* \S/.test(text));
    assert.deepEqual(
      bare.map(({ path }) => path),
      [],
    );
  });

  it('is named by what it holds, in small letters', () => {
    for (const { path } of files) {
      assert.match(basename(path), /^[a-z][a-z0-9-]*\.c?ts$/);
      assert.doesNotMatch(basename(path), BANNED_NAMES);
    }
  });

  it('tells of each function, class and constant that it exports what the types cannot', () => {
    const untold = files.flatMap(({ path, text }) => {
      const lines = text.split('\n');
      return lines.flatMap((line, i) => {
        const [, name] = /^export (?:abstract |async )*(?:function\*?|class|const|let) (\w+)/.exec(line) ?? [];
        const before = lines[i - 1] ?? '';
        return name && !/\*\/$|^\/\//.test(before) ? [`${path}: ${name}`] : [];
      });
    });
    assert.deepEqual(untold, []);
  });
});

function readSources(): SourceFile[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => /\.c?ts$/.test(path))
    .sort()
    .map((path) => {
      const text = readFileSync(join(SRC, path), 'utf8');
      return { path, room: roomOf(path), text, imports: importsOf(path, text) };
    });
}

// Every relative path in quotes: `from`, import(), require() of a compiled file, and a Worker's URL.
function importsOf(path: string, text: string): string[] {
  return [...withoutComments(text).matchAll(/'(\.\.?\/[^']+)'/g)]
    .map(([, target]) => join(dirname(path), target!).replaceAll('\\', '/'))
    .filter((target) => !target.startsWith('..'))
    .map((target) => target.replace(/\.(c?)js$/, '.$1ts'));
}

function roomOf(path: string): string {
  return path.includes('/') ? path.split('/')[0]! : '';
}

function compiled(path: string): URL {
  return new URL(path.replace(/\.(c?)ts$/, '.$1js'), COMPILED);
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*.*?\*\//gs, '').replaceAll(/(^|\s)\/\/.*$/gm, '$1');
}
