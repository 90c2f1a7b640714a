/** One soak, from the start of a fleet to the last check that nothing is left of it. */
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Sample, sum } from '../exposition.ts';
import { fixture, freshDirectory, type Owner, type Running, start, until } from '../processes.ts';
import { active, COUNT } from '../request-count.ts';
import type { Scene } from './actions.ts';
import { type Chaos, startChaos } from './chaos.ts';
import { endsByOrder, forgets, isFaultless, isOfTheLiving, keyOf, neverFalls } from './checks.ts';
import { completed, countsWhatWasAnswered, losses, recorded } from './counts.ts';
import { Fleet, processGroup } from './fleet.ts';
import { filesBelow, Holdings } from './holdings.ts';
import { Ledger } from './ledger.ts';
import type { Outcome } from './outcome.ts';
import { between, randomBy } from './random.ts';
import { startTraffic } from './traffic.ts';
import { Violations } from './violations.ts';
import { Watch } from './watch.ts';

const WORKERS = 3;
const CHILDREN = 2;
const RETENTION_MS = 5000;
const LONGEST_PAUSE_MS = 8000;
const DEADLINE_MS = 60_000;
// Promised are 10 ms, and 1 s for what the app records; the rest is for processes that are off their core for a while.
const BOUND_MS = 250;
const APP_BOUND_MS = 1600;
// Outside of what the system gives to clients, so that none of them has it when a new exporter wants it back.
const PORTS = { least: 20_000, most: 30_000 };

export interface SoakOptions {
  readonly seconds: number;
  readonly seed: number;
}

/** Soaks a fleet. @throws when it does not even start; whatever else is not as it must be is a violation */
export async function soak(owner: Owner, { seconds, seed }: SoakOptions): Promise<Outcome> {
  const random = randomBy(seed);
  const detailed = seed % 2 === 0;
  const metricsPort = await portOf(randomBy(Date.now()));
  const directory = freshDirectory(owner);
  const programs = ['keeps-a-fleet.mjs', 'serves-in-a-fleet.mjs'].map(fixture);
  const app = start(owner, [...programs, String(WORKERS), String(CHILDREN)], {
    stdin: 'pipe',
    directory,
    env: {
      PROMETHEUS_METRICS_PORT: String(metricsPort),
      GUNICORN_OTEL_EXITED_RETENTION: `${RETENTION_MS}ms`,
      GUNICORN_OTEL_LABELS: detailed ? 'detailed' : 'standard',
    },
  });
  const fleet = new Fleet(app);
  const ledger = new Ledger(APP_BOUND_MS);
  fleet.on('up', (key) => ledger.born(key));
  await until(() => isWhole(fleet), 'a whole fleet', DEADLINE_MS);

  let chaos: Chaos | undefined;
  const violations = new Violations(() => chaos?.history ?? []);
  const lost = losses(fleet, ledger, BOUND_MS);
  const longestPauseMs = Math.min(LONGEST_PAUSE_MS, seconds * 150);
  const checks = [
    neverFalls(fleet),
    isOfTheLiving(fleet),
    forgets(fleet, RETENTION_MS),
    isFaultless(),
    endsByOrder(fleet),
    countsWhatWasAnswered(ledger, longestPauseMs + DEADLINE_MS / 10, BOUND_MS),
    lost.check,
  ];
  const watch = new Watch(await app.metricsUrl(), fleet, checks, (what) => violations.add(what));
  const traffic = startTraffic(fleet, ledger, randomBy(seed + 1));
  const scene: Scene = {
    fleet,
    ledger,
    random,
    metricsPort,
    longestPauseMs,
    exporterEnds: () => watch.exporterEnds(),
  };
  const sheltered = longLived(fleet);
  chaos = startChaos(scene, sheltered);
  const samples = () => watch.samples;
  const holdings = new Holdings({ fleet, primary: app.pid, sheltered, directory, seconds, samples });

  await delay(seconds * 1000, undefined, { signal: endOf(app) }).catch(() => violations.add('the primary has ended'));
  await chaos.stop();
  const held = holdings.stop();
  await violations.unless(until(() => isWhole(fleet), 'a whole fleet', DEADLINE_MS));
  await traffic.stop();
  await violations.unless(allIsCounted(watch, ledger));
  await violations.unless(onlyTheLivingAreLeft(watch, fleet, directory));
  await violations.unless(membersAreThoseThatLive(watch, fleet));
  await watch.stop();
  // With detailed labels there is no sum of them: it is told by worker, and for a while.
  if (!detailed) holdRestarts(watch.samples, fleet, (what) => violations.add(what));
  await violations.unless(endsWhole(app));
  for (const { kind, of, early, late, leaks } of held) {
    if (leaks) violations.add(`${kind} of ${of}: ${early} early, ${late} late`);
  }
  return {
    seed,
    seconds,
    history: chaos.history,
    ends: fleet.ends,
    requests: { sent: ledger.sent, answered: ledger.answered, counted: sum(watch.samples as Sample[], COUNT) },
    lost: { ...lost.found, judged: lost.judged() },
    restarts: restarts(watch.samples),
    durationsMs: watch.durationsMs,
    outagesMs: watch.outagesMs,
    refused: watch.refused,
    held,
    stderr: app.output.stderr,
    violations: violations.all,
  };
}

