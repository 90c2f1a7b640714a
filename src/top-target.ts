/** Which endpoint is looked at: the one that is named, else that of the group that lives here, else that of the settings. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readSettings, type Settings } from './config.ts';
import { loadConfigModule } from './config-module.ts';
import { EXPORTER_FILE } from './export/endpoint.ts';
import { groupName } from './group-name.ts';
import { noneIn } from './no-group.ts';
import { wantsTls } from './security/tls.ts';
import { liveGroups } from './snapshot/group.ts';

/** Where the status document is; or why that cannot be said, and whether something was named wrongly. */
export type Target =
  /** `missing`: a line on what would have been asked instead, had it been found. */
  { readonly url: URL; readonly missing?: string } | { readonly problem: string; readonly misused: boolean };

// What people have in front of them: the page's address, that of the scrapes, that of the document.
const KNOWN_PATHS = /\/(?:metrics|healthz|status\.json)?$/;

/** @param given - an address as told on the command line. @throws never */
export function namedTarget(given: string): Target {
  const misused = (problem: string): Target => ({ problem, misused: true });
  if (!/^https?:\/\//i.test(given)) return misused(`${given} is no address: http://HOST:PORT or https://HOST:PORT is`);
  if (!URL.canParse(given)) return misused(`${given} is no address`);
  const url = new URL(given);
  // It would be in the list of processes and in the history of the shell.
  if (url.username || url.password) return misused('no user or password in the address: --user, and see top --help');
  return { url: statusUrl(url) };
}

/** The endpoint of what runs here, by settings as the app would have them. @throws never */
export function foundTarget(env: NodeJS.ProcessEnv, cwd: string): Target {
  const { settings } = readSettings(env, {}, loadConfigModule(env, cwd));
  const groups = endpoints(settings);
  if (groups.length === 1) return { url: groups[0]!.url };
  if (groups.length > 1) {
    const lines = groups.map(({ url, path }) => `  ${url.origin}  ${path}`);
    const many = `${groups.length} groups live in ${settings.multiprocDirectory}; give the address of one:`;
    return { problem: [many, ...lines, 'that is, top ADDRESS'].join('\n'), misused: true };
  }
  const { metricsPort, multiprocDirectory, group } = settings;
  const missing = noneIn(multiprocDirectory, `group${group && ` ${group}`} with an endpoint`);
  if (group) return { problem: missing, misused: false };
  if (metricsPort === 0) {
    return { problem: `${missing}, and PROMETHEUS_METRICS_PORT is 0: name the address`, misused: false };
  }
  return { url: new URL(`${wantsTls(settings) ? 'https' : 'http'}://127.0.0.1:${metricsPort}/status.json`), missing };
}

function endpoints(settings: Settings): { url: URL; path: string }[] {
  const { multiprocDirectory, group } = settings;
  const own = group ? groupName(settings, {}) : undefined;
  return liveGroups(multiprocDirectory).flatMap((path) => {
    const url = own === undefined || [own, group].includes(basename(path)) ? toldUrl(path) : undefined;
    return url ? [{ url, path }] : [];
  });
}

// Where its exporter says that it is; undefined while none does.
function toldUrl(path: string): URL | undefined {
  try {
    const { url } = JSON.parse(readFileSync(join(path, EXPORTER_FILE), 'utf8'));
    const target = namedTarget(String(url));
    return 'url' in target ? target.url : undefined;
  } catch {
    return undefined;
  }
}

function statusUrl(url: URL): URL {
  const status = new URL(url);
  status.pathname = url.pathname.replace(KNOWN_PATHS, '/status.json');
  if (!status.pathname.endsWith('/status.json')) status.pathname += '/status.json';
  status.search = '';
  status.hash = '';
  return status;
}
