/** Which processes belong together though nobody above them measures: those below the same preloaded one. */
import cluster from 'node:cluster';
import { environment, FAMILY_VARIABLE } from './process-environment.ts';
import { formatMark, markOf, ownMark } from './snapshot/process-mark.ts';

const MARK = /^\d+-\d+-\d+$/;

/** The family of this process and of those that it will start; founded where there is none. @throws never */
export function family(): string {
  const inherited = environment()[FAMILY_VARIABLE];
  if (inherited && MARK.test(inherited)) return inherited;
  // Workers whose primary is not preloaded are siblings all the same.
  const parent = cluster.isWorker ? markOf(process.ppid) : undefined;
  const founded = formatMark(parent ?? ownMark());
  process.env[FAMILY_VARIABLE] = founded;
  return founded;
}