function endOf({ child }: Running): AbortSignal {
  const ended = new AbortController();
  child.once('exit', () => ended.abort());
  return ended.signal;
}

function isWhole(fleet: Fleet): boolean {
  const living = fleet.living();
  const isWell = living.every(({ pausedAtMs, doomed }) => pausedAtMs === undefined && !doomed);
  return isWell && living.length === 2 * (WORKERS + CHILDREN);
}

// A worker and a child.
function longLived(fleet: Fleet): Set<string> {
  const keys = fleet.processes().map(({ key }) => Number(key));
  return new Set([Math.min(...keys), Math.max(...keys)].map(String));
}

function allIsCounted(watch: Watch, ledger: Ledger): Promise<unknown> {
  const least = () => ({
    completed: ledger.answered - ledger.losable(BOUND_MS),
    recorded: ledger.answered - ledger.losable(APP_BOUND_MS),
    active: 0,
  });
  const told = () => ({
    completed: completed(watch.samples),
    recorded: recorded(watch.samples),
    active: active(watch.samples as Sample[]),
  });
  return until(
    () => told().completed >= least().completed && told().recorded >= least().recorded && told().active === 0,
    () => `${JSON.stringify(least())} at least; there are ${JSON.stringify(told())}`,
  );
}

// Nothing of the dead is in a scrape, and there is a file for each of the living and for the primary.
function onlyTheLivingAreLeft(watch: Watch, fleet: Fleet, directory: string): Promise<unknown> {
  const shown = () => new Set(watch.samples.flatMap(({ labels }) => keyOf(labels['worker_id']) ?? []));
  const files = () =>
    filesBelow(directory)
      .map((path) => basename(path))
      .filter((name) => name.includes('.snapshot'));
  return until(
    () => shown().size === fleet.living().length && files().length === fleet.living().length + 1,
    () => `${fleet.living().map(({ key }) => key)} live; shown are ${[...shown()]}; there are ${files().join(' ')}`,
    DEADLINE_MS,
  );
}

function membersAreThoseThatLive(watch: Watch, fleet: Fleet): Promise<unknown> {
  const members = () => sum(watch.samples as Sample[], 'fleet_members');
  return until(
    () => members() === fleet.living().length,
    () => `${members()} members, of ${fleet.living().map(({ key }) => key)} that live`,
  );
}

function holdRestarts(samples: readonly Sample[], fleet: Fleet, violation: (what: string) => void): void {
  const { worker, thread } = fleet.ends;
  const count = restarts(samples);
  // A worker may end before it has told of the end of its thread, and a thread before it was a member.
  if (count >= worker && count <= worker + thread) return;
  violation(`${count} restarts, after the ends of ${worker} workers and ${thread} threads`);
}

function restarts(samples: readonly Sample[]): number {
  return sum(samples as Sample[], 'gunicorn_master_worker_restarts_total');
}

async function endsWhole(app: Running): Promise<void> {
  let end: string | undefined;
  app.child.once('exit', (code, signal) => {
    end = String(signal ?? code);
  });
  process.kill(app.pid, 'SIGTERM');
  const last = () => app.output.stdout.split('\n').slice(-10).join('; ');
  await until(
    () => end,
    () => `the end of the primary; last it said ${last()}`,
  );
  if (end !== '0') throw new Error(`the primary has ended with ${end}`);
  await until(() => processGroup(app.pid).length === 0, `no process: ${processGroup(app.pid)}`);
  const left = existsSync(app.directory) ? readdirSync(app.directory) : [];
  if (left.length > 0) throw new Error(`left in the directory: ${left}`);
}

async function portOf(random: () => number): Promise<number> {
  for (;;) {
    const port = between(random, PORTS.least, PORTS.most);
    const server = createServer();
    server.listen(port, '0.0.0.0');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    server.close();
    if (isFree) return port;
  }
}
