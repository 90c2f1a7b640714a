/** What went wrong with the files of a group: counted by cause, and told once per cause. */
import { messageOf } from '../errors.ts';
import { report } from '../report.ts';

const REMEDIES: Readonly<Record<string, string>> = {
  torn: 'its last good values stand in for it',
  foreign: 'its last good values stand in for it; nothing else should write into this directory',
  version: 'restart the whole group with one version; until then this process is not in the metrics',
};

/** Of one reader. */
export class Troubles {
  /** By cause, for the life of the reader. */
  readonly counts = new Map<string, number>();

  /** A file could not be read. */
  unreadable(path: string, error: unknown): void {
    const cause = causeOf(error);
    this.count(cause, `${path} cannot be read: ${messageOf(error)}; ${REMEDIES[cause] ?? REMEDIES['torn']}`);
  }

  /** A file is gone with all that was in it. */
  lost(path: string): void {
    this.count('lost', `what ${path} has counted is lost: sums over the group fall by it`, 'error');
  }

  /** A metric has no place in the sums over processes; see SeriesPlaces. */
  readonly leftOut = (metric: string): void => {
    this.count('metrics', `${metric} is left out: too many metrics for one group; are there data in their names?`);
  };

  /** Anything else. One line per cause: a damaged file would otherwise say the same on every scrape. */
  count(cause: string, line: string, severity: 'warn' | 'error' = 'warn'): void {
    const count = this.counts.get(cause) ?? 0;
    if (count === 0) report(severity, line);
    this.counts.set(cause, count + 1);
  }
}

function causeOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  return (code ?? 'unknown').replace('GUNICORN_OTEL_ERR_SNAPSHOT_', '').toLowerCase();
}
