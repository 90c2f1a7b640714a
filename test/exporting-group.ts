/** A group of one published snapshot with a real exporter thread, in this process or in one that can be killed. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSettings, type Settings } from '../src/config.ts';
import type { PusherSettings } from '../src/export/pushers.ts';
import { ExporterThread } from '../src/exporter-thread.ts';
import { snapshotFile } from '../src/snapshot/directory.ts';
import { createGroupDirectory } from '../src/snapshot/group.ts';
import { encodeSnapshot } from '../src/snapshot/layout.ts';
import type { Lead } from '../src/snapshot/leader.ts';
import { ownMark } from '../src/snapshot/process-mark.ts';
import type { SeriesTable } from '../src/snapshot/series-table.ts';
import { IDENTITY } from './arbitrary-tables.ts';
import { parseExposition, type Sample } from './exposition.ts';
import { atEnd, freshDirectory, type Owner, type Running, type StartOptions, start } from './processes.ts';
import { request } from './requests.ts';

export interface ExportingGroup {
  readonly directory: string;
  readonly startMs: number;
  /** Replaces what the one member has published. */
  publish(table: SeriesTable): void;
  scrape(): Promise<Sample[]>;
  url(): Promise<string | undefined>;
  stop(): void;
}

// What a moment changes that nobody has a hand in.
const MOVING = /^(target_info|gunicorn_exporter_|gunicorn_worker_(memory|cpu|uptime))/;

/** @param environment - of the thread, besides that of this process; `program` - in it, unless it is the exporter's own */
export function startGroup(
  owner: Owner,
  table: SeriesTable,
  settings: PusherSettings,
  environment: Record<string, string> = {},
  program?: URL,
): ExportingGroup {
  const { path: directory } = createGroupDirectory(freshDirectory(owner));
  const startMs = Date.now();
  const publish = (shown: SeriesTable) => {
    const file = join(directory, snapshotFile(ownMark(), 0));
    writeFileSync(`${file}.new`, encodeSnapshot({ ...IDENTITY, ...ownMark(), role: 'single' }, shown, Date.now()));
    renameSync(`${file}.new`, file);
  };
  publish(table);
  // The thread copies the environment when it starts.
  Object.assign(process.env, environment);
  const options = { directory, settings: withDefaults(settings), version: '1.2.3', lead: leadSince(startMs) };
  const thread = new ExporterThread(options, undefined, program);
  for (const name of Object.keys(environment)) delete process.env[name];
  atEnd(owner, () => thread.stop());
  const scrape = async () => parseExposition((await request((await thread.url)!)).body);
  return { directory, startMs, publish, scrape, url: () => thread.url, stop: () => thread.stop() };
}

/** A process of its own whose exporter thread starts at once; what it does then is `source`, with `exporter` at hand. */
export function startExportingProcess(
  owner: Owner,
  settings: PusherSettings,
  source: string,
  options: StartOptions = {},
): Running {
  const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
  const told = `
    import { ExporterThread } from ${module('../src/exporter-thread.js')};
    import { createGroupDirectory } from ${module('../src/snapshot/group.js')};
    const { path: directory } = createGroupDirectory(process.env.PROMETHEUS_MULTIPROC_DIR);
    const settings = ${JSON.stringify(withDefaults(settings))};
    const exporter = new ExporterThread({ directory, settings, version: '1.2.3', lead: ${JSON.stringify(leadSince(Date.now()))} });
    ${source}`;
  return start(owner, ['--input-type=module', '--eval', told], { preload: 'none', ...options });
}

/** Samples that are the same whenever they are looked at, as text to be compared. */
export function still(samples: readonly Sample[]): string[] {
  return samples
    .filter(({ name }) => !MOVING.test(name))
    .map(({ name, labels, value }) => `${name} ${JSON.stringify(Object.entries(labels).sort())} ${value}`)
    .sort();
}

// The lead of a group that has had no other leader, without a lock.
function leadSince(startMs: number): Lead {
  return { number: 0, holder: { ...ownMark(), threadId: 0 }, startMs };
}

function withDefaults(settings: PusherSettings): Settings & PusherSettings {
  return { ...readSettings({}).settings, metricsPort: 0, ...settings } as Settings & PusherSettings;
}
