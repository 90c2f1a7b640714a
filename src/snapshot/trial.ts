/** Tries whether a place for groups can be used, for those who ask before there is a group; nothing is left of the trial. */
import { existsSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../errors.ts';
import { createGroupDirectory } from './group.ts';
import { removeGroup } from './removal.ts';

/**
 * Why no group can be made in `base`. Not for a process that owns a group: that group's directory has the same name.
 *
 * @returns undefined when it can
 * @throws never
 */
export function directoryProblem(base: string): string | undefined {
  const missing: string[] = [];
  for (let path = base; !existsSync(path) && dirname(path) !== path; path = dirname(path)) missing.push(path);
  try {
    const { path, problem } = createGroupDirectory(base);
    removeGroup(path);
    // It fell back to another place, of which only the empty directory is left.
    if (problem !== undefined) removeIfEmpty(dirname(path));
    return problem;
  } catch (error) {
    return messageOf(error);
  } finally {
    for (const path of missing) removeIfEmpty(path);
  }
}

function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Never made, or somebody has begun to use it.
  }
}
