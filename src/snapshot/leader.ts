/**
 * Who of a group exposes it and folds its dead: the holder of the lock file with the highest number. A number is taken by
 * making its file, which only one can; who finds the holder of one gone takes the next, and no number is ever taken twice.
 * So there is no lock to be broken, and a holder that was only thought to be gone finds a higher number than its own.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { isMarkedEnded, list } from './directory.ts';
import { isAlive, isSameProcess, isTaskOver, type ProcessMark, type Task } from './process-mark.ts';

/** Who touches its lock less often than this has died where nobody can see it, or its exporter cannot be started. */
export const STALE_MS = 5000;
const LOOK_AGAIN_MS = 50;
const LOCK_NAME = /^leader-(\d+)$/;

/** A process or thread that may lead. */
export interface Holder extends ProcessMark {
  readonly threadId: number;
  /** See Identity. */
  readonly task?: Task;
  /** It is there for that alone, and takes the lead from members; see serve.ts. */
  readonly dedicated?: true;
}

/** What the leader holds: its lock's number, and what is in the file. */
export interface Lead {
  readonly number: number;
  readonly holder: Holder;
  /** When the group's totals began, in unix ms; handed from leader to leader. */
  readonly startMs: number;
}

/** A group's leader as others see it. */
export interface Leader {
  readonly number: number;
  /** Undefined where its file is not written yet, or cannot be read. */
  readonly holder: Holder | undefined;
  readonly startMs: number | undefined;
  /** It was given back. */
  readonly released: boolean;
  /** Changes as long as it is held. */
  readonly touchedMs: number;
}

/** The group's leader, dead or alive; undefined before there was one. @throws never */
export function readLeader(directory: string): Leader | undefined {
  const number = highestIn(directory);
  if (number === 0) return undefined;
  const path = lockPath(directory, number);
  try {
    const { mtimeMs: touchedMs } = statSync(path);
    return { number, touchedMs, ...contentOf(path) };
  } catch {
    // Gone since it was listed, or not to be looked at now: next time.
    return { number, touchedMs: 0, ...UNKNOWN };
  }
}

/** False when the lead was given back, or its holder is known to be dead, or a thread that has ended. @throws never */
export function isHeld(directory: string, { holder, released }: Leader): boolean {
  if (released) return false;
  if (!holder) return true;
  if (!isAlive(holder) || isTaskOver(holder, holder.task)) return false;
  return holder.threadId === 0 || !isMarkedEnded(directory, holder, holder.threadId);
}

