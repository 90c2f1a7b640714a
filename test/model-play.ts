/** Plays a history to a real group and to the reference at once, and hands out what both say at each scrape. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { Identity } from '../src/snapshot/layout.ts';
import type { ProcessMark } from '../src/snapshot/process-mark.ts';
import { crashWhileFolding, RealExporter, RealMember, type RealOptions, seeEnd } from './model-group.ts';
import type { Step } from './model-history.ts';
import { type Modelled, notice } from './model-reference.ts';
import { ATTRIBUTES, type Request } from './model-shop.ts';
import { freshDirectory } from './processes.ts';
import { markOf } from './sleepers.ts';

export interface PlayOptions extends RealOptions {
  /** Whether the ids of workers come back. */
  readonly slots: boolean;
}

/** A process, or one of its threads: as it is, and as the model has it. */
interface Player {
  readonly real: RealMember;
  readonly model: Modelled;
  readonly process: ChildProcess;
  readonly mark: ProcessMark;
  readonly threadId: number;
  /** Requests under way. */
  readonly begun: Request['method'][];
  /** A thread that has ended, of which its process has not told: who reads its file does not know. */
  unseen: boolean;
}

export interface Moment {
  readonly text: string;
  readonly members: readonly Modelled[];
  /** Memory of each living worker, by worker_id: its pid. */
  readonly memory: Readonly<Record<string, number>>;
  /** Reads of files that have failed so far. */
  readonly errors: number;
  /** It is the first one of an exporter that has come after another. */
  readonly replaced: boolean;
}

/** Calls back with each scrape of the history, and with one at its end. Nothing of it is left afterwards. */
export async function play(
  t: TestContext,
  history: readonly Step[],
  options: PlayOptions,
  onScrape: (moment: Moment) => void,
): Promise<void> {
  const stage = new Stage(t, options, onScrape);
  try {
    for (const step of history) await stage.play(step);
    await stage.play({ what: 'scrape' });
  } finally {
    stage.leave();
  }
}

// Processes that nobody has killed serve the next history.
const idle: ChildProcess[] = [];

/** Ends the processes that were lent to histories; for the end of a test file. */
export function endProcesses(): void {
  for (const process of idle) process.kill('SIGKILL');
}

class Stage {
  readonly #t: TestContext;
  readonly #options: PlayOptions;
  readonly #onScrape: (moment: Moment) => void;
  readonly #directory: string;
  readonly #players: Player[] = [];
  #exporter: RealExporter;
  #replaced = false;
  #nowMs = 1_700_000_000_000;

  constructor(t: TestContext, options: PlayOptions, onScrape: (moment: Moment) => void) {
    this.#t = t;
    this.#options = options;
    this.#onScrape = onScrape;
    this.#directory = freshDirectory(t);
    this.#exporter = this.#open();
  }

