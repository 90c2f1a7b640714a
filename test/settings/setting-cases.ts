/** What holds of every setting, shown with the values of one: default, valid, invalid, and who comes before whom. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSettings, SETTINGS, type Setting, type Settings } from '../../src/config.ts';
import { textOf } from '../../src/setting-row.ts';

/** Text and the value it sets. */
type Valid<T> = readonly [string, T];

export interface SettingCases<T> {
  readonly variable: string;
  readonly otelVariable?: string;
  readonly fallback: T;
  /** Two at least, the first of them not the default. */
  readonly valid: readonly [Valid<T>, Valid<T>, ...Valid<T>[]];
  /** The first is tried wherever one will do. */
  readonly invalid: readonly [string, ...string[]];
  /** Values of another type, for options and the config module. */
  readonly foreign?: readonly unknown[];
}

/** Numbers and times that are none. */
export const NO_NUMBER = ['x', '-1', '1.5', '0x10', '1e3', '+1', '1 2', 'NaN', 'Infinity'] as const;
export const NO_TIME = [
  'x',
  '-1s',
  '1h',
  '5 seconds',
  '1e3',
  '0x10ms',
  'ms',
  '5s5s',
  '25d',
  '2147483648ms',
  '36000m',
] as const;
export const NO_FLAG = ['2', 'y', 'maybe', 'constructor', '__proto__', 'toString'] as const;
export const NO_LINE = ['a\nb', 'a\0b', 'a\u001bb', 'a\u009bb'] as const;

/** What a flag takes. */
export const FLAGS = [
  ['true', true],
  ['false', false],
  ['TRUE', true],
  ['1', true],
  ['yes', true],
  ['on', true],
  ['0', false],
  ['No', false],
  ['off', false],
] as const;

const FILE = '/app/gunicorn.conf.mjs';

