/** A program that starts threads as it is told and serves nothing itself, its clients, and what is seen of it meanwhile. */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Sample } from './exposition.ts';
import { atEnd, fixture, type Owner, type Running, type StartOptions, start, until } from './processes.ts';
import { request } from './requests.ts';

/** Names of samples that never fall: counters, and what histograms count. */
const RISING = /_(total|count|bucket|sum)$/;
// Of single workers, which go with them; of all the exits of one process, the newest.
const PASSING = /^gunicorn_(worker|master_worker_restart_count)_/;

export interface Orchestra extends Running {
  /** Gives an order; see the fixture. */
  tell(...order: string[]): void;
  /** Starts a thread that listens. @param options - of the Worker, or SHARE_ENV */
  thread(options?: object | 'SHARE_ENV'): Promise<{ id: string; port: number }>;
  /** Waits for one that a thread has been told to start. */
  next(): Promise<{ id: string; port: number }>;
  /** Waits for the end of a thread. @returns its exit code */
  endOf(id: string): Promise<number>;
}

/** Starts it, without any thread. */
export function orchestra(owner: Owner, options: StartOptions = {}): Orchestra {
  const running = start(owner, [fixture('starts-threads-as-told.mjs')], { ...options, stdin: 'pipe' });
  const tell = (...order: string[]) => void running.child.stdin!.write(`${order.join(' ')}\n`);
  const listening = () => [...running.output.stdout.matchAll(/^thread (0\.\d+) on port (\d+)$/gm)];
  let started = 0;
  const next = async () => {
    const index = started;
    started += 1;
    const [, id, port] = await until(() => listening()[index], `thread ${index}; it said\n${running.output.stderr}`);
    return { id: id!, port: Number(port) };
  };
  return {
    ...running,
    tell,
    next,
    thread(its = {}) {
      tell('start', typeof its === 'string' ? its : JSON.stringify(its));
      return next();
    },
    async endOf(id) {
      return Number((await running.says(new RegExp(`^ended ${id} (\\d+)$`, 'm')))[1]);
    },
  };
}

/** What a client has had answered so far. */
export interface Answered {
  answered: number;
  /** How many of them in the so many ms before the last one. */
  late(ms: number): number;
}

/** One client that asks all the time, one request after another, until its server is gone or it is stopped. */
export function ask(port: number): { count: Answered; stop(): Promise<Answered> } {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  const count = {
    answered: 0,
    late: (ms: number) => times.filter((time) => time >= times.at(-1)! - ms).length,
  };
  let stopped = false;
  const all = (async () => {
    while (!stopped) {
      try {
        await request(`http://127.0.0.1:${port}/`, { agent });
      } catch {
        break; // Its thread has ended.
      }
      count.answered += 1;
      times.push(performance.now());
    }
    agent.destroy();
    return count;
  })();
  return {
    count,
    stop() {
      stopped = true;
      return all;
    },
  };
}

/** What has been seen by scraping all the time. */
export interface Watched {
  /** That were answered, and how many have failed since the last of them. */
  scrapes: number;
  failures: number;
  last: Sample[];
}

/**
 * Scrapes all the time; fails where anything that must not fall has fallen.
 *
 * @param mayFail - there are times without an endpoint
 */
export function watchTotals(
  owner: Owner,
  running: Running,
  { everyMs = 50, mayFail = false } = {},
): { seen: Readonly<Watched>; failed: Promise<Watched>; stop(): Promise<Watched> } {
  const seen: Watched = { scrapes: 0, failures: 0, last: [] };
  const highest = new Map<string, number>();
  let stopped = false;
  const all = (async () => {
    for (; !stopped; await delay(everyMs)) {
      try {
        seen.last = await running.scrape();
      } catch (error) {
        if (!mayFail) throw error;
        seen.failures += 1;
        continue;
      }
      const shown = rising(seen.last);
      for (const [series, before] of highest) {
        const value = shown.get(series) ?? Number.NaN;
        assert.ok(value >= before, `${series} fell from ${before} to ${value}`);
      }
      for (const [series, value] of shown) highest.set(series, value);
      seen.scrapes += 1;
      seen.failures = 0;
    }
    return seen;
  })();
  // It is awaited in stop(); until then its failure is not unhandled.
  all.catch(() => {});
  const stop = () => {
    stopped = true;
    return all;
  };
  atEnd(owner, async () => {
    await stop().catch(() => {});
  });
  return { seen, failed: all, stop };
}

function rising(samples: Sample[]): Map<string, number> {
  return new Map(
    samples
      .filter(({ name }) => RISING.test(name) && !PASSING.test(name))
      .map(({ name, labels, value }) => [`${name}${JSON.stringify(labels)}`, value]),
  );
}
