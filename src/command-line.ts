/** The command line as data: each command with its options, which `--help`, docs/cli.md and the parser all read. */
import { parseArgs } from 'node:util';
import { nearestName } from './nearest-name.ts';
import { SORTABLE } from './top/view.ts';

/** One option. */
export interface CommandOption {
  /** What its value is called; without one it is there or not. */
  readonly value?: string;
  readonly meaning: string;
}

export interface Command {
  /** What can be written, one line a way. */
  readonly usage: readonly string[];
  readonly summary: string;
  /** By name, without the dashes. */
  readonly options: Readonly<Record<string, CommandOption>>;
  /** How many words it takes that are no options. */
  readonly words: 0 | 1;
}

/** What was written, by option. */
export interface CommandLine {
  readonly flags: ReadonlySet<string>;
  readonly values: Readonly<Record<string, string>>;
  readonly words: readonly string[];
}

const HELP: CommandOption = { meaning: 'this text' };
const COLUMN_NAMES = [...new Set([...SORTABLE.workers, ...SORTABLE.routes])];

/** Every command there is. */
export const COMMANDS = {
  check: {
    usage: ['gunicorn-otel check [--json]'],
    summary: 'every setting, where it is from, and what would go wrong',
    options: { json: { meaning: 'the same as one object' }, help: HELP },
    words: 0,
  },
  serve: {
    usage: ['gunicorn-otel serve [--dir DIR] [--group NAME]', 'gunicorn-otel serve --redis [--sum]'],
    summary: 'the endpoint of a group, or of all groups in Redis, as a process of its own',
    options: {
      dir: { value: 'DIR', meaning: 'where groups meet; PROMETHEUS_MULTIPROC_DIR unless told' },
      group: { value: 'NAME', meaning: 'which group; GUNICORN_OTEL_GROUP, or the one that lives there, unless told' },
      redis: { meaning: 'all groups that forward to Redis (REDIS_*)' },
      sum: { meaning: 'with --redis: summed over the instances of a service' },
      help: HELP,
    },
    words: 0,
  },
  top: {
    usage: ['gunicorn-otel top [URL] [options]'],
    summary: 'workers and routes at a glance: in a terminal as they change, elsewhere once',
    options: {
      interval: { value: 'SECONDS', meaning: 'between two looks; 2 unless told, 0.5 at least' },
      sort: { value: 'COLUMN', meaning: `sort by one of ${COLUMN_NAMES.join(', ')}` },
      once: { meaning: 'write one table and end, in a terminal, too' },
      json: { meaning: 'write the status document and end' },
      workers: { meaning: 'of the tables written once, that of workers' },
      routes: { meaning: 'of the tables written once, that of routes' },
      user: { value: 'USER', meaning: 'basic authentication; the password is in GUNICORN_OTEL_PASSWORD, or in a file' },
      'password-file': { value: 'FILE', meaning: 'holds the password, and nothing else' },
      'bearer-file': { value: 'FILE', meaning: 'holds a bearer token' },
      ca: { value: 'FILE', meaning: 'who signed the certificate of an https endpoint' },
      cert: { value: 'FILE', meaning: 'the certificate shown to an endpoint that asks for one' },
      key: { value: 'FILE', meaning: 'the key of that certificate' },
      help: HELP,
    },
    words: 1,
  },
} as const satisfies Record<string, Command>;

export type CommandName = keyof typeof COMMANDS;

/** The names of all commands. */
export const COMMAND_NAMES = Object.keys(COMMANDS) as CommandName[];

/** @returns what was written; a line when it is not understood, with what may be meant. @throws never */
export function parseCommand(name: CommandName, args: readonly string[]): CommandLine | string {
  const { options, words: maxWords } = COMMANDS[name] as Command;
  const parsed = parseArgs({
    args: [...args],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      Object.entries(options).map(([option, { value }]) => [option, { type: value ? 'string' : 'boolean' }]),
    ),
  });
  const flags = new Set<string>();
  const values: Record<string, string> = {};
  const words: string[] = [];
  for (const token of parsed.tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const option = token.rawName === '-h' ? 'help' : token.name;
    if (!Object.hasOwn(options, option)) {
      const meant = nearestName(option, Object.keys(options));
      return `there is no option ${token.rawName}${meant ? `; is --${meant} meant?` : ''}`;
    }
    const known = options[option]!;
    if (!known.value && token.value !== undefined) return `--${option} has no value`;
    // A name that looks like an option is written --user=-x.
    if (known.value && (!token.value || (token.value.startsWith('-') && !token.inlineValue)))
      return `--${option} needs ${known.value}`;
    if (known.value) values[option] = token.value!;
    else flags.add(option);
  }
  if (words.length > maxWords) return `${JSON.stringify(words[maxWords])} is one word too many`;
  return { flags, values, words };
}

/** The line about a command that there is not. */
export function unknownCommand(written: string): string {
  const meant = nearestName(written, COMMAND_NAMES);
  return `there is no command ${JSON.stringify(written)}${meant ? `; is ${meant} meant?` : ''}`;
}
