import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { workerExecArgv, workerNodeOptions } from '../src/hand-over.ts';

const REGISTER_CJS = fileURLToPath(new URL('../src/register.cjs', import.meta.url));
const REGISTER_JS = fileURLToPath(new URL('../src/register.js', import.meta.url));
const REQUIRED = ['--require', REGISTER_CJS];

test('the --import of this package becomes a --require, in each form Node takes, and other imports stay', () => {
  for (const own of ['@x/gunicorn-otel/register', REGISTER_JS, new URL('../src/register.js', import.meta.url).href]) {
    assert.deepEqual(workerExecArgv(['--import', own, '--no-warnings'], undefined), ['--no-warnings', ...REQUIRED]);
    assert.deepEqual(workerExecArgv([`--import=${own}`, '--import', './x.mjs'], ''), [
      '--import',
      './x.mjs',
      ...REQUIRED,
    ]);
    const required = `--require ${JSON.stringify(REGISTER_CJS)}`;
    assert.equal(workerNodeOptions(`--import ${own} --trace-warnings`), `${required} --trace-warnings`);
    assert.equal(workerNodeOptions(`--import="${own}" --import ./x.mjs`), `${required} --import ./x.mjs`);
  }
});

test('workers that the app gives an execArgv of its own are preloaded all the same', () => {
  assert.deepEqual(workerExecArgv([], undefined), REQUIRED);
  assert.deepEqual(workerExecArgv(['--max-old-space-size=64'], undefined), ['--max-old-space-size=64', ...REQUIRED]);
});

test('handing over twice changes nothing more', () => {
  const once = workerExecArgv(['--import', REGISTER_JS], undefined);
  assert.deepEqual(workerExecArgv(once, undefined), once);
  const options = workerNodeOptions(`--import ${REGISTER_JS}`);
  assert.equal(workerNodeOptions(options), options);
});

test('what NODE_OPTIONS or an own --require preloads already is not preloaded by execArgv too', () => {
  assert.deepEqual(workerExecArgv([], workerNodeOptions('--import @x/gunicorn-otel/register')), []);
  assert.deepEqual(workerExecArgv([], '--require @x/gunicorn-otel/register'), []);
  assert.deepEqual(workerExecArgv(['--require', '@x/gunicorn-otel/register'], undefined), [
    '--require',
    '@x/gunicorn-otel/register',
  ]);
});

test('what others import is not looked into, however odd', () => {
  const odd = ['--import', 'file:///tmp/a%2Fb.mjs', '--import=data:text/javascript,0'];
  assert.deepEqual(workerExecArgv(odd, undefined), [...odd, ...REQUIRED]);
});

test('no NODE_OPTIONS stays none', () => {
  assert.equal(workerNodeOptions(undefined), undefined);
});
