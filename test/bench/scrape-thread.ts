/**
 * Nothing but an exporter thread of one group; started by scrape-cost.ts with its directory and GUNICORN_OTEL_LABELS. Says
 * the URL, and on each line of stdin how many MB of resident memory there are more than before the thread.
 */
import { once } from 'node:events';
import { readSettings, type Settings } from '../../src/config.ts';
import { ExporterThread } from '../../src/exporter-thread.ts';
import { ownMark } from '../../src/snapshot/process-mark.ts';

const [directory = '', labels] = process.argv.slice(2) as [string, Settings['labels']];
// As it is packed.
const PROGRAM = new URL('../../lib/export/thread.js', import.meta.url);
const { settings } = readSettings({});
const own = { metricsPort: 0, bindAddress: '127.0.0.1', logLevel: 'none', labels } as const;
const beforeBytes = process.memoryUsage.rss();
const exporter = new ExporterThread(
  {
    directory,
    settings: { ...settings, ...own },
    version: '0',
    lead: { number: 0, holder: { ...ownMark(), threadId: 0 }, startMs: Date.now() },
  },
  () => {},
  PROGRAM,
);
process.stdin.on('data', () => console.log((process.memoryUsage.rss() - beforeBytes) / 1024 ** 2));
console.log(await exporter.url);
await once(process.stdin, 'end');
exporter.stop();
