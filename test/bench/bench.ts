/**
 * `npm run bench`: every part in order, or those named; each prints tables and says which of its targets are met. They go
 * into docs/benchmarks.md, unless a variable BENCH_* makes the run another one than that page tells of.
 */
import { blockedWorker } from './blocked-worker.ts';
import { fleet } from './fleet.ts';
import { groupWeight } from './group-weight.ts';
import { stolen } from './host.ts';
import { killedWorker } from './killed-worker.ts';
import { latency } from './latency.ts';
import { memory } from './memory.ts';
import { publishing } from './publishing.ts';
import { redisValue } from './redis-value.ts';
import { Report, writeSection } from './report.ts';
import { requestCost } from './request-cost.ts';
import { restarts } from './restarts.ts';
import { scrape } from './scrape.ts';
import { scrapeCost } from './scrape-cost.ts';
import { startUp } from './start-up.ts';

/** One part, as docs/benchmarks.md has it. */
interface Part {
  readonly title: string;
  readonly run: (report: Report) => Promise<void>;
}

const PARTS: Readonly<Record<string, Part>> = {
  'request-cost': { title: 'What a request costs more', run: requestCost },
  latency: { title: 'What a request waits longer, at half load', run: latency },
  'start-up': { title: 'Start-up', run: startUp },
  memory: { title: 'Memory', run: memory },
  publishing: { title: "A worker's cost of publishing", run: publishing },
  restarts: { title: 'Cost against uptime', run: restarts },
  'redis-value': { title: "A group's value in Redis", run: redisValue },
  'group-weight': { title: 'What a group sends', run: groupWeight },
  fleet: { title: 'One endpoint for a fleet', run: fleet },
  scrape: { title: 'A scrape, beside the peers', run: scrape },
  'blocked-worker': { title: 'A scrape while a worker is blocked', run: blockedWorker },
  'killed-worker': { title: 'Totals when a worker is killed', run: killedWorker },
  'scrape-cost': { title: 'What a scrape costs, stage by stage', run: scrapeCost },
};

const isAsTold = !Object.keys(process.env).some((name) => name.startsWith('BENCH_'));
const wanted = process.argv.slice(2);
const unknown = wanted.filter((part) => !Object.hasOwn(PARTS, part));
if (unknown.length > 0) {
  console.error(`there is no bench ${unknown.join(', ')}; there are ${Object.keys(PARTS).join(', ')}`);
  process.exitCode = 2;
} else {
  for (const name of wanted.length > 0 ? wanted : Object.keys(PARTS)) {
    const { title, run } = PARTS[name]!;
    console.log(`\n## ${title} (${name})\n`);
    const report = new Report();
    const stolenSoFar = stolen();
    await run(report);
    if (isAsTold) writeSection(name, title, report.text, { stolen: stolenSoFar() });
  }
}
