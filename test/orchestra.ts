/** A program that starts threads as it is told and serves nothing itself, its clients, and what is seen of it meanwhile. */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Sample } from './exposition.ts';
import { fixture, type Owner, type Running, type StartOptions, start, until } from './processes.ts';
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

/** Scrapes all the time; fails where a scrape fails or anything that must not fall has fallen. */
export function watchTotals(running: Running, everyMs = 50): { stop(): Promise<{ scrapes: number; last: Sample[] }> } {
  let stopped = false;
  let scrapes = 0;
  let last: Sample[] = [];
  const all = (async () => {
    const seen = new Map<string, number>();
    while (!stopped) {
      last = await running.scrape();
      scrapes += 1;
      for (const [series, value] of rising(last)) {
        assert.ok(value >= (seen.get(series) ?? 0), `${series} fell from ${seen.get(series)} to ${value}`);
        seen.set(series, value);
      }
      const shown = rising(last);
      for (const series of seen.keys()) assert.ok(shown.has(series), `${series} is gone`);
      await delay(everyMs);
    }
    return { scrapes, last };
  })();
  // It is awaited in stop(); until then its failure is not unhandled.
  all.catch(() => {});
  return {
    stop() {
      stopped = true;
      return all;
    },
  };
}

function rising(samples: Sample[]): Map<string, number> {
  return new Map(
    samples
      .filter(({ name }) => RISING.test(name) && !PASSING.test(name))
      .map(({ name, labels, value }) => [`${name}${JSON.stringify(labels)}`, value]),
  );
}
