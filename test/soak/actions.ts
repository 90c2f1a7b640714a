/** What is done to a fleet: the table of actions, and who may be lost with each of them. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Fleet, Member } from './fleet.ts';
import type { Ledger } from './ledger.ts';
import { between, type Random } from './random.ts';
import { abort, rawly, readSlowly, writeSlowly } from './traffic.ts';

const MIN_PAUSE_MS = 1000;

export interface Scene {
  readonly fleet: Fleet;
  readonly ledger: Ledger;
  readonly random: Random;
  readonly metricsPort: number;
  /** Blocks and stops are no longer than this, in ms. */
  readonly longestPauseMs: number;
  /** The exporter is about to be ended. */
  exporterEnds(): void;
}

export interface Action {
  /** How often, in comparison to others. */
  readonly weight: number;
  /** Whom it may hit; the fleet's primary where there is none. */
  readonly hits?: (member: Member) => boolean;
  /** It ends whom it hits. */
  readonly ends?: true;
  /** What whom it hits has not published yet is lost with it: all of it, or that of its threads. */
  readonly loses?: 'all' | 'threads';
  /** It is not done again before, in ms. */
  readonly restMs?: number;
  /** Returns when it is over; until then others are done. */
  do(member: Member, scene: Scene): Promise<void> | void;
}

const isProcess = ({ isThread, pausedAtMs }: Member) => !isThread && pausedAtMs === undefined;
const isAnyProcess = ({ isThread }: Member) => !isThread;
const isThread = (member: Member) => member.isThread;

/** By the name that the report has. */
export const ACTIONS: Readonly<Record<string, Action>> = {
  SIGKILL: {
    weight: 4,
    hits: isAnyProcess,
    ends: true,
    loses: 'all',
    do: ({ pid }) => signal(pid, 'SIGKILL'),
  },
  'SIGTERM, not handled': {
    weight: 2,
    hits: (member) => isProcess(member) && !member.handlesTerm,
    ends: true,
    loses: 'all',
    do: ({ pid }) => signal(pid, 'SIGTERM'),
  },
  'SIGTERM, handled': {
    weight: 2,
    hits: (member) => isProcess(member) && member.handlesTerm,
    ends: true,
    loses: 'threads',
    do: ({ pid }) => signal(pid, 'SIGTERM'),
  },
  'process.exit()': {
    weight: 2,
    hits: isProcess,
    ends: true,
    loses: 'threads',
    do: ({ key }, { fleet, random }) => fleet.order(key, 'exit', between(random, 0, 2)),
  },
  'uncaught error': {
    weight: 2,
    hits: isProcess,
    ends: true,
    loses: 'threads',
    do: ({ key }, { fleet }) => fleet.order(key, 'fail'),
  },
  'loop blocked': {
    weight: 4,
    hits: isProcess,
    do(member, { fleet, random, longestPauseMs }) {
      member.pausedAtMs = performance.now();
      fleet.order(member.key, 'block', between(random, MIN_PAUSE_MS, longestPauseMs));
    },
  },
  'loop of the primary blocked': {
    weight: 1,
    do: (_member, { fleet, random, longestPauseMs }) =>
      fleet.order('primary', 'block', between(random, MIN_PAUSE_MS, longestPauseMs / 3)),
  },
  'SIGSTOP, SIGCONT': {
    weight: 1,
    hits: isProcess,
    async do(member, { fleet, random, longestPauseMs }) {
      member.pausedAtMs = performance.now();
      signal(member.pid, 'SIGSTOP');
      await delay(between(random, MIN_PAUSE_MS, longestPauseMs));
      // It may have been killed meanwhile, and its number be another's.
      if (!fleet.living().includes(member)) return;
      signal(member.pid, 'SIGCONT');
      fleet.resumed(member.key);
    },
  },
  'thread terminated': {
    weight: 4,
    hits: isThread,
    ends: true,
    loses: 'all',
    do: ({ key }, { fleet }) => fleet.order(processOf(key), 'end-thread'),
  },
  // Node goes on answering for a moment after the `exit` event of a thread: that is not counted.
  'thread, uncaught error': {
    weight: 2,
    hits: isThread,
    ends: true,
    loses: 'all',
    do: ({ key }, { fleet }) => fleet.order(processOf(key), 'fail-thread'),
  },
  'thread, process.exit()': {
    weight: 1,
    hits: isThread,
    ends: true,
    loses: 'all',
    do: ({ key }, { fleet }) => fleet.order(processOf(key), 'exit-thread'),
  },
  'exporter thread terminated': {
    weight: 1,
    restMs: 15_000,
    do(_member, { fleet, exporterEnds }) {
      exporterEnds();
      fleet.order('primary', 'end-exporter');
    },
  },
  'clients that abort': {
    weight: 2,
    hits: () => true,
    async do({ port }, { ledger, random }) {
      await Promise.all(Array.from({ length: 5 }, () => abort(port, ledger, between(random, 1, 300))));
    },
  },
  'client that writes slowly': {
    weight: 1,
    hits: () => true,
    do: ({ port }, { ledger, random }) => writeSlowly(port, ledger, between(random, 500, 3000)),
  },
  'client that reads slowly': {
    weight: 1,
    hits: () => true,
    do: ({ port }, { ledger, random }) => readSlowly(port, ledger, between(random, 500, 3000)),
  },
  'scrapers that go away': {
    weight: 1,
    async do(_member, { metricsPort, random }) {
      const scrape = 'GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n';
      await Promise.all(
        Array.from({ length: 5 }, () => rawly(metricsPort, scrape, () => delay(between(random, 0, 200)))),
      );
    },
  },
};

/** The key of the process that a thread is of, or of the process itself. */
export function processOf(key: string): string {
  return key.split('.', 1)[0]!;
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It has ended by itself, as it was told to a moment ago.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
