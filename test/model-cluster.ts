/**
 * A cluster for the model tests in which everything is real: processes and threads under the preload that record as they
 * are told, and end as processes do. What is surely published, and what may be, is told by when it was acknowledged.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Fact, Modelled } from './model-reference.ts';
import { ATTRIBUTES, type Instrument, type Request } from './model-shop.ts';
import { fixture, type Running, start, until } from './processes.ts';
import { request } from './requests.ts';

/** What a kill may cost, in ms before it: the stated bound, and what a machine that is busy may add to it. */
export interface Bounds {
  readonly requestsMs: number;
  readonly instrumentsMs: number;
}

interface Told {
  readonly fact: Fact & { readonly order: number };
  /** When the test has heard that it was done. */
  heardMs: number;
}

/** A worker (`1`), or a thread of one (`1.2`). */
export interface Obedient {
  readonly id: string;
  readonly pid: number;
  readonly port: number;
  readonly told: Told[];
  /** Not there while it lives; `killed`: it had no time to publish. */
  end?: { readonly atMs: number; readonly killed: boolean };
}

const KINDS = { counter: 'Counter', updowncounter: 'UpDownCounter', histogram: 'Histogram', gauge: 'Gauge' } as const;
const now = () => performance.now();

/** The primary and all who ever were below it. */
export class ObedientCluster {
  readonly all: Obedient[] = [];
  readonly running: Running;
  #orders = 0;

  constructor(t: TestContext, env: Record<string, string>) {
    const args = [fixture('forks-as-told.mjs'), fixture('works-as-told.mjs')];
    this.running = start(t, args, { stdin: 'pipe', env });
  }

  get living(): Obedient[] {
    return this.all.filter(({ end }) => !end);
  }

  async fork(): Promise<void> {
    this.#order({});
    await this.#arrives(/^serving (\d+) (\d+) (\d+)$/gm);
  }

  async thread({ id }: Obedient): Promise<void> {
    const [worker = ''] = id.split('.');
    this.#order({ to: worker, what: 'thread' });
    await this.#arrives(new RegExp(`^serving (${worker}\\.\\d+) (\\d+) (\\d+)$`, 'gm'));
  }

  async record(by: Obedient, on: Instrument, attributes: number, value: number): Promise<void> {
    const { name, unit, bounds } = on;
    const { labels, attributes: own } = ATTRIBUTES[attributes]!;
    const told = this.#tell(by, { what: 'recorded', on, labels, value });
    const order = { what: 'record', kind: KINDS[on.kind], name, unit, bounds, value, attributes: own };
    const number = this.#order({ ...addressOf(by), ...order });
    await this.running.says(new RegExp(`^done ${number}$`, 'm'));
    told.heardMs = now();
  }

  async request(by: Obedient, sent: Request): Promise<void> {
    this.#tell(by, { what: 'begun', method: sent.method }).heardMs = now();
    const told = this.#tell(by, { what: 'ended', request: { ...sent, error: '' } });
    const url = `http://127.0.0.1:${by.port}${sent.path}?status=${sent.status}`;
    assert.equal((await request(url, { method: sent.method })).status, sent.status);
    told.heardMs = now();
  }

  /** SIGKILL for a process, terminate() for a thread. */
  async kill(whom: Obedient): Promise<void> {
    const [worker, thread] = whom.id.split('.');
    this.#ends(whom, true);
    if (thread === undefined) process.kill(whom.pid, 'SIGKILL');
    else this.#order({ to: worker, what: 'terminate', whom: thread });
    await this.#isGone(whom);
  }

  /** process.exit(), which in a thread ends the thread. */
  async exit(whom: Obedient): Promise<void> {
    this.#ends(whom, false);
    this.#order({ ...addressOf(whom), what: 'exit' });
    await this.#isGone(whom);
  }

  /** Waits until all that the living were told must be published. */
  async isSure({ requestsMs, instrumentsMs }: Bounds): Promise<void> {
    const heard = this.living.flatMap(({ told }) => told.map(({ heardMs }) => heardMs));
    const sureMs = Math.max(...heard) + Math.max(requestsMs, instrumentsMs);
    await until(() => now() >= sureMs, 'that a moment has passed');
  }

  /** As the reference has them: with what is surely published now, or with all that may be. */
  modelled(what: 'sure' | 'all', bounds: Bounds): Modelled[] {
    return this.all.map(({ id, told, end }) => {
      const until = end?.atMs ?? now();
      const facts = told.filter(({ fact, heardMs }) => {
        if (what === 'all' || (end && !end.killed)) return true;
        return heardMs <= until - (fact.what === 'recorded' ? bounds.instrumentsMs : bounds.requestsMs);
      });
      return {
        workerId: id,
        lasting: false,
        facts: facts.map(({ fact }) => fact),
        published: facts.length,
        publishedOrder: 0,
        alive: !end,
        folded: false,
      };
    });
  }

  #tell(by: Obedient, fact: Fact): Told {
    const told = { fact: { ...fact, order: by.told.length }, heardMs: Number.POSITIVE_INFINITY };
    by.told.push(told);
    return told;
  }

  #order(order: object): number {
    this.#orders += 1;
    this.running.child.stdin!.write(`${JSON.stringify({ number: this.#orders, ...order })}\n`);
    return this.#orders;
  }

  async #arrives(pattern: RegExp): Promise<void> {
    const known = new Set(this.all.map(({ id }) => id));
    const [, id, pid, port] = await until(
      () => [...this.running.output.stdout.matchAll(pattern)].find(([, id]) => !known.has(id!)),
      () => `another one like ${pattern}: ${this.running.output.stdout}\n${this.running.output.stderr}`,
    );
    this.all.push({ id: id!, pid: Number(pid), port: Number(port), told: [] });
  }

  // The threads of a process that ends are not asked.
  #ends(whom: Obedient, killed: boolean): void {
    const atMs = now();
    whom.end = { atMs, killed };
    for (const other of this.living) if (other.id.startsWith(`${whom.id}.`)) other.end = { atMs, killed: true };
  }

  async #isGone({ id }: Obedient): Promise<void> {
    await this.running.says(new RegExp(`^ended ${id.replace('.', '\\.')}$`, 'm'));
  }
}

function addressOf({ id }: Obedient): { to: string; thread?: string } {
  const [to = '', thread] = id.split('.');
  return thread === undefined ? { to } : { to, thread };
}
