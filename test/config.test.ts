/** Holds src/config.ts: every row of SETTINGS by a table of what it takes and what it does not. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readSettings, SETTINGS, type Setting, type Settings } from '../src/config.ts';

type Case<T> = {
  readonly fallback: T;
  /** Text -> what it sets. */
  readonly valid: readonly (readonly [string, T])[];
  readonly invalid: readonly string[];
};

const NO_NUMBER = ['x', '-1', '1.5', '0x10', '1e3', '+1', '1 2', 'NaN', 'Infinity'];
const NO_TIME = ['x', '-1s', '1h', '5 seconds', '1e3', '0x10ms', 'ms', '5s5s', '25d', '2147483648ms', '36000m'];

// A new row in SETTINGS does not compile here without its cases.
const CASES: { readonly [K in keyof Settings]: Case<Settings[K]> } = {
  metricsPort: {
    fallback: 9090,
    valid: [
      ['0', 0],
      ['9464', 9464],
      ['65535', 65_535],
      [' 8080\n', 8080],
      ['0080', 80],
    ],
    invalid: [...NO_NUMBER, '65536', '99999999999999999999'],
  },
  bindAddress: {
    fallback: '0.0.0.0',
    valid: [
      ['127.0.0.1', '127.0.0.1'],
      ['::', '::'],
      ['fe80::1%eth0', 'fe80::1%eth0'],
      ['metrics.internal', 'metrics.internal'],
    ],
    invalid: ['a b', 'http://x/', '0.0.0.0/0', '*', 'a,b'],
  },
  multiprocDirectory: {
    fallback: join(tmpdir(), 'prometheus_multiproc'),
    valid: [
      ['/var/run/x', '/var/run/x'],
      ['relative/x', resolve('relative/x')],
      ['/with space', '/with space'],
    ],
    invalid: ['/a\0b'],
  },
  expectedWorkers: {
    fallback: 0,
    valid: [
      ['0', 0],
      ['8', 8],
    ],
    invalid: [...NO_NUMBER, '100001'],
  },
  sdkDisabled: {
    fallback: false,
    valid: [
      ['true', true],
      ['TRUE', true],
      ['false', false],
      ['False', false],
    ],
    invalid: ['1', 'yes', 'constructor', '__proto__', 'toString'],
  },
  logLevel: {
    fallback: 'info',
    valid: [
      ['none', 'none'],
      ['WARN', 'warn'],
      ['Verbose', 'verbose'],
    ],
    invalid: ['loud', '1', 'constructor'],
  },
  labels: {
    fallback: 'standard',
    valid: [
      ['detailed', 'detailed'],
      ['Standard', 'standard'],
    ],
    invalid: ['all', 'true', 'detailed,standard'],
  },
  durationBuckets: {
    fallback: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60],
    valid: [
      ['1', [1]],
      ['0.1, 1,10', [0.1, 1, 10]],
      ['1e-3,1', [0.001, 1]],
      [numbers(50).join(), numbers(50)],
    ],
    invalid: [
      'x',
      '1,x',
      '2,1',
      '1,1',
      '0,1',
      '-1,1',
      '1,',
      ',1',
      '1,,2',
      '1;2',
      '1,Infinity',
      '1,NaN',
      numbers(51).join(),
    ],
  },
  flushIntervalMs: {
    fallback: 10,
    valid: [
      ['1', 1],
      ['25', 25],
      ['25ms', 25],
      ['1s', 1000],
      ['0.5 s', 500],
      ['2147483647ms', 2 ** 31 - 1],
    ],
    invalid: [...NO_TIME, '0', '0.5'],
  },
  observableIntervalMs: {
    fallback: 5000,
    valid: [
      ['10', 10_000],
      ['0.1', 100],
      ['250ms', 250],
      ['2m', 120_000],
    ],
    invalid: [...NO_TIME, '0', '99ms'],
  },
  exitedRetentionMs: {
    fallback: 300_000,
    valid: [
      ['0', 0],
      ['60', 60_000],
      ['0ms', 0],
      ['5m', 300_000],
    ],
    invalid: NO_TIME,
  },
  maxEndpoints: {
    fallback: 100,
    valid: [
      ['1', 1],
      ['10000', 10_000],
    ],
    invalid: [...NO_NUMBER, '0', '10001'],
  },
  maxSeries: {
    fallback: 2000,
    valid: [
      ['1', 1],
      ['1000000', 1e6],
    ],
    invalid: [...NO_NUMBER, '0', '1000001'],
  },
  scrapeTimeoutMs: {
    fallback: 10_000,
    valid: [
      ['10', 10_000],
      ['100ms', 100],
    ],
    invalid: [...NO_TIME, '0', '99ms'],
  },
};

const ROWS = Object.entries(SETTINGS) as [keyof Settings, Setting][];

