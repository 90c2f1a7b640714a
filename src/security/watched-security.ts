/** What secures an endpoint, looked at once a second while it is open. What is bad never takes the place of what was good. */
import { resolve } from 'node:path';
import { report } from '../report.ts';
import { marksOf } from './file-marks.ts';
import { type ReadSecurity, readSecurity, type Security, type SecuritySettings } from './security.ts';

/** Of one endpoint. */
export class WatchedSecurity {
  readonly #settings: SecuritySettings;
  #files: readonly string[] = [];
  /** Of the files as they were read, and at the last look. */
  #read = '';
  #seen = '';
  #problem: string | undefined;

  constructor(settings: SecuritySettings) {
    // The app may go to another directory meanwhile.
    const absolute = (path: string) => path && resolve(path);
    this.#settings = {
      sslCertfile: absolute(settings.sslCertfile),
      sslKeyfile: absolute(settings.sslKeyfile),
      sslClientCafile: absolute(settings.sslClientCafile),
      sslClientAuthRequired: settings.sslClientAuthRequired,
      webConfigFile: absolute(settings.webConfigFile),
    };
  }

  /** Whether there is any file to look at. */
  get hasFiles(): boolean {
    return this.#files.length > 0;
  }

  /** Reads everything anew: for an endpoint that is not open. @throws never */
  read(): ReadSecurity {
    const security = readSecurity(this.#settings);
    return security.problem === undefined ? this.#take(security) : security;
  }

  /**
   * One look.
   *
   * @returns what is in force from now on, when that has changed and is good; a line says so, or why not
   * @throws never
   */
  look(): Security | undefined {
    const marks = marksOf(this.#files);
    const isStill = marks === this.#seen;
    this.#seen = marks;
    // A file that is being written may be whole YAML already, and have no users yet.
    if (!isStill || marks === this.#read) return undefined;
    const security = this.read();
    if (security.problem === undefined) {
      report('info', `read anew: ${security.files.join(', ')}; ${told(security)} from now on`);
      return security;
    }
    if (security.problem !== this.#problem) {
      report('warn', `${security.problem}; the endpoint goes on with what it had, until this is put right`);
    }
    this.#problem = security.problem;
    return undefined;
  }

  // Once it is known which files they are they are read a second time, between two marks: half of one state and half of the
  // next may look whole.
  #take({ files }: Security): ReadSecurity {
    const marks = marksOf(files);
    const security = readSecurity(this.#settings);
    if (security.problem !== undefined) return security;
    if (marksOf(security.files) !== marks) return { problem: `${files.join(', ')}: written while they are read` };
    this.#files = security.files;
    this.#read = marks;
    this.#seen = marks;
    this.#problem = undefined;
    return security;
  }
}

function told({ tls, access }: Security): string {
  const parts = [
    tls ? `a certificate until ${new Date(tls.endsMs).toISOString().slice(0, 10)}` : 'no TLS',
    ...(access.users.size > 0 ? [`users: ${access.users.size}`] : []),
    ...(access.tokens.size > 0 ? [`tokens: ${access.tokens.size}`] : []),
  ];
  return parts.join(', ');
}
