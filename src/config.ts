/**
 * Reads the settings: of everything that sets one, the first value that is accepted holds.
 * A bad value never stops the app: it becomes one line of `problems` and the next in order, or the default, holds.
 */
import { type Setting, type Settings, shown, textOf } from './setting-row.ts';
import { SETTINGS } from './settings.ts';

export type { Setting, Settings } from './setting-row.ts';
export { SETTINGS } from './settings.ts';

/** Where the value of a setting came from: a variable's name, the path of the config module, or one of the two words. */
export type SettingOrigin = 'option' | 'default' | (string & {});

/** What the config module has to say about settings; values of their type, or text as a variable would have it. */
export interface ModuleSettings {
  /** Absolute path; undefined when there is no module. */
  readonly file: string | undefined;
  readonly settings: { readonly [K in keyof Settings]?: unknown };
}

export interface ReadSettings {
  readonly settings: Settings;
  readonly origins: { readonly [K in keyof Settings]: SettingOrigin };
  /**
   * One clear line per value that was not accepted: what set it, the value (secrets masked), what is accepted, what
   * holds instead.
   */
  readonly problems: readonly string[];
  /** Of which settings a value was not accepted. */
  readonly wrong: readonly (keyof Settings)[];
}

/** One thing that sets a setting. */
interface Source {
  readonly origin: SettingOrigin;
  readonly text: string | undefined;
  /** How a line about it begins. */
  readonly told: string;
}

/**
 * Reads every setting: option, then variable, then its OTel twin, then config module, then default.
 *
 * @param env - usually process.env; an empty string counts as not set, as OTel has it
 * @param options - programmatic values; undefined counts as not given
 * @param configModule - of config-module.ts; undefined values count as not given
 * @throws never
 */
export function readSettings(
  env: NodeJS.ProcessEnv,
  options: Partial<Settings> = {},
  configModule: ModuleSettings = { file: undefined, settings: {} },
): ReadSettings {
  const settings: Record<string, unknown> = {};
  const origins: Record<string, SettingOrigin> = {};
  const problems: string[] = [];
  const wrong: (keyof Settings)[] = [];
  for (const [key, setting] of Object.entries(SETTINGS) as [keyof Settings, Setting][]) {
    settings[key] = setting.fallback;
    origins[key] = 'default';
    const refused: string[] = [];
    for (const { origin, text, told } of sourcesOf(key, setting, env, options, configModule)) {
      const value = text === undefined ? undefined : setting.parse(text);
      if (value === undefined) {
        const seen = text === undefined ? 'what was given' : quoted(shown(setting, text));
        refused.push(`${told}${seen} is not ${setting.accepts}`);
        continue;
      }
      settings[key] = value;
      origins[key] = origin;
      break;
    }
    if (refused.length === 0) continue;
    const { ifWrong } = setting;
    const isStrict = origins[key] === 'default' && ifWrong !== undefined;
    if (isStrict) settings[key] = ifWrong;
    const fallback = isStrict ? 'the strictest holds' : 'the default holds';
    const holds = origins[key] === 'default' ? fallback : `${origins[key]} holds instead`;
    const value = shown(setting, textOf(setting, settings[key])) || 'not set';
    problems.push(...refused.map((problem) => `${problem}; ${holds}: ${value}`));
    wrong.push(key);
  }
  return {
    settings: Object.freeze(settings) as unknown as Settings,
    origins: origins as ReadSettings['origins'],
    problems,
    wrong,
  };
}

// One line, and nothing in it that a terminal would act on: JSON leaves DEL, C1 and Unicode's line breaks as they are.
function quoted(text: string): string {
  const code = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(text).replaceAll(/[\u007f-\u009f\u2028\u2029]/g, code);
}

// In order of precedence; what is not set is not among them.
function* sourcesOf(
  key: keyof Settings,
  setting: Setting,
  env: NodeJS.ProcessEnv,
  options: Partial<Settings>,
  { file, settings }: ModuleSettings,
): Generator<Source> {
  if (options[key] !== undefined) {
    yield { origin: 'option', text: given(setting, options[key]), told: `the option ${key}: ` };
  }
  for (const variable of [setting.variable, setting.otelVariable]) {
    const text = variable && env[variable]?.trim();
    if (variable && text) yield { origin: variable, text, told: `${variable}=` };
  }
  if (file !== undefined && settings[key] !== undefined) {
    yield { origin: file, text: given(setting, settings[key]), told: `${setting.variable} (${key} in ${file}): ` };
  }
}

// A value of the setting's own type goes through the same parser as text from the environment; undefined for one of
// another type, which as text might look like something.
function given(setting: Setting, value: unknown): string | undefined {
  const isText = typeof value === 'string';
  const fits = isText || (typeof value === 'object' ? isSameKind(value, setting.fallback) : isPlain(value));
  if (!fits) return undefined;
  try {
    return textOf(setting, value).trim();
  } catch {
    // Its toString or a getter in it throws.
    return undefined;
  }
}

function isSameKind(value: object | null, fallback: unknown): boolean {
  return value !== null && typeof fallback === 'object' && Array.isArray(value) === Array.isArray(fallback);
}

// A number for a list is a list of one; a map has no such form.
function isPlain(value: unknown): boolean {
  return ['number', 'boolean', 'bigint'].includes(typeof value);
}

/** The same settings, their secrets there for who asks by name, and not for who lists or prints them. */
export function discreet(settings: Settings): Settings {
  const copy = { ...settings };
  for (const [key, { secret }] of Object.entries(SETTINGS) as [keyof Settings, Setting][]) {
    if (secret) Object.defineProperty(copy, key, { enumerable: false });
  }
  return Object.freeze(copy);
}

/** Whether what an instrumentation counts is to be counted; see OTEL_NODE_ENABLED_INSTRUMENTATIONS. */
export function isEnabled(name: string, { enabledInstrumentations, disabledInstrumentations }: Settings): boolean {
  return enabledInstrumentations.includes(name) && !disabledInstrumentations.includes(name);
}
