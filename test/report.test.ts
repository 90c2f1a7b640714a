/** Holds src/report.ts: lines go to the app's diag logger or to stderr, by level, and nothing comes back to the app. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { LOG_LEVELS } from '../src/report.ts';

const REPORT = JSON.stringify(new URL('../src/report.js', import.meta.url).href);
const SAY_ALL = "for (const severity of ['error', 'warn', 'info', 'debug']) report(severity, severity);";

describe('a line', () => {
  it('goes to stderr with our name in front, from the level on that was set', () => {
    const expected: Record<string, string[]> = {
      none: [],
      error: ['error'],
      warn: ['error', 'warn'],
      info: ['error', 'warn', 'info'],
      debug: ['error', 'warn', 'info', 'debug'],
      verbose: ['error', 'warn', 'info', 'debug'],
      all: ['error', 'warn', 'info', 'debug'],
    };
    assert.deepEqual(Object.keys(expected), [...LOG_LEVELS]);
    const source = `
      import { setLogLevel, report } from ${REPORT};
      for (const level of ${JSON.stringify(LOG_LEVELS)}) { setLogLevel(level); report('error', 'level ' + level); ${SAY_ALL} }`;
    const said = run(source)
      .stderr.split('\n')
      .filter((line) => line !== '' && !line.includes('level '));
    assert.deepEqual(
      said,
      Object.values(expected)
        .flat()
        .map((line) => `gunicorn-otel: ${line}`),
    );
  });

  it('of info is said, and of debug is not, when no level was set', () => {
    const { stdout, stderr } = run(`import { report } from ${REPORT}; ${SAY_ALL}`);
    assert.equal(stderr, 'gunicorn-otel: error\ngunicorn-otel: warn\ngunicorn-otel: info\n');
    assert.equal(stdout, '');
  });

  it('goes to the diag logger that the app has set, whatever our level, and not to stderr', () => {
    const { stdout, stderr } = run(`
      import { diag, DiagLogLevel } from '@opentelemetry/api';
      import { report, setLogLevel } from ${REPORT};
      const say = (...args) => console.log(...args);
      diag.setLogger({ error: say, warn: say, info: say, debug: say, verbose: say }, DiagLogLevel.ALL);
      setLogLevel('none');
      console.log('---');
      ${SAY_ALL}`);
    assert.deepEqual(stdout.split('---\n')[1]!.split('\n'), [
      'gunicorn-otel: error',
      'gunicorn-otel: warn',
      'gunicorn-otel: info',
      'gunicorn-otel: debug',
      '',
    ]);
    assert.equal(stderr, '');
  });

  it('of OpenTelemetry itself goes to stderr where the diag logger is ours', () => {
    const { stderr } = run(`
      import { diag, DiagLogLevel } from '@opentelemetry/api';
      import { diagLogger } from ${REPORT};
      diag.setLogger(diagLogger(), { logLevel: DiagLogLevel.ALL, suppressOverrideMessage: true });
      diag.warn('from OpenTelemetry');
      diag.verbose('chatter');`);
    assert.match(stderr, /^gunicorn-otel: from OpenTelemetry$/m);
    assert.doesNotMatch(stderr, /chatter/);
  });

  it('that cannot be written is dropped: a logger that throws, a stderr that is closed', () => {
    const { stdout } = run(`
      import { diag } from '@opentelemetry/api';
      import { closeSync } from 'node:fs';
      import { report } from ${REPORT};
      closeSync(2);
      report('error', 'into the void');
      const broken = () => { throw new Error('broken logger'); };
      globalThis[Symbol.for('opentelemetry.js.api.1')] = { diag: { error: broken } };
      report('error', 'x');
      process.stdout.write('survived');`);
    assert.equal(stdout, 'survived');
  });
});

function run(source: string) {
  const result = spawnSync(process.execPath, ['--input-type=module', '--eval', source], {
    encoding: 'utf8',
    cwd: new URL('../..', import.meta.url),
    timeout: 20_000,
  });
  assert.equal(result.status, 0, result.stderr);
  return result;
}
