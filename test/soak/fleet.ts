/** The processes and threads under soak, as they say it themselves and as the system has them: who lives, since when not. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Running } from '../processes.ts';

/** Dead ones are remembered so long: longer than anything of them may be shown. */
const MEMORY_MS = 60_000;

/** A process that serves, or a thread of one. Times are of performance.now(). */
export interface Member {
  /** As in its worker_id: a cluster worker's id or a child's pid, with the thread's id behind a dot. */
  readonly key: string;
  readonly pid: number;
  /** Of its HTTP server; the workers share one. */
  readonly port: number;
  readonly isThread: boolean;
  /** Whether a SIGTERM ends it in good order. */
  readonly handlesTerm: boolean;
  readonly processStart: string;
  /** It is blocked or stopped since then; undefined when it is not. */
  pausedAtMs?: number | undefined;
  /** Seen dead first. */
  deadAtMs?: number;
  /** It was told to end, or was ended: nobody wonders that it did. */
  doomed?: boolean;
}

type Listener = (key: string, ...rest: string[]) => void;

/** Follows what `keeps-a-fleet.mjs` and its members say. */
export class Fleet {
  readonly #app: Running;
  readonly #members = new Map<string, Member>();
  readonly #said = new Map<string, Listener[]>();
  /** How often a member has ended: a worker, a child, a thread. */
  readonly ends = { worker: 0, child: 0, thread: 0 };

  constructor(app: Running) {
    this.#app = app;
    let rest = '';
    app.child.stdout!.on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.#take(line.split(' '));
    });
    this.on('up', (key, pid, port, term) => this.#enter(key, Number(pid), Number(port), term === 'handles'));
    this.on('back', (key) => this.resumed(key));
    this.on('down', (key) => {
      this.ends.thread += 1;
      const thread = this.#members.get(key);
      if (thread) thread.deadAtMs ??= performance.now();
    });
    this.on('ended', (kind) => {
      this.ends[kind as 'worker' | 'child'] += 1;
    });
  }

  /** Listens to lines that begin with a word; the rest of their words are handed over. */
  on(word: string, listener: Listener): void {
    this.#said.set(word, [...(this.#said.get(word) ?? []), listener]);
  }

  /** Has an order carried out: `primary`, or the key of a member, and what. */
  order(key: string, ...words: (string | number)[]): void {
    this.#app.child.stdin!.write(`${[key, ...words].join(' ')}\n`);
  }

  resumed(key: string): void {
    const member = this.#members.get(key);
    if (member) member.pausedAtMs = undefined;
  }

  get(key: string): Member | undefined {
    return this.#members.get(key);
  }

  /** Those that live, seen now; threads are taken for living until their process says otherwise. */
  living(): Member[] {
    this.#look();
    return [...this.#members.values()].filter(({ deadAtMs }) => deadAtMs === undefined);
  }

  /** The main threads among the living. */
  processes(): Member[] {
    return this.living().filter(({ isThread }) => !isThread);
  }

  /** Those that have died lately. */
  dead(): Member[] {
    return [...this.#members.values()].filter(({ deadAtMs }) => deadAtMs !== undefined);
  }

  #take([word = '', key = '', ...rest]: string[]): void {
    for (const listener of this.#said.get(word) ?? []) listener(key, ...rest);
  }

  #enter(key: string, pid: number, port: number, handlesTerm: boolean): void {
    const start = processStart(pid);
    // It has ended since it said so.
    if (start === undefined) return;
    this.#members.set(key, { key, pid, port, handlesTerm, isThread: key.includes('.'), processStart: start });
  }

  #look(): void {
    const nowMs = performance.now();
    const starts = new Map<number, string | undefined>();
    for (const [key, member] of this.#members) {
      if (member.deadAtMs !== undefined) {
        if (nowMs - member.deadAtMs > MEMORY_MS) this.#members.delete(key);
        continue;
      }
      if (!starts.has(member.pid)) starts.set(member.pid, processStart(member.pid));
      if (starts.get(member.pid) !== member.processStart) member.deadAtMs = nowMs;
    }
  }
}

/** The processes of a process group that live. */
export function processGroup(leader: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const fields = statOf(pid);
      return fields !== undefined && Number(fields[2]) === leader;
    });
}

function processStart(pid: number): string | undefined {
  return statOf(pid)?.[19];
}

// The fields behind the name, the state first; undefined of one that is gone, or a zombie.
function statOf(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return /[ZX]/.test(fields[0]!) ? undefined : fields;
  } catch {
    return undefined;
  }
}