describe('a setting', () => {
  for (const [key, { variable, accepts }] of ROWS) {
    const { fallback, valid, invalid }: Case<unknown> = CASES[key];

    it(`${variable} has its default when nothing sets it`, () => {
      const { settings, origins, problems } = readSettings({});
      assert.deepEqual([settings[key], origins[key], problems], [fallback, 'default', []]);
      for (const nothing of ['', ' ', '\t\n']) assert.deepEqual(readSettings({ [variable]: nothing }).problems, []);
    });

    it(`${variable} takes what it accepts`, () => {
      for (const [text, value] of valid) {
        const { settings, origins, problems } = readSettings({ [variable]: text });
        assert.deepEqual([settings[key], origins[key], problems], [value, variable, []], JSON.stringify(text));
      }
    });

    it(`${variable} keeps its default for anything else, and one line says what is accepted`, () => {
      for (const text of invalid) {
        const { settings, origins, problems } = readSettings({ [variable]: text });
        assert.deepEqual([settings[key], origins[key]], [fallback, 'default'], JSON.stringify(text));
        assert.equal(problems.length, 1, JSON.stringify(text));
        for (const part of [`${variable}=`, JSON.stringify(text), accepts, String(fallback)]) {
          assert.ok(problems[0]!.includes(part), `${problems[0]} tells ${part}`);
        }
        assert.doesNotMatch(problems[0]!, /[\n\r]/);
      }
    });

    it(`${variable} gives way to the option of its name`, () => {
      const [text, value] = valid[0]!;
      const { settings, origins, problems } = readSettings({ [variable]: 'nonsense\0' }, { [key]: value });
      assert.deepEqual([settings[key], origins[key], problems], [value, 'option', []], text);
    });

    it(`${variable} holds when the option of its name is none that is accepted, and one line says so`, () => {
      const [text, value] = valid[0]!;
      const { settings, origins, problems } = readSettings({ [variable]: text }, { [key]: 'nonsense\0' as never });
      assert.deepEqual([settings[key], origins[key], problems.length], [value, variable, 1]);
      assert.match(problems[0]!, new RegExp(`option ${key}.*${variable} holds instead`));
    });
  }

  for (const [key, { variable, otelVariable }] of ROWS) {
    if (otelVariable === undefined) continue;
    const { fallback, valid, invalid }: Case<unknown> = CASES[key];
    const [[text, value], [otherText, otherValue]] = valid as [[string, unknown], [string, unknown]];

    it(`${variable} comes before ${otelVariable}, which comes before the default`, () => {
      const twin = readSettings({ [otelVariable]: otherText });
      assert.deepEqual([twin.settings[key], twin.origins[key]], [otherValue, otelVariable]);
      const both = readSettings({ [variable]: text, [otelVariable]: otherText });
      assert.deepEqual([both.settings[key], both.origins[key], both.problems], [value, variable, []]);
      const empty = readSettings({ [variable]: '', [otelVariable]: otherText });
      assert.deepEqual([empty.settings[key], empty.origins[key]], [otherValue, otelVariable]);
    });

    it(`${otelVariable} stands in for a bad ${variable}, and the line says what holds instead`, () => {
      const { settings, origins, problems } = readSettings({ [variable]: invalid[0]!, [otelVariable]: otherText });
      assert.deepEqual([settings[key], origins[key]], [otherValue, otelVariable]);
      assert.equal(problems.length, 1);
      assert.ok(problems[0]!.includes(`${variable}=`));
      assert.doesNotMatch(problems[0]!, /default holds/);
      assert.ok(problems[0]!.includes(String(otherValue)), problems[0]);
    });

    it(`${otelVariable} that is bad is told of under its own name`, () => {
      const { settings, problems } = readSettings({ [otelVariable]: invalid[0]! });
      assert.deepEqual(settings[key], fallback);
      assert.equal(problems.length, 1);
      assert.ok(problems[0]!.startsWith(`${otelVariable}=`), problems[0]);
    });
  }
});

describe('the settings', () => {
  it('are frozen, and all there', () => {
    const { settings } = readSettings({});
    assert.ok(Object.isFrozen(settings));
    assert.deepEqual(Object.keys(settings), Object.keys(SETTINGS));
  });

  it('have defaults that they would accept as text', () => {
    for (const [key, { parse, fallback, variable }] of ROWS) {
      const unit = key.endsWith('Ms') ? 'ms' : '';
      assert.deepEqual(parse(`${fallback}${unit}`), fallback, variable);
    }
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
      fc.constantFrom(...Object.values(CASES).flatMap(({ valid }) => valid.map(([text]) => text))),
    );
    const environments = fc.record(Object.fromEntries(ROWS.map(([, { variable }]) => [variable, texts])), {
      requiredKeys: [],
    });
    fc.assert(
      fc.property(environments, (env) => {
        const { settings, origins, problems } = readSettings(env);
        for (const [key, { variable, fallback }] of ROWS) {
          const told = problems.filter((problem) => problem.startsWith(`${variable}=`)).length;
          assert.ok(told <= 1);
          if (told === 1) assert.deepEqual([settings[key], origins[key]], [fallback, 'default']);
          assert.equal(typeof settings[key], typeof fallback, `${variable}=${env[variable]}`);
          if (typeof fallback === 'number') assert.ok(Number.isFinite(settings[key]));
        }
        assert.ok(problems.every((problem) => !/[\n\r]/.test(problem)));
      }),
      { numRuns: 1000 },
    );
  });
});

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}