/** Declares the tests of one setting. */
export function holdSetting<K extends keyof Settings>(key: K, cases: SettingCases<Settings[K]>): void {
  const setting = SETTINGS[key] as Setting;
  const { variable, otelVariable, accepts, secret, ifWrong } = setting;
  const { fallback, valid, invalid, foreign = [null, {}, [{}], Symbol('x'), () => 1, throws()] } = cases;
  const wrong = { value: ifWrong ?? fallback, origin: 'default' };
  const holds = ifWrong === undefined ? 'the default holds' : 'the strictest holds';
  const [[text, value], [otherText, otherValue]] = valid;
  const read = (env: NodeJS.ProcessEnv, options: Partial<Settings> = {}, settings: object = {}) => {
    const { [key]: origin, ...others } = readSettings(env, options, { file: FILE, settings }).origins;
    assert.ok(
      Object.values(others).every((other) => other === 'default'),
      'no other setting is touched',
    );
    const all = readSettings(env, options, { file: FILE, settings });
    assert.deepEqual(all.wrong, all.problems.length === 0 ? [] : [key]);
    return { value: all.settings[key], origin, problems: all.problems };
  };
  // One clear line, which tells what is accepted and never a secret.
  const refusal = (problems: readonly string[], ...parts: string[]) => {
    assert.equal(problems.length, 1);
    for (const part of [accepts, ...parts]) assert.ok(problems[0]!.includes(part), `${problems[0]} tells ${part}`);
    assert.doesNotMatch(problems[0]!, /\p{Cc}|\u2028/u);
  };
  const seen = (bad: string) => JSON.stringify(secret ? '***' : bad.trim()).replaceAll('\u009b', '\\u009b');

  describe(variable, () => {
    it('is the variable of the setting, and its twin of OpenTelemetry is the one that is told', () => {
      assert.deepEqual([variable, otelVariable], [cases.variable, cases.otelVariable]);
    });

    it('has its default when nothing sets it', () => {
      const nothing = { value: fallback, origin: 'default', problems: [] };
      assert.deepEqual(read({}), nothing);
      for (const empty of ['', ' ', '\t\n']) assert.deepEqual(read({ [variable]: empty }), nothing);
      assert.deepEqual(read({}, { [key]: undefined } as object, { [key]: undefined }), nothing);
      assert.deepEqual(setting.parse(textOf(setting, fallback)), fallback, 'it would accept its default as text');
    });

    it('takes what it accepts', () => {
      for (const [accepted, sets] of valid) {
        assert.deepEqual(read({ [variable]: accepted }), { value: sets, origin: variable, problems: [] }, accepted);
        assert.deepEqual(setting.parse(textOf(setting, sets)), sets, 'as text it is what it was');
      }
      assert.deepEqual(read({ [variable]: ` ${text}\n` }).value, value);
    });

    it(`keeps ${ifWrong === undefined ? 'its default' : 'what is strictest'} for anything else, and one line says what is accepted`, () => {
      for (const bad of invalid) {
        const { problems, ...kept } = read({ [variable]: bad });
        assert.deepEqual(kept, wrong, JSON.stringify(bad));
        refusal(problems, `${variable}=`, seen(bad), holds);
        if (secret) assert.doesNotMatch(problems[0]!, /cret/);
      }
    });

    it('gives way to the option of its name, a value or its text', () => {
      for (const option of [value, text]) {
        const { problems, ...holds } = read({ [variable]: otherText }, { [key]: option } as object, {
          [key]: otherValue,
        });
        assert.deepEqual(holds, { value, origin: 'option' });
        assert.deepEqual(problems, []);
      }
      assert.deepEqual(read({ [variable]: invalid[0] }, { [key]: value } as object).problems, []);
    });

    it('holds when the option of its name is none that is accepted, and one line says so', () => {
      for (const bad of [...invalid, ...foreign]) {
        const { problems, ...holds } = read({ [variable]: text }, { [key]: bad } as object);
        assert.deepEqual(holds, { value, origin: variable });
        refusal(problems, `the option ${key}`, `${variable} holds instead`);
      }
    });

    it('comes before the config module, which comes before the default', () => {
      for (const exported of [otherValue, otherText]) {
        assert.deepEqual(read({}, {}, { [key]: exported }), { value: otherValue, origin: FILE, problems: [] });
        const both = read({ [variable]: text }, {}, { [key]: exported });
        assert.deepEqual(both, { value, origin: variable, problems: [] });
      }
    });

    it('keeps its default for a bad value of the config module, and the line names the file', () => {
      for (const bad of [...invalid, ...foreign]) {
        const { problems, ...kept } = read({}, {}, { [key]: bad });
        assert.deepEqual(kept, wrong);
        refusal(problems, variable, FILE, holds);
      }
    });

    if (otelVariable === undefined) return;

    it(`comes before ${otelVariable}, which comes before the config module`, () => {
      const twin = { value: otherValue, origin: otelVariable, problems: [] };
      assert.deepEqual(read({ [otelVariable]: otherText }), twin);
      assert.deepEqual(read({ [otelVariable]: otherText }, {}, { [key]: value }), twin);
      assert.deepEqual(read({ [otelVariable]: otherText, [variable]: ' ' }), twin);
      const both = read({ [otelVariable]: otherText, [variable]: text });
      assert.deepEqual(both, { value, origin: variable, problems: [] });
    });

    it(`gives way to ${otelVariable} when it is bad, and the line says what holds instead`, () => {
      const { problems, ...holds } = read({ [otelVariable]: otherText, [variable]: invalid[0] });
      assert.deepEqual(holds, { value: otherValue, origin: otelVariable });
      refusal(problems, `${variable}=`, `${otelVariable} holds instead`, otherText);
    });

    it(`has a twin ${otelVariable} that is told of under its own name when it is bad`, () => {
      const { problems, ...kept } = read({ [otelVariable]: invalid[0] });
      assert.deepEqual(kept, wrong);
      refusal(problems, `${otelVariable}=`);
    });
  });
}

function throws(): object {
  return {
    toString() {
      throw new Error('never to be seen');
    },
    get anything() {
      throw new Error('never to be seen');
    },
  };
}
