/** The one endpoint of processes that nobody above them holds together: who listens, what it says, how long it is away. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endless } from './endless.ts';
import { parseExposition, type Sample, select, sum } from './exposition.ts';
import { type Owner, type Running, until } from './processes.ts';
import { COUNT, settled } from './request-count.ts';
import { request } from './requests.ts';

/** The counter of the fixtures that count their answers. */
export const ANSWERS = 'shop_answers_total';
/** The promise for a hand-over. */
export const PROMISED_GAP_MS = 2000;
const SCRAPE_EVERY_MS = 50;
const SCRAPE_TIMEOUT_MS = 1000;
// proc(5), /proc/net/tcp: the state of a socket that listens.
const LISTENS = '0A';

export interface Watched {
  scrapes: number;
  failed: number;
  /** Between two scrapes that succeeded, the longest first. */
  gapsMs: number[];
}

/** An endpoint that may be away for a while: each scrape is tried until it succeeds. */
export function endpointAt(port: number): Pick<Running, 'scrape'> {
  return {
    async scrape() {
      let problem: unknown = 'nothing';
      const attempt = async () => {
        try {
          return await scrapeOnce(port);
        } catch (error) {
          problem = unlessWrong(error);
          return undefined;
        }
      };
      return until(attempt, () => `a scrape on port ${port}; there was ${problem}`);
    },
  };
}

/** Waits until that many requests, and as many answers by the app's own counter, are in the sums: no more, no fewer. */
export async function countsExactly(running: Pick<Running, 'scrape'>, count: number): Promise<Sample[]> {
  await settled(running, count);
  let samples: Sample[] = [];
  await until(
    async () => {
      samples = await running.scrape();
      return sum(samples, ANSWERS) >= count;
    },
    () => `${count} answers by the app's counter; there are ${sum(samples, ANSWERS)}`,
  );
  assert.equal(sum(samples, ANSWERS), count, ANSWERS);
  assert.equal(sum(samples, COUNT), count, COUNT);
  return samples;
}

/** Waits until the sums have what was answered; fails when they have more than was sent. Both numbers are of all time. */
export async function countsBetween(running: Pick<Running, 'scrape'>, answered: number, sent: number): Promise<void> {
  for (const metric of [COUNT, ANSWERS]) {
    let counted = 0;
    await until(
      async () => {
        counted = sum(await running.scrape(), metric);
        return counted >= answered;
      },
      () => `${answered} in ${metric}; there are ${counted}`,
    );
    assert.ok(counted <= sent, `${metric}: ${counted} counted, ${sent} sent`);
  }
}

/** The worker_ids of the living that a scrape tells; fails when two of them are the same. */
export function livingWorkers(samples: Sample[]): string[] {
  const ids = select(samples, 'gunicorn_worker_state').map(({ labels }) => labels['worker_id']!);
  assert.equal(new Set(ids).size, ids.length, `a worker_id twice: ${ids}`);
  return ids;
}

/** Waits until a scrape tells so many living workers. */
export function areLiving(running: Pick<Running, 'scrape'>, count: number): Promise<string[]> {
  let ids: string[] = [];
  return until(
    async () => {
      ids = livingWorkers(await running.scrape());
      return ids.length === count && ids;
    },
    () => `${count} living workers; there are ${ids}`,
  );
}

/** The pids of all processes that listen on a TCP port. */
export function listenersOn(port: number): number[] {
  const sockets = listeningSockets();
  const ours = (pid: number) => openFiles(pid).some((target) => sockets.get(target) === port);
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && ours(pid));
}

/** The TCP ports that a process listens on, each as often as it has a socket of its own for it. */
export function portsOf(pid: number): number[] {
  const sockets = listeningSockets();
  return openFiles(pid).flatMap((target) => sockets.get(target) ?? []);
}

/** Waits until one process listens; fails when it is none, or more. A child has its parent's socket until its exec. */
export function leaderAt(port: number): Promise<number> {
  let pids: number[] = [];
  return until(
    () => {
      pids = listenersOn(port);
      return pids.length === 1 && pids[0];
    },
    () => `one process that listens on port ${port}; there are ${pids}`,
  );
}

/** Who leads the only group of a directory, by its lock of the highest number; undefined when there is none. */
export function lockHolder(directory: string): number | undefined {
  const group = join(directory, readdirSync(directory)[0] ?? '');
  const locks = readdirSync(group).flatMap((file) => /^leader-(\d+)$/.exec(file)?.[1] ?? []);
  const highest = Math.max(...locks.map(Number));
  try {
    return JSON.parse(readFileSync(join(group, `leader-${highest}`), 'utf8')).holder.pid;
  } catch {
    // It is replaced, or being written.
    return undefined;
  }
}

/** Scrapes all the time, from a first success on; stop() fails when a sum has fallen between two scrapes that succeeded. */
export async function watchEndpoint(
  owner: Owner,
  port: number,
  names = [COUNT, ANSWERS],
): Promise<{ stop(): Promise<Watched> }> {
  const watched: Watched = { scrapes: 0, failed: 0, gapsMs: [] };
  const watching = endless(owner, async (isStopped) => {
    let last = names.map(() => 0);
    let lastAt: number | undefined;
    while (!isStopped()) {
      const samples = await scrapeOnce(port).catch((error: unknown) => void unlessWrong(error));
      if (samples) {
        const now = performance.now();
        if (lastAt !== undefined) watched.gapsMs.push(now - lastAt);
        lastAt = now;
        watched.scrapes += 1;
        last = names.map((name, index) => {
          const value = sum(samples, name);
          assert.ok(value >= last[index]!, `${name} fell from ${last[index]} to ${value}`);
          return value;
        });
      } else if (lastAt !== undefined) watched.failed += 1;
      await delay(SCRAPE_EVERY_MS);
    }
    watched.gapsMs.sort((a, b) => b - a);
    return watched;
  });
  await until(() => watched.scrapes > 0, `a scrape on port ${port}`);
  return watching;
}

/** In words, for a test's diagnostics. */
export function inWords({ scrapes, failed, gapsMs }: Watched): string {
  const longest = gapsMs.slice(0, 5).map((gap) => gap.toFixed(0));
  return `${scrapes} scrapes, ${failed} failed; the longest gaps were ${longest.join(', ')} ms`;
}

async function scrapeOnce(port: number): Promise<Sample[]> {
  const answer = await request(`http://127.0.0.1:${port}/metrics`, { timeout: SCRAPE_TIMEOUT_MS });
  assert.equal(answer.status, 200, answer.body);
  return parseExposition(answer.body);
}

// Nobody may listen for a while; who answers must answer well.
function unlessWrong(error: unknown): unknown {
  if (error instanceof assert.AssertionError) throw error;
  return error;
}

// As they are called in /proc/<pid>/fd, with the port of each.
function listeningSockets(): Map<string, number> {
  const sockets = new Map<string, number>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of readFileSync(table, 'latin1').trim().split('\n').slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === LISTENS) sockets.set(`socket:[${inode}]`, Number.parseInt(local!.split(':')[1]!, 16));
    }
  }
  return sockets;
}

// A process may end, or be another user's, while it is looked at.
function openFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}
