/** The directory of a group: made, joined, left, swept. Nothing in here trusts what it finds: /tmp is everybody's. */
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { GunicornOtelError, messageOf } from '../errors.ts';
import { type FileOwner, list, listSnapshots, markEnded, snapshotFile } from './directory.ts';
import { isHeld, readLeader } from './leader.ts';
import { assertOwnDirectory, fallbackPlaces, makeGroupDirectory, openGroupDirectory, openPlace } from './place.ts';
import { formatMark, isAlive, isForeign, isSameProcess, ownMark, type ProcessMark } from './process-mark.ts';
import { finishRemoval, isDesertedLong, isProvenGroup, removeGroup } from './removal.ts';

// <pid>-<start>-<pid namespace>-<port>: the process that the group is named after.
const PROCESS_NAME = /^(\d+)-(\d+)-(\d+)(?:-\d+)?$/;
const NAMED = /^group-[\w.@-]+$/;

/**
 * Makes or opens the directory of a group: in `base`, or where that cannot be used, in the temporary directory or in
 * shared memory. What a group of that name has left that is long over is deleted.
 *
 * @param name - see group-name.ts; unless told, of a group that is named after this process
 * @returns its absolute path, owned by this user and closed to others, and why `base` was passed over, if it was
 * @throws GUNICORN_OTEL_ERR_DIRECTORY when none of the places can be written to
 */
export function createGroupDirectory(base: string, name = formatMark(ownMark())): { path: string; problem?: string } {
  const problems: string[] = [];
  for (const place of [base, ...fallbackPlaces()]) {
    try {
      const path = join(place, name);
      openPlace(place);
      if (NAMED.test(name)) removeDeadGroup(path);
      openGroupDirectory(path);
      return problems.length === 0 ? { path } : { path, problem: problems[0]! };
    } catch (error) {
      problems.push(messageOf(error));
    }
  }
  throw new GunicornOtelError('GUNICORN_OTEL_ERR_DIRECTORY', problems.join('; '));
}

/** The groups in `base` that somebody lives in, absolute. @throws never */
export function liveGroups(base: string): string[] {
  const paths = list(base).map((name) => join(base, name));
  return paths.filter((path) => isLiveGroup(path) && !isDeserted(path));
}

/** Whether `path` is a group's directory that this user may join, somebody in it alive. @throws never */
export function isLiveGroup(path: string): boolean {
  try {
    assertOwnDirectory(path);
    if (hasEnded(path)) return false;
    const namesake = namesakeOf(path);
    if (namesake) return isAlive(namesake) || listSnapshots(path).some(({ mark }) => isAlive(mark));
    return NAMED.test(basename(path));
  } catch {
    return false;
  }
}

/** The process that a group is named after; undefined where it is named by people, or is no group. */
export function namesakeOf(path: string): ProcessMark | undefined {
  const match = PROCESS_NAME.exec(basename(path));
  return match ? { pid: Number(match[1]), processStart: Number(match[2]), namespace: Number(match[3]) } : undefined;
}

/**
 * Whether a group is over though some of its members may live on: the process that it is named after has led it and has
 * ended. Its next start makes another group, whose port nobody must be in the way of.
 */
export function hasEnded(path: string): boolean {
  const namesake = namesakeOf(path);
  if (!namesake || isAlive(namesake)) return false;
  // Deleted, by that process or others: nobody makes it anew.
  if (!existsSync(path)) return true;
  const holder = readLeader(path)?.holder;
  return holder !== undefined && isSameProcess(namesake, holder);
}

/**
 * Ends a membership, its file written for the last time and its lead given back: the last one out deletes the group, and
 * so does the process that it is named after, when it has led it. A named group whose leader was killed is left to go on.
 *
 * @param led - whether this process has led the group until now
 * @param livesOn - the process does not end now, it only measures no more
 * @throws never
 */
export function leaveGroup(path: string, own: FileOwner, led: boolean, livesOn = false): void {
  const namesake = namesakeOf(path);
  if (led && own.threadId === 0 && namesake && isSameProcess(namesake, own.mark)) {
    removeGroup(path);
    return;
  }
  const leader = readLeader(path);
  // It deletes the group when it ends.
  const endsWithLeader = namesake && leader?.holder && isSameProcess(namesake, leader.holder) && isHeld(path, leader);
  if (endsWithLeader && !livesOn) return;
  try {
    // In this order: of two that leave at once, the second one to look sees both gone, whoever of them has led.
    if (existsSync(join(path, fileOf(own)))) markEnded(path, own.mark, own.threadId, own.run);
    if (endsWithLeader) return;
    const last = readLeader(path);
    if (last && isHeld(path, last)) return;
    // The process of a thread may start others.
    const goesOn = own.threadId !== 0 || (namesake === undefined && last !== undefined && !last.released);
    if (!goesOn) removeGroup(path, (at) => isDeserted(at, own));
  } catch {
    // The directory is gone, or cannot be written to: what is left is found by the next sweep.
  }
}

/** Whether no member of a group is left, `but` for one. @throws never */
export function isDeserted(path: string, but?: FileOwner): boolean {
  const others = listSnapshots(path).filter(({ file }) => !but || file !== fileOf(but));
  return !others.some(({ mark, ended }) => !ended && !(but && isOwnThread(mark, but)) && isAlive(mark));
}

/** Whether the process that a group is named after can be seen to have ended, or cannot be seen. @throws never */
export function isOwnerGone(path: string): boolean {
  const namesake = namesakeOf(path);
  return namesake !== undefined && (isForeign(namesake) || !isAlive(namesake));
}

/**
 * Makes the directory of a group anew when somebody has deleted it under its living members.
 *
 * @param isLed - by this process: it is not over, though the process that it is named after may be gone
 * @returns whether it is there
 */
export function restoreGroup(path: string, isLed = false): boolean {
  if (!isLed && isOwnerGone(path)) return false;
  try {
    makeGroupDirectory(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Deletes the groups in `base` that nobody lives in any more, and what is left of those whose removal was cut short.
 *
 * @returns how many
 * @throws never
 */
export function sweepDeadGroups(base: string): number {
  const paths = list(base).map((name) => join(base, name));
  return paths.filter((path) => removeDeadGroup(path) || finishRemoval(path)).length;
}

function removeDeadGroup(path: string): boolean {
  const name = basename(path);
  if (!(PROCESS_NAME.test(name) || NAMED.test(name)) || !isProvenGroup(path)) return false;
  return removeGroup(path, (at) => isDead(at, namesakeOf(path)));
}

// A named one goes on when it is begun again soon; one of another pid namespace (a container on the same volume) is seen to
// live by its files alone.
function isDead(path: string, namesake: ProcessMark | undefined): boolean {
  const marks = listSnapshots(path).flatMap(({ mark, ended }) => (ended ? [] : [mark]));
  const leader = readLeader(path)?.holder;
  const known = [...(namesake ? [namesake] : []), ...marks, ...(leader ? [leader] : [])];
  if (known.some((mark) => !isForeign(mark) && isAlive(mark))) return false;
  // One that is empty was made a moment ago, by somebody who is about to write into it.
  const isOver = namesake && marks.length > 0 && !known.some(isForeign);
  return isOver || isDesertedLong(path);
}

function fileOf({ mark, threadId, run }: FileOwner): string {
  return snapshotFile(mark, threadId, run);
}

// The threads of a process end with its main thread and cannot say so.
function isOwnThread(mark: ProcessMark, own: FileOwner): boolean {
  return own.threadId === 0 && isSameProcess(mark, own.mark);
}
