/** The directory of a group: made, joined, left, swept. Nothing in here trusts what it finds: /tmp is everybody's. */
import { existsSync, lstatSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { GunicornOtelError, messageOf } from '../errors.ts';
import { type FileOwner, list, listSnapshots, markEnded, snapshotFile } from './directory.ts';
import { isHeld, readLeader } from './leader.ts';
import { assertOwnDirectory, fallbackPlaces, makeGroupDirectory, openGroupDirectory, openPlace } from './place.ts';
import { formatMark, isAlive, isForeign, isSameProcess, ownMark, type ProcessMark } from './process-mark.ts';

// <pid>-<start>-<pid namespace>-<port>: the process that the group is named after.
const PROCESS_NAME = /^(\d+)-(\d+)-(\d+)(?:-\d+)?$/;
const NAMED = /^group-[\w.@-]+$/;
// What nobody has written to for so long, and nobody lives in who can be seen, is over: a group by a name is begun anew,
// one of another pid namespace (a container on the same volume) is swept.
const DESERTED_MS = 60_000;
const REMOVE_TRIES = 20;

/**
 * Makes or opens the directory of a group: in `base`, or where that cannot be used, in the temporary directory or in
 * shared memory. What a group of that name has left that is long over is deleted.
 *
 * @param name - see group-name.ts; unless told, of a group that is named after this process
 * @returns its absolute path, owned by this user, mode 0700, and why `base` was passed over, if it was
 * @throws GUNICORN_OTEL_ERR_DIRECTORY when none of the places can be written to
 */
export function createGroupDirectory(base: string, name = formatMark(ownMark())): { path: string; problem?: string } {
  const problems: string[] = [];
  for (const place of [base, ...fallbackPlaces()]) {
    try {
      const path = join(place, name);
      openPlace(place);
      if (NAMED.test(name) && existsSync(path) && isDeadGroup(path)) removeGroup(path);
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
    if (!goesOn && isDeserted(path, own)) removeGroup(path);
  } catch {
    // The directory is gone, or cannot be written to: what is left is found by the next sweep.
  }
}

/** Whether no member of a group is left, `but` for one. @throws never */
export function isDeserted(path: string, but?: FileOwner): boolean {
  const others = listSnapshots(path).filter(({ file }) => !but || file !== fileOf(but));
  return !others.some(({ mark, ended }) => !ended && !(but && isOwnThread(mark, but)) && isAlive(mark));
}

/** Deletes a group and everything in it. @throws never: what is left is found by the next sweep */
export function removeGroup(path: string): void {
  // More than once: the exporter thread may be writing into it at this very moment.
  for (let attempt = 0; attempt < REMOVE_TRIES && existsSync(path); attempt += 1) {
    try {
      rmSync(path, { recursive: true, force: true });
    } catch {
      // Not empty any more: again.
    }
  }
}

/**
 * Makes the directory of a group anew when somebody has deleted it under its living members.
 *
 * @param isLed - by this process: it is not over, though the process that it is named after may be gone
 * @returns whether it is there
 */
export function restoreGroup(path: string, isLed = false): boolean {
  const namesake = namesakeOf(path);
  if (!isLed && namesake && (isForeign(namesake) || !isAlive(namesake))) return false;
  try {
    makeGroupDirectory(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Deletes the groups in `base` that nobody lives in any more.
 *
 * @returns how many
 * @throws never
 */
export function sweepDeadGroups(base: string): number {
  let swept = 0;
  for (const name of list(base)) {
    const path = join(base, name);
    try {
      if (!(PROCESS_NAME.test(name) || NAMED.test(name)) || !isDeadGroup(path)) continue;
      assertOwnDirectory(path);
      removeGroup(path);
      swept += 1;
    } catch {
      // Another user's, or swept by somebody else meanwhile: not ours to touch.
    }
  }
  return swept;
}

function isDeadGroup(path: string): boolean {
  const namesake = namesakeOf(path);
  const marks = listSnapshots(path).flatMap(({ mark, ended }) => (ended ? [] : [mark]));
  const leader = readLeader(path)?.holder;
  const known = [...(namesake ? [namesake] : []), ...marks, ...(leader ? [leader] : [])];
  if (known.some((mark) => !isForeign(mark) && isAlive(mark))) return false;
  // One that is empty was made a moment ago, by somebody who is about to write into it.
  const isOver = namesake && marks.length > 0 && !known.some(isForeign);
  return isOver || lastTouchedMs(path) < Date.now() - DESERTED_MS;
}

function lastTouchedMs(path: string): number {
  const files = list(path).map((file) => lstatSync(join(path, file)).mtimeMs);
  return Math.max(lstatSync(path).mtimeMs, ...files);
}

function fileOf({ mark, threadId, run }: FileOwner): string {
  return snapshotFile(mark, threadId, run);
}

// The threads of a process end with its main thread and cannot say so.
function isOwnThread(mark: ProcessMark, own: FileOwner): boolean {
  return own.threadId === 0 && isSameProcess(mark, own.mark);
}
