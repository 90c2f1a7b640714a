/** Does one action after another to a fleet, each chosen by chance, and remembers which. */
import { setTimeout as delay } from 'node:timers/promises';
import { ACTIONS, type Action, processOf, type Scene } from './actions.ts';
import type { Member } from './fleet.ts';
import { between, oneOf, weighted } from './random.ts';

const LEAST_BETWEEN_MS = 200;
const MOST_BETWEEN_MS = 1000;

export interface Done {
  readonly name: string;
  /** Whom it hit; undefined when it was nobody in particular. */
  readonly key: string | undefined;
  /** Of performance.now(). */
  readonly atMs: number;
}

export interface Chaos {
  readonly history: readonly Done[];
  /** Does nothing new, and waits until what was done is over. */
  stop(): Promise<void>;
}

/** @param sheltered - keys of processes that nothing may end, so that what they hold can be watched */
export function startChaos(scene: Scene, sheltered: ReadonlySet<string>): Chaos {
  const { random, fleet, ledger } = scene;
  const history: Done[] = [];
  const table = Object.entries(ACTIONS).map(([name, action]) => ({ name, ...action }));
  const stopping = new AbortController();
  const underWay = new Set<Promise<void>>();
  const restsUntilMs = new Map<string, number>();

  // The order to a thread goes through its process, which must be able to hear it.
  const mayHit = (action: Action) => (member: Member) =>
    action.hits?.(member) === true &&
    member.doomed !== true &&
    !(action.ends && !member.isThread && sheltered.has(member.key)) &&
    !(member.isThread && isUnheard(fleet.get(processOf(member.key))));

  function act(): void {
    const { name, ...action } = weighted(random, table);
    const targets = fleet.living().filter(mayHit(action));
    const member = action.hits ? oneOf(random, targets) : undefined;
    if (action.hits && !member) return;
    const nowMs = performance.now();
    if (nowMs < (restsUntilMs.get(name) ?? 0)) return;
    restsUntilMs.set(name, nowMs + (action.restMs ?? 0));
    history.push({ name, key: member?.key, atMs: nowMs });
    if (member && action.ends) end(member, action);
    const done = Promise.resolve(action.do(member!, scene)).finally(() => underWay.delete(done));
    underWay.add(done);
  }

  // What it was asked for before it was paused may wait in it: the time counts from there.
  function end(member: Member, { loses }: Action): void {
    const sinceMs = member.pausedAtMs ?? performance.now();
    const { key } = member;
    member.doomed = true;
    if (loses === 'all') ledger.doom(key, sinceMs);
    if (member.isThread) return;
    if (loses) ledger.doomThreads(key, sinceMs);
    for (const thread of fleet.living()) {
      if (thread.isThread && processOf(thread.key) === key) thread.doomed = true;
    }
  }

  const all = (async () => {
    while (!stopping.signal.aborted) {
      await delay(between(random, LEAST_BETWEEN_MS, MOST_BETWEEN_MS), undefined, stopping).catch(() => {});
      if (!stopping.signal.aborted) act();
    }
  })();
  return {
    history,
    async stop() {
      stopping.abort();
      await all;
      await Promise.all(underWay);
    },
  };
}

function isUnheard(process: Member | undefined): boolean {
  return process === undefined || process.doomed === true || process.pausedAtMs !== undefined;
}
