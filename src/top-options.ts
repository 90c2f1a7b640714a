/** What `gunicorn-otel top` was told on its command line, checked before anybody is asked for anything. */
import type { CommandLine } from './command-line.ts';
import { nearestName } from './nearest-name.ts';
import { SORTABLE } from './top/view.ts';
import type { TopOptions } from './top.ts';

const DEFAULT_INTERVAL_SECONDS = 2;
const MIN_INTERVAL_SECONDS = 0.5;
const MAX_INTERVAL_SECONDS = 86_400;

/** @param password - of GUNICORN_OTEL_PASSWORD. @returns a line when something in it does not go together. @throws never */
export function topOptions({ flags, values, words }: CommandLine, password: string | undefined): TopOptions | string {
  const { interval, sort, user, ca, cert, key } = values;
  const [passwordFile, bearerFile] = [values['password-file'], values['bearer-file']];
  const seconds = interval === undefined ? DEFAULT_INTERVAL_SECONDS : Number(interval);
  if (!(seconds >= MIN_INTERVAL_SECONDS && seconds <= MAX_INTERVAL_SECONDS)) {
    return `--interval ${interval} is no number of seconds from ${MIN_INTERVAL_SECONDS} to ${MAX_INTERVAL_SECONDS}`;
  }
  const columns = [...SORTABLE.workers, ...SORTABLE.routes];
  if (sort !== undefined && !columns.includes(sort)) {
    const meant = nearestName(sort, columns);
    return `--sort ${sort} is no column${meant ? `; is ${meant} meant?` : ''}`;
  }
  if (user?.includes(':'))
    return '--user is the name alone: the password is in GUNICORN_OTEL_PASSWORD, or --password-file';
  if (user !== undefined && bearerFile !== undefined) return '--user or --bearer-file, not both';
  if (user !== undefined && !password && passwordFile === undefined) {
    return '--user needs a password: in GUNICORN_OTEL_PASSWORD, or --password-file';
  }
  if (user === undefined && passwordFile !== undefined) return '--password-file needs --user';
  if ((cert === undefined) !== (key === undefined)) return '--cert and --key go together';
  return {
    ...(words[0] !== undefined && { url: words[0] }),
    intervalMs: seconds * 1000,
    ...(sort !== undefined && { sort }),
    once: flags.has('once'),
    json: flags.has('json'),
    tables: (['workers', 'routes'] as const).filter((table) => flags.has(table)),
    access: {
      ...(user !== undefined && { user }),
      // What was named on the command line is meant.
      ...(user !== undefined && password && passwordFile === undefined && { password }),
      ...(passwordFile !== undefined && { passwordFile }),
      ...(bearerFile !== undefined && { bearerFile }),
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
    },
  };
}
