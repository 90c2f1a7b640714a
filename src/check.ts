/** `gunicorn-otel check` as data: what every setting is and why, and what would go wrong at a start. Prints nothing. */

import { readSettings, SETTINGS, type Setting, type SettingOrigin, type Settings } from './config.ts';
import { loadConfigModule } from './config-module.ts';
import { nearestName } from './nearest-name.ts';
import { FAMILY_VARIABLE, GROUP_VARIABLE } from './process-environment.ts';
import { shown, textOf } from './setting-row.ts';
import { endpointLines, type Finding, findings } from './surroundings.ts';

/** One setting; `value` has its own type, or is text in which `***` stands for a secret. */
export interface CheckedSetting {
  readonly name: string;
  readonly variable: string;
  readonly value: unknown;
  /** `default`, the name of a variable, or the path of the config module. */
  readonly from: SettingOrigin;
  /** Something that was given for it is not accepted. */
  readonly wrong: boolean;
}

/** What `check --json` prints: members may be added, those here stay. */
export interface CheckReport {
  /** Whether there is no problem; there may be warnings. */
  readonly ok: boolean;
  readonly settings: readonly CheckedSetting[];
  readonly configModule: { readonly file: string | null; readonly hooks: readonly string[]; readonly views: number };
  /** How the endpoint answers, and whom; nothing when it will not open. */
  readonly endpoint: readonly string[];
  /** One line per thing that is wrong, no secret in it. */
  readonly problems: readonly string[];
  /** One line per thing that may be meant so. */
  readonly warnings: readonly string[];
}

// Set by this package itself, for the processes below; the last one is for `gunicorn-otel top`.
const INTERNAL_VARIABLES = [
  GROUP_VARIABLE,
  FAMILY_VARIABLE,
  'GUNICORN_OTEL_CLUSTER_WORKER',
  'GUNICORN_OTEL_WORKER_BIRTH',
  'GUNICORN_OTEL_PASSWORD',
];
/** Nobody else's: what begins so and is not known is a mistake. */
const OWN_PREFIXES = /^(GUNICORN_OTEL|PROMETHEUS_SSL)_/;
/** Others use them, too: only what is nearly known is a mistake. */
const SHARED_PREFIXES = /^(GUNICORN|PROMETHEUS)_/;

/**
 * Looks at everything a start in this environment would look at. What it tries out it takes back.
 *
 * @param cwd - where the app would be started
 * @param resolvePackage - throws when a package is not installed, like require.resolve
 */
export async function check(
  env: NodeJS.ProcessEnv,
  cwd: string,
  resolvePackage: (name: string) => unknown,
): Promise<CheckReport> {
  const { file, hooks, views, ...loaded } = loadConfigModule(env, cwd);
  const { settings, origins, problems, wrong } = readSettings(env, {}, { file, settings: loaded.settings });
  const found: Finding[] = [
    ...[...problems, ...loaded.problems].map((line) => ({ severity: 'problem', line }) as const),
    ...unknownVariables(env).map((line) => ({ severity: 'warning', line }) as const),
    ...(await findings(settings, env, resolvePackage)),
  ];
  const linesOf = (severity: Finding['severity']) =>
    found.filter((one) => one.severity === severity).map(({ line }) => line);
  return {
    ok: linesOf('problem').length === 0,
    settings: (Object.entries(SETTINGS) as [keyof Settings, Setting][]).map(([name, setting]) => ({
      name,
      variable: setting.variable,
      value: setting.secret ? shown(setting, textOf(setting, settings[name])) : settings[name],
      from: origins[name],
      wrong: wrong.includes(name),
    })),
    configModule: { file: file ?? null, hooks: Object.keys(hooks), views: views.length },
    endpoint: endpointLines(settings),
    problems: linesOf('problem'),
    warnings: linesOf('warning'),
  };
}

function unknownVariables(env: NodeJS.ProcessEnv): string[] {
  const ours = Object.values(SETTINGS).flatMap(({ variable, otelVariable }) => [variable, otelVariable ?? variable]);
  const known = [...ours, ...INTERNAL_VARIABLES];
  return Object.keys(env).flatMap((name) => {
    if (known.includes(name) || !SHARED_PREFIXES.test(name)) return [];
    const meant = nearestName(name, ours);
    if (meant) return [`${name} is set and means nothing; is ${meant} meant?`];
    return OWN_PREFIXES.test(name) ? [`${name} is set and means nothing`] : [];
  });
}
