/**
 * How a group's directory is taken away. The rule: of what people have put there nothing is deleted, so nothing is deleted
 * recursively; and who takes a directory away has moved it out of the way before, so that nobody deletes what others make.
 */
import { existsSync, lstatSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import { list } from './directory.ts';
import { assertOwnDirectory, isMadeForGroup, TRIAL_FILE } from './place.ts';
import { formatMark, isAlive, isForeign, ownMark } from './process-mark.ts';

/** The files that this package writes into a group's directory; true: nobody else would give a file such a name. */
const OWN_FILES: readonly (readonly [name: RegExp, unmistakable: boolean])[] = [
  [/^\d+(?:-\d+){2,3}(?:_\d+)?\.snapshot(?:\.new|\.ended)?$/, true],
  [/^leader-\d+$/, true],
  [new RegExp(`^${TRIAL_FILE}$`), true],
  [/^totals(?:-\w+)?(?:\.copy)?(?:\.new|\.unreadable)?$/, false],
  [/^exporter(?:-counts)?\.json(?:\.new)?$/, false],
];
// <name of the group>~<mark of who takes it away>-<number>
const MOVED = /^(?:group-[\w.@-]+|[\d-]+)~(\d+)-(\d+)-(\d+)-\d+$/;
// What nobody has written to for so long, and nobody lives in who can be seen, is over.
const DESERTED_MS = 60_000;
const REMOVE_TRIES = 20;

/**
 * Takes away a group's directory that the caller has lived in, or that isProvenGroup() told of. It stays when anything is in
 * it that this package does not write.
 *
 * @param isOver - asked where it stands and once more where it was moved to: whoever has come in meanwhile gets it back
 * @returns whether it is gone
 * @throws never: what is left is found by the next sweep
 */
export function removeGroup(path: string, isOver = (_at: string): boolean => true): boolean {
  const moved = `${path}~${formatMark(ownMark())}-${process.hrtime.bigint()}`;
  try {
    assertOwnDirectory(path);
    if (!isAllOurs(path) || !isOver(path)) return false;
    renameSync(path, moved);
  } catch {
    // Another user's, taken away by others meanwhile, or not to be moved.
    return false;
  }
  if ((isSurelyOurs(moved) && isOver(moved)) || !tryRename(moved, path)) return deleteFiles(moved);
  return false;
}

/** Goes on with a removal in the middle of which another process was killed. @returns whether it is done now @throws never */
export function finishRemoval(path: string): boolean {
  const match = MOVED.exec(basename(path));
  if (!match) return false;
  const remover = { pid: Number(match[1]), processStart: Number(match[2]), namespace: Number(match[3]) };
  if (isForeign(remover) ? !isDesertedLong(path) : isAlive(remover)) return false;
  try {
    assertOwnDirectory(path);
    return deleteFiles(path);
  } catch {
    return false;
  }
}

/** Whether it cannot but be a group's directory, for those who have not lived in it. @throws never */
export function isProvenGroup(path: string): boolean {
  if (isMadeForGroup(path)) return true;
  return list(path).some((name) => OWN_FILES.some(([pattern, unmistakable]) => unmistakable && pattern.test(name)));
}

/** Whether nothing in it was touched in the last minute. @throws never */
export function isDesertedLong(path: string): boolean {
  try {
    // Itself last: who has made it anew meanwhile has done so since.
    const touchedMs = [...list(path), '.'].map((file) => lstatSync(join(path, file)).mtimeMs);
    return Math.max(...touchedMs) < Date.now() - DESERTED_MS;
  } catch {
    // Somebody deletes what is in it at this very moment.
    return false;
  }
}

// False also where nobody can look for the moment: then it is given back.
function isSurelyOurs(path: string): boolean {
  try {
    return isAllOurs(path);
  } catch {
    return false;
  }
}

function isAllOurs(path: string): boolean {
  return ownFilesIn(path) !== undefined;
}

// Undefined when there is anything else. @throws system errors
function ownFilesIn(path: string): string[] | undefined {
  const entries = readdirSync(path, { withFileTypes: true });
  const areOurs = entries.every((entry) => entry.isFile() && OWN_FILES.some(([pattern]) => pattern.test(entry.name)));
  return areOurs ? entries.map(({ name }) => name) : undefined;
}

// Not where somebody has begun anew: what members have in memory they write there within a second.
function tryRename(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch {
    return false;
  }
}

function deleteFiles(path: string): boolean {
  // More than once: somebody may have been about to make a file in it when it was moved.
  for (let attempt = 0; attempt < REMOVE_TRIES && existsSync(path); attempt += 1) {
    try {
      const files = ownFilesIn(path);
      if (!files) return false;
      for (const file of files) unlinkSync(join(path, file));
      rmdirSync(path);
    } catch {
      // Not empty any more, or others delete it as well: again.
    }
  }
  return !existsSync(path);
}