  async play(step: Step): Promise<void> {
    this.#nowMs += 1;
    switch (step.what) {
      case 'birth':
        return this.#birth(step.slot);
      case 'time':
        this.#nowMs += step.ms;
        return;
      case 'scrape':
        return this.#scrape();
      case 'reap':
        notice(this.#membersSeenDead(), this.#nowMs, this.#options);
        this.#exporter.reader.reap();
        return;
      case 'exporter replaced':
        return this.#replaceExporter();
      case 'exporter killed while folding':
        crashWhileFolding(this.#directory, freshDirectory(this.#t), this.#options);
        this.#replaceExporter();
        for (const model of this.#membersSeenDead()) if (!model.alive) model.folded = true;
        return;
      default: {
        const isThread = step.what.startsWith('thread ');
        const able = this.#players.filter(({ model, threadId }) => model.alive && (!isThread || threadId > 0));
        const player = able.at(step.which % able.length);
        if (player) await this.#playTo(player, step);
      }
    }
  }

  async #playTo(player: Player, step: Extract<Step, { which: number }>): Promise<void> {
    const { real, model, begun } = player;
    switch (step.what) {
      case 'record': {
        const { attributes, labels } = ATTRIBUTES[step.attributes]!;
        real.record(step.on, attributes, step.value);
        model.facts.push({ what: 'recorded', on: step.on, labels, value: step.value, order: this.#nowMs });
        return;
      }
      case 'begin':
        real.begin(step.method);
        begun.push(step.method);
        model.facts.push({ what: 'begun', method: step.method, order: this.#nowMs });
        return;
      case 'request': {
        const method = begun.pop();
        const request = { ...step.request, method: method ?? step.request.method };
        if (method === undefined) {
          real.begin(request.method);
          model.facts.push({ what: 'begun', method: request.method, order: this.#nowMs });
        }
        real.end(request);
        model.facts.push({ what: 'ended', request, order: this.#nowMs });
        return;
      }
      case 'publish':
        real.publish();
        this.#published(model);
        return;
      case 'thread': {
        const { process, mark } = player;
        const threads = this.#players.filter((other) => other.process === process).length;
        this.#enter(process, mark, threads, this.#uniqueId(`.${threads}`), false);
        return;
      }
      case 'thread ends':
      case 'thread terminated':
        real.close(step.what === 'thread ends');
        if (step.what === 'thread ends') this.#published(model);
        player.unseen = step.what === 'thread ends' && !step.seen;
        // Nobody but its process can tell of a thread that was terminated.
        if (!player.unseen) seeEnd(this.#directory, player.mark, player.threadId);
        model.alive = false;
        return;
      default:
        return this.#end(player, step);
    }
  }

  async #birth(slot: number): Promise<void> {
    const { slots } = this.#options;
    const process = idle.pop() ?? (await spawned());
    const workerId = slots ? `worker_${slot}` : this.#uniqueId('');
    const taken = this.#players.some(({ model }) => model.alive && model.workerId === workerId);
    if (taken) idle.push(process);
    else this.#enter(process, markOf(process.pid!), 0, workerId, slots);
  }

  #uniqueId(thread: string): string {
    return `worker_${this.#players.length + 1}${thread}_${Math.floor(this.#nowMs / 1000)}`;
  }

  #enter(process: ChildProcess, mark: ProcessMark, threadId: number, workerId: string, lasting: boolean): void {
    const identity: Identity = {
      ...mark,
      role: threadId === 0 ? 'worker' : 'thread',
      workerId,
      threadId,
      startSeconds: Math.floor(this.#nowMs / 1000),
      version: '1.2.3',
      ...(lasting && { lasting }),
    };
    const model: Modelled = {
      workerId,
      lasting,
      facts: [],
      published: 0,
      publishedOrder: this.#nowMs,
      alive: true,
      folded: false,
    };
    const real = new RealMember(this.#directory, identity, this.#options.maxSeries);
    this.#players.push({ real, model, process, mark, threadId, begun: [], unseen: false });
  }

  // Of a process that ends, its threads are terminated.
  async #end(player: Player, step: Extract<Step, { which: number }>): Promise<void> {
    const { process } = player;
    if (player.threadId === 0 && step.what === 'exit') {
      player.real.publish();
      this.#published(player.model);
    }
    if (step.what === 'torn') player.real.tear(step.part);
    process.kill('SIGKILL');
    await once(process, 'exit');
    for (const { real, model } of this.#players.filter((other) => other.process === process && other.model.alive)) {
      real.close();
      model.alive = false;
    }
    for (const other of this.#players) if (other.process === process) other.unseen = false;
  }

  async #scrape(): Promise<void> {
    notice(this.#membersSeenDead(), this.#nowMs, this.#options);
    const text = await this.#exporter.scrape();
    const members = this.#players.map(({ model }) => model);
    for (const { model } of this.#players) if (!model.alive) model.noticedAtMs ??= this.#nowMs;
    const living = this.#players.filter(({ model }) => model.alive);
    const memory = Object.fromEntries(living.map(({ model, mark }) => [model.workerId, mark.pid]));
    const errors = [...this.#exporter.reader.errors.values()].reduce((sum, count) => sum + count, 0);
    this.#onScrape({ text, members, memory, errors, replaced: this.#replaced });
    this.#replaced = false;
  }

  #membersSeenDead(): Modelled[] {
    return this.#players
      .filter(({ unseen, model }) => !unseen || model.noticedAtMs !== undefined)
      .map(({ model }) => model);
  }

  #open(): RealExporter {
    return new RealExporter(this.#directory, this.#options, () => this.#nowMs);
  }

  // Who comes after an exporter knows of nobody how long he is dead.
  #replaceExporter(): void {
    this.#exporter = this.#open();
    this.#replaced = true;
    for (const player of this.#players) player.model.noticedAtMs = undefined;
  }

  #published(model: Modelled): void {
    model.published = model.facts.length;
    model.publishedOrder = this.#nowMs;
  }

  leave(): void {
    for (const { real, model, process, threadId } of this.#players) {
      if (!model.alive) continue;
      real.close();
      if (threadId === 0) idle.push(process);
    }
  }
}

async function spawned(): Promise<ChildProcess> {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  await once(child, 'spawn');
  return child;
}
