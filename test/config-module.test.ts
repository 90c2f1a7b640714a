/** Holds src/config-module.ts: what a module may export, and one line for everything that is wrong with it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { readSettings } from '../src/config.ts';
import { loadConfigModule } from '../src/config-module.ts';
import { freshDirectory } from './processes.ts';

const NOTHING = { settings: {}, views: [], hooks: {}, problems: [] };
const HOOKS = 'onStarting whenReady onReload workerInt preRequest postRequest childExit onExit'.split(' ');

describe('the config module', () => {
  it('need not be there', (t) => {
    assert.deepEqual(loadConfigModule({}, freshDirectory(t)), { file: undefined, ...NOTHING });
    assert.deepEqual(loadConfigModule({}, '/not/there'), { file: undefined, ...NOTHING });
  });

  it('is gunicorn.conf.mjs in the working directory, or what the variable or the option names', (t) => {
    const cwd = freshDirectory(t);
    const write = (name: string, port: number) => {
      writeFileSync(join(cwd, name), `export const metricsPort = ${port};`);
      return { file: join(cwd, name), ...NOTHING, settings: { metricsPort: port } };
    };
    const [byDefault, byVariable, byOption] = [write('gunicorn.conf.mjs', 1), write('b.mjs', 2), write('c.mjs', 3)];
    assert.deepEqual(loadConfigModule({}, cwd), byDefault);
    assert.deepEqual(loadConfigModule({ GUNICORN_OTEL_CONFIG: 'b.mjs' }, cwd), byVariable);
    assert.deepEqual(loadConfigModule({ GUNICORN_OTEL_CONFIG: join(cwd, 'b.mjs') }, '/'), byVariable);
    assert.deepEqual(loadConfigModule({ GUNICORN_OTEL_CONFIG: 'b.mjs' }, cwd, { configFile: 'c.mjs' }), byOption);
  });

  it('exports settings by their names in code and by their variables, values or text', (t) => {
    const { file, settings, problems } = load(
      t,
      `export const metricsPort = 0, bindAddress = '::1';
       export const GUNICORN_OTEL_SCRAPE_TIMEOUT = 3, flushIntervalMs = 20;
       export const GUNICORN_OTEL_DURATION_BUCKETS = [1, 2], gaugeModes = { a: 'max', '*': 'sum' };
       export const OTEL_SDK_DISABLED = true, resourceAttributes = { 'a b': 'c,d', e: 5 }, REDIS_PASSWORD = 12;
       export const exitedRetentionMs = undefined;`,
    );
    assert.deepEqual(problems, []);
    const read = readSettings({}, {}, { file, settings });
    assert.deepEqual(read.problems, []);
    const set = Object.entries(read.settings).filter(([key]) => read.origins[key as 'labels'] === file);
    assert.deepEqual(Object.fromEntries(set), {
      metricsPort: 0,
      bindAddress: '::1',
      // As in the variable a bare number counts seconds, under the name in code what the name says.
      scrapeTimeoutMs: 3000,
      flushIntervalMs: 20,
      durationBuckets: [1, 2],
      gaugeModes: { a: 'max', '*': 'sum' },
      sdkDisabled: true,
      resourceAttributes: { 'a b': 'c,d', e: '5' },
      redisPassword: '12',
    });
  });

  it('is told by the name in code when it exports a setting twice, then by the variable, then by its twin', (t) => {
    const twin = "export const OTEL_EXPORTER_PROMETHEUS_PORT = '3';";
    const variable = "export const PROMETHEUS_METRICS_PORT = '2';";
    assert.equal(load(t, `${twin}${variable} export const metricsPort = '1';`).settings.metricsPort, '1');
    assert.equal(load(t, `${twin}${variable}`).settings.metricsPort, '2');
    assert.equal(load(t, twin).settings.metricsPort, '3');
  });

  it('may do so by a default export, as CommonJS, or by both', (t) => {
    const members = "{ metricsPort: 1, onExit() {}, views: [{ instrumentName: 'a' }] }";
    for (const [text, name] of [
      [`export default ${members};`, 'a.mjs'],
      [`module.exports = ${members};`, 'a.cjs'],
      [`exports.__esModule = true; exports.default = ${members};`, 'b.cjs'],
    ] as const) {
      const { settings, views, hooks, problems } = load(t, text, name);
      assert.deepEqual([settings, views, problems], [{ metricsPort: 1 }, [{ instrumentName: 'a' }], []], text);
      assert.deepEqual(Object.keys(hooks), ['onExit']);
    }
    const both = load(t, `export const metricsPort = 2; export default ${members};`);
    assert.deepEqual([both.settings, both.problems], [{ metricsPort: 2 }, []]);
  });

  it('exports hooks, the eight there are', (t) => {
    const { hooks, problems } = load(
      t,
      HOOKS.map((name) => `export function ${name}() { return '${name}'; }`).join('\n'),
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(
      Object.values(hooks).map((hook) => hook()),
      HOOKS,
    );
  });
});

describe('one line tells', () => {
  const long = (text: string) => new RegExp(`^\\S+gunicorn.conf.mjs: ${text}$`);
  const WRONG: Record<string, [string, RegExp]> = {
    'of a hook that is no function': ['export const onExit = 5;', long('the hook onExit is no function; .*')],
    'of views that are none': ['export const views = {};', long('views is no array of objects; none of them is used')],
    'of a view that is none': ["export const views = [{}, 'x'];", long('views is no array of objects; .*')],
    'of an export that is nearly one': ['export const metricPort = 1;', long('metricPort .* is metricsPort meant\\?')],
    'of a hook in the manner of Python': ['export const when_ready = () => {};', long('.*is whenReady meant\\?')],
    'of an export that is nothing': ['export const handler = 1;', long('handler is nothing known, it has no effect')],
    'of one that names itself': [
      'export const configFile = "x";',
      long('configFile has no effect in the module itself'),
    ],
    'of one that throws, and where': [
      "\nthrow new Error('a\\nb');",
      /cannot be loaded: a b \(line 2\); the app runs without it/,
    ],
    'of one that throws nothing of use': ['throw null;', /cannot be loaded: null;/],
    'of one that does not parse': ['export const = 1;', /cannot be loaded: Unexpected token '='/],
    'of one that imports what is not there': ["import './no.mjs';", /cannot be loaded: Cannot find module .*no\.mjs/],
    'of a top-level await': ['await 1;', /top-level await.*move what awaits into a hook; the app runs without it$/],
    'of a getter that throws': ['export default { get x() { throw new Error("boom"); } };', /cannot be loaded: boom/],
  };
  for (const [what, [text, line]] of Object.entries(WRONG)) {
    it(what, (t) => {
      const { problems, settings, views, hooks } = load(t, text);
      assert.equal(problems.length, 1, problems.join('\n'));
      assert.match(problems[0]!, line);
      assert.doesNotMatch(problems[0]!, /\n/);
      assert.deepEqual([settings, views, hooks], [{}, [], {}]);
    });
  }

  it('of a module that is named and is not there, and by whom', (t) => {
    const cwd = freshDirectory(t);
    mkdirSync(join(cwd, 'directory'));
    for (const name of ['no.mjs', 'directory']) {
      const { problems, file } = loadConfigModule({ GUNICORN_OTEL_CONFIG: name }, cwd);
      assert.deepEqual(problems, [`GUNICORN_OTEL_CONFIG: ${join(cwd, name)} is not there; the app runs without it`]);
      assert.equal(file, undefined);
    }
    assert.match(loadConfigModule({}, cwd, { configFile: 'no.mjs' }).problems[0]!, /^option configFile: /);
  });

  it('of an ES module where Node cannot require one, and a CommonJS module is loaded there', (t) => {
    const cwd = freshDirectory(t);
    writeFileSync(join(cwd, 'gunicorn.conf.mjs'), 'export const metricsPort = 1;');
    writeFileSync(join(cwd, 'a.cjs'), 'exports.metricsPort = 1;');
    const run = (name: string) => loadIn(cwd, name, '--no-experimental-require-module');
    assert.match(run('gunicorn.conf.mjs').problems[0], /an ES module, which Node .* cannot require: make it \.cjs/);
    assert.deepEqual(run('a.cjs'), { file: join(cwd, 'a.cjs'), ...NOTHING, settings: { metricsPort: 1 } });
  });
});

it('nothing is written to stderr by loading an ES module, no warning of Node either', (t) => {
  const cwd = freshDirectory(t);
  writeFileSync(join(cwd, 'a.mjs'), 'export const metricsPort = 1;');
  assert.deepEqual(loadIn(cwd, 'a.mjs').settings, { metricsPort: 1 });
});

function load(t: TestContext, text: string, name = 'gunicorn.conf.mjs') {
  const cwd = freshDirectory(t);
  writeFileSync(join(cwd, name), text);
  return loadConfigModule(name === 'gunicorn.conf.mjs' ? {} : { GUNICORN_OTEL_CONFIG: name }, cwd);
}

// In a process of its own, whose stderr must stay empty.
function loadIn(cwd: string, name: string, ...flags: string[]) {
  const module = new URL('../src/config-module.js', import.meta.url).href;
  const source = `import { loadConfigModule } from ${JSON.stringify(module)};
    console.log(JSON.stringify(loadConfigModule({ GUNICORN_OTEL_CONFIG: ${JSON.stringify(name)} }, ${JSON.stringify(cwd)})));`;
  const args = [...flags, '--input-type=module', '--eval', source];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 });
  assert.deepEqual({ stderr, status }, { stderr: '', status: 0 });
  return JSON.parse(stdout);
}
