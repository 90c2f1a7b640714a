/** Whether files are still those that were read, told by what the system keeps of them. */
import { statSync } from 'node:fs';

/**
 * What tells one state of these files from another: another file under the name (a rename, a link that leads elsewhere, as
 * Kubernetes swaps its secrets) or other bytes in it.
 *
 * @returns to be compared with an earlier one of the same paths; nothing else
 * @throws never: a file that is not there has a mark, too
 */
export function marksOf(paths: readonly string[]): string {
  return JSON.stringify(paths.map(markOf));
}

function markOf(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}