/** Watches one group's leader for a follower: also one that is of another pid namespace, or alive and doing nothing. */
export class LeaderWatch {
  readonly #directory: string;
  #seen: Leader | undefined;
  #seenAtMs = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /**
   * Whether somebody else should lead.
   *
   * @param nowMs - of a clock that nobody sets, performance.now()
   * @returns the number behind which there is a vacancy, for takeLead; undefined when there is none
   */
  vacancy(nowMs = performance.now()): number | undefined {
    const leader = readLeader(this.#directory);
    if (!leader) {
      // Without its directory there is no group: it comes back, or has ended.
      if (!existsSync(this.#directory)) return undefined;
      // Deleted with everything else, it comes back as well: whoever held it has in memory what the dead have left.
      const isMissed = this.#seen && isHeld(this.#directory, this.#seen) && nowMs - this.#seenAtMs < STALE_MS;
      return isMissed ? undefined : 0;
    }
    if (leader.number !== this.#seen?.number || leader.touchedMs !== this.#seen.touchedMs) {
      this.#seen = leader;
      this.#seenAtMs = nowMs;
    }
    const isVacant = !isHeld(this.#directory, leader) || nowMs - this.#seenAtMs >= STALE_MS;
    return isVacant ? leader.number : undefined;
  }
}

/**
 * The lead behind one that was found vacant, held in memory alone until holdLead can make its lock: for where takeLead
 * cannot. Others may hold the same; of them, the one whose lock is made leads on.
 *
 * @param after - see LeaderWatch.vacancy
 * @param startMs - when the group's totals began, where no leader before has said so
 * @throws never
 */
export function leadBehind(directory: string, holder: Holder, after: number, startMs: number): Lead {
  const before = contentOf(lockPath(directory, after));
  return { number: after + 1, holder, startMs: before.startMs ?? startMs };
}

/**
 * Takes the number behind one that was found vacant; see leadBehind.
 *
 * @returns undefined when somebody else was faster
 * @throws system errors when the directory cannot be written to
 */
export function takeLead(directory: string, holder: Holder, after: number, startMs: number): Lead | undefined {
  const lead = leadBehind(directory, holder, after, startMs);
  if (!makeLock(directory, lead)) return undefined;
  // Who was slow may have made a number that others have passed and deleted already; theirs is there since before.
  if (highestIn(directory) > lead.number) {
    tryDelete(lockPath(directory, lead.number));
    return undefined;
  }
  for (const number of numbers(directory)) {
    if (number < lead.number) tryDelete(lockPath(directory, number));
  }
  return lead;
}

/** Whether nobody else has the lead by now: for before what only the leader may do. It only looks. @throws never */
export function isLeading(directory: string, lead: Lead): boolean {
  return highestIn(directory) <= lead.number && !isOthers(directory, lead);
}

/** isLeading for who asks before each of thousands of files: it looks so often that nobody else does much meanwhile. */
export function leadingOf(directory: string, lead: Lead): () => boolean {
  let [isLeader, lookedAtMs] = [false, Number.NEGATIVE_INFINITY];
  return () => {
    const nowMs = performance.now();
    // A process that was stopped has not looked for long.
    if (nowMs - lookedAtMs > LOOK_AGAIN_MS) [isLeader, lookedAtMs] = [isLeading(directory, lead), nowMs];
    return isLeader;
  };
}

/** Says that the lead is still held; to be called once a second. @returns false when somebody else has it now. @throws never */
export function holdLead(directory: string, lead: Lead): boolean {
  if (!isLeading(directory, lead)) return false;
  try {
    // Somebody has deleted it, or the whole directory; or it could not be made until now.
    if (highestIn(directory) < lead.number && !makeLock(directory, lead)) return isLeading(directory, lead);
    const path = lockPath(directory, lead.number);
    // It was made on a full disk, by this one or by another that leads behind the same: now one of them has it.
    if (contentOf(path).holder === undefined) writeFileSync(path, JSON.stringify(lead), { flag: 'r+' });
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // Directory gone, or nothing can be made in it: this is tried again.
  }
  return true;
}

/** Gives the lead back: the next one to look takes it. @throws never */
export function releaseLead(directory: string, lead: Lead): void {
  if (isOthers(directory, lead)) return;
  try {
    // Its file stays, or its number would be taken again.
    writeFileSync(lockPath(directory, lead.number), JSON.stringify({ ...lead, released: true }), { flag: 'r+' });
  } catch {
    // Directory gone, or not to be written to: it goes stale.
  }
}

// After the deletion of all locks somebody else may have begun anew, and have taken the same number.
function isOthers(directory: string, { number, holder }: Lead): boolean {
  const other = contentOf(lockPath(directory, number)).holder;
  return other !== undefined && !(isSameProcess(other, holder) && other.threadId === holder.threadId);
}

function makeLock(directory: string, lead: Lead): boolean {
  let file: number;
  try {
    file = openSync(lockPath(directory, lead.number), 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    writeSync(file, JSON.stringify(lead));
  } catch {
    // Disk full: it is held all the same, and others know by when it was touched.
  } finally {
    closeSync(file);
  }
  return true;
}

const UNKNOWN = { holder: undefined, startMs: undefined, released: false };

function contentOf(path: string): Pick<Leader, 'holder' | 'startMs' | 'released'> {
  try {
    const {
      holder,
      startMs,
      released = false,
    } = JSON.parse(readFileSync(path, 'utf8')) as Lead & { released?: boolean };
    return { holder: Number.isInteger(holder?.pid) ? holder : undefined, startMs, released };
  } catch {
    return UNKNOWN;
  }
}

// A lower number that stays says nothing.
function tryDelete(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Somebody's directory, say.
  }
}

function lockPath(directory: string, number: number): string {
  return join(directory, `leader-${number}`);
}

function highestIn(directory: string): number {
  return Math.max(0, ...numbers(directory));
}

function numbers(directory: string): number[] {
  return list(directory).flatMap((name) => {
    const match = LOCK_NAME.exec(name);
    return match ? [Number(match[1])] : [];
  });
}
