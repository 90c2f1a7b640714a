/** Holds src/config.ts in what is not of one setting: those are in settings/, one file each. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readSettings, SETTINGS, type Setting, type Settings } from '../src/config.ts';
import { textOf } from '../src/setting-row.ts';
import { ROOT } from './processes.ts';

const ROWS = Object.entries(SETTINGS) as [keyof Settings, Setting][];

describe('the settings', () => {
  it('are frozen, and all there', () => {
    const { settings } = readSettings({});
    assert.ok(Object.isFrozen(settings));
    assert.deepEqual(Object.keys(settings), Object.keys(SETTINGS));
  });

  it('have a file of tests each, and no other file of tests is there', () => {
    const files = readdirSync(`${ROOT}/test/settings`).filter((file) => file.endsWith('.test.ts'));
    const expected = ROWS.map(([, { variable }]) => `${variable}.test.ts`);
    assert.deepEqual(files.sort(), expected.sort());
  });

  it('are told of by the name of a variable, what it accepts and what it means, each variable once', () => {
    const variables = ROWS.flatMap(([, { variable, otelVariable }]) => [
      variable,
      ...(otelVariable ? [otelVariable] : []),
    ]);
    assert.equal(new Set(variables).size, variables.length);
    for (const [, { variable, accepts, meaning }] of ROWS) {
      assert.match(variable, /^(PROMETHEUS|GUNICORN|GUNICORN_OTEL|OTEL|REDIS)_[A-Z_]+$/);
      assert.ok(accepts.length > 3 && meaning.length > 10 && !/\n/.test(accepts + meaning));
    }
  });

  it('have a highest value where they have one, and say so', () => {
    // What is refused must be understood from the line.
    for (const [key, { accepts }] of ROWS) {
      if (key.endsWith('Ms')) assert.match(accepts, /at most|to /, `${key}: ${accepts}`);
    }
  });

  it('are read whatever the environment holds: never a throw, a line per value that is not accepted', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.double().map(String),
      fc.constantFrom('__proto__', 'constructor', '\0', 'a\nb', '١٢', '1e400', `${'9'.repeat(400)}s`, '/\0'),
      fc.constantFrom('1', '5s', 'true', 'none', 'a=1', 'a=all', 'redis://:s3cret@x', '1,2', 'http', 'host,os'),
      fc.constantFrom(...ROWS.map(([, setting]) => textOf(setting, setting.fallback))),
    );
    const environments = fc.record(Object.fromEntries(ROWS.map(([, { variable }]) => [variable, texts])), {
      requiredKeys: [],
    });
    fc.assert(
      fc.property(environments, (env) => {
        const { settings, origins, problems } = readSettings(env);
        for (const [key, { variable, fallback, ifWrong }] of ROWS) {
          const told = problems.filter((problem) => problem.startsWith(`${variable}=`)).length;
          assert.ok(told <= 1);
          if (told === 1) assert.deepEqual([settings[key], origins[key]], [ifWrong ?? fallback, 'default']);
          assert.equal(typeof settings[key], typeof fallback, `${variable}=${env[variable]}`);
          if (typeof fallback === 'number') assert.ok(Number.isFinite(settings[key]));
        }
        assert.ok(problems.every((problem) => !/[\n\r]/.test(problem)));
      }),
      { numRuns: 1000 },
    );
  });

  it('are read whatever options and config module hold: never a throw, a line per value', () => {
    const values = fc.record(Object.fromEntries(ROWS.map(([key]) => [key, fc.anything()])), { requiredKeys: [] });
    fc.assert(
      fc.property(values, values, (options, settings) => {
        const read = readSettings({}, options as Partial<Settings>, { file: '/app/conf.mjs', settings });
        for (const [key, { fallback }] of ROWS) assert.equal(typeof read.settings[key], typeof fallback, key);
        assert.ok(read.problems.every((problem) => !/[\n\r]/.test(problem)));
        assert.deepEqual(read.wrong.length > 0, read.problems.length > 0);
      }),
      { numRuns: 300 },
    );
  });

  it('never tell a secret, wherever in a value it is and whoever says it', () => {
    const around = fc.constantFrom('', 'redis://', ':', '@', '@host', '/', '#', '?', ' ', '\n', 'user:', '%', '12');
    const texts = fc.array(around, { maxLength: 4 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(texts, texts, (before, after) => {
        const secret = `${before}s3cret${after}`;
        for (const variable of ['REDIS_PASSWORD', 'REDIS_URL']) {
          const key = variable === 'REDIS_URL' ? 'redisUrl' : 'redisPassword';
          const reads = [
            readSettings({ [variable]: secret }),
            readSettings({}, { [key]: secret }),
            readSettings({}, {}, { file: '/app/conf.mjs', settings: { [key]: secret } }),
            readSettings({ [variable]: secret }, { [key]: `${secret}\0` }),
          ];
          const isHost = reads[0]!.settings[key] !== '' && !/:[^@]*s3cret[^@]*@/.test(secret);
          if (variable === 'REDIS_URL' && isHost) continue;
          assert.ok(!reads.flatMap(({ problems }) => problems).some((problem) => problem.includes('s3cret')));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
