/** Whether what was answered is counted: over the group all the time, and of each member when it has ended. */
import { type Sample, sum } from '../exposition.ts';
import { COUNT } from '../request-count.ts';
import { keyOf } from './checks.ts';
import type { Fleet } from './fleet.ts';
import type { Ledger } from './ledger.ts';
import { UNANSWERED_PATHS } from './traffic.ts';
import type { Check } from './watch.ts';

/** A member that is dead so long has been read a last time. */
const SETTLED_MS = 2000;
const COUNTS = /^gunicorn_worker_(failed_)?requests_total$/;

/** Requests that are counted as done; those that a client has given up are none of them. */
export function completed(samples: readonly Sample[]): number {
  const all = samples as Sample[];
  return sum(all, COUNT) - sum(all, COUNT, { error_type: 'aborted' });
}

/** What the app has counted itself of the requests that clients wait for. */
export function recorded(samples: readonly Sample[]): number {
  const all = samples as Sample[];
  const others = UNANSWERED_PATHS.reduce((total, path) => total + sum(all, 'fleet_answers_total', { path }), 0);
  return sum(all, 'fleet_answers_total') - others;
}

/**
 * Never more requests are counted than were sent, nor fewer than were answered a while ago.
 *
 * @param lagMs - so long a loop may be blocked that has something to publish, and more
 * @param boundMs - what was answered earlier before the end of a member than this is not lost with it
 */
export function countsWhatWasAnswered(ledger: Ledger, lagMs: number, boundMs: number): Check {
  const answered: { atMs: number; count: number }[] = [];
  let due = 0;
  return ({ samples, endMs }, violation) => {
    const counted = sum(samples as Sample[], COUNT);
    if (counted > ledger.sent) violation(`${counted} requests are counted, and ${ledger.sent} were sent`);
    answered.push({ atMs: endMs, count: ledger.answered });
    while (answered[0]!.atMs < endMs - lagMs) due = answered.shift()!.count;
    const least = due - ledger.losable(boundMs);
    if (completed(samples) < least) violation(`${completed(samples)} requests are counted, ${least} must be`);
  };
}

export interface Losses {
  readonly check: Check;
  /** Of the members that have ended: how many have lost answers, how many answers, and the ages of the oldest of each. */
  readonly found: { readonly members: number; readonly answers: number; readonly lastMs: readonly number[] };
  /** Members that have ended and were judged. */
  judged(): number;
}

/** A member that has ended has counted all that it has answered, but for the last of it where it could not say so. */
export function losses(fleet: Fleet, ledger: Ledger, boundMs: number): Losses {
  const found = { members: 0, answers: 0, lastMs: [] as number[] };
  const judged = new WeakSet<object>();
  let judgedCount = 0;
  const check: Check = ({ samples, startMs }, violation) => {
    const dead = fleet.dead().filter((each) => startMs - each.deadAtMs! > SETTLED_MS && !judged.has(each));
    if (dead.length === 0) return;
    const counts = completedByMember(samples);
    for (const member of dead) {
      const { key } = member;
      const counted = counts.get(key);
      // The exporter was away for too long, and has forgotten it.
      if (counted === undefined) continue;
      judged.add(member);
      judgedCount += 1;
      const lost = ledger.answeredBy(key) - counted;
      if (lost <= 0) continue;
      const ages = ledger.agesOf(key);
      const lastMs = ages[lost - 1] ?? Number.POSITIVE_INFINITY;
      found.members += 1;
      found.answers += lost;
      found.lastMs.push(lastMs);
      if (lastMs <= boundMs) continue;
      const own = samples.filter(({ name, labels }) => COUNTS.test(name) && keyOf(labels['worker_id']) === key);
      const told = own.map(({ name, labels, value }) => `${name} ${Object.values(labels)} ${value}`).join(', ');
      violation(`${key} has lost ${lost} of ${ledger.answeredBy(key)}, the last ${lastMs} ms; it tells ${told}`);
    }
  };
  return { check, found, judged: () => judgedCount };
}

// By the key; requests that the client has given up are not among them.
function completedByMember(samples: readonly Sample[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { name, labels, value } of samples) {
    const key = keyOf(labels['worker_id']);
    if (key === undefined) continue;
    const isAborted = name === 'gunicorn_worker_failed_requests_total' && labels['error_type'] === 'aborted';
    if (name !== 'gunicorn_worker_requests_total' && !isAborted) continue;
    counts.set(key, (counts.get(key) ?? 0) + (isAborted ? -value : value));
  }
  return counts;
}
