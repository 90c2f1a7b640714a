/**
 * What may stand in the lines of a dictionary. A checksum tells that bytes are as they were written, not that this
 * package wrote them: a line that says something else than ours would makes the whole file a foreign one.
 */
import { EXIT_FIELDS } from './exit-events.ts';
import type { Identity, Role, WorkerCondition } from './layout.ts';
import { EXITS_METRIC, OWN_KINDS, OWN_SCOPE, REQUEST_HISTOGRAMS, REQUESTS_METRIC } from './own-metrics.ts';
import type { Attributes, MetricDescriptor, MetricKind } from './series-table.ts';

type Check = (value: unknown) => boolean;

const ROLES = {
  primary: true,
  single: true,
  worker: true,
  child: true,
  thread: true,
  totals: true,
} satisfies Record<Role, true>;
const CONDITIONS = { running: true, quitting: true, aborting: true } satisfies Record<WorkerCondition['name'], true>;
const KINDS = {
  counter: true,
  updowncounter: true,
  histogram: true,
  gauge: true,
  event: true,
} satisfies Record<MetricKind, true>;
// A name that leads out of the directory is one that somebody else would lose.
const FOLDED_FILE = /^\d[\d_-]*\.snapshot$/;

const isText: Check = (value) => typeof value === 'string';
const isAmount: Check = (value) => Number.isFinite(value) && (value as number) >= 0;
const isFlag: Check = (value) => value === undefined || typeof value === 'boolean';
const isOneOf = (names: object): Check => {
  return (value) => typeof value === 'string' && Object.hasOwn(names, value);
};
const isListOf = (check: Check): Check => {
  return (value) => Array.isArray(value) && value.every(check);
};
const isOptional = (check: Check): Check => {
  return (value) => value === undefined || check(value);
};

const IDENTITY: { readonly [K in keyof Identity]-?: Check } = {
  role: isOneOf(ROLES),
  workerId: isText,
  pid: isAmount,
  processStart: isAmount,
  threadId: isAmount,
  startSeconds: isAmount,
  version: isText,
  startedMonotonicMs: isOptional(Number.isFinite),
  state: isOptional(
    (state) => isRecord(state) && isOneOf(CONDITIONS)(state['name']) && isAmount(state['sinceSeconds']),
  ),
  lasting: isFlag,
  task: isOptional((task) => isRecord(task) && isAmount(task['id']) && isAmount(task['start'])),
  ended: isFlag,
  exitCode: isOptional(Number.isInteger),
  folded: isOptional(isListOf((file) => isText(file) && FOLDED_FILE.test(file as string))),
};
const DESCRIPTOR: { readonly [K in keyof MetricDescriptor]?: Check } = {
  name: isText,
  kind: isOneOf(KINDS),
  bounds: isOptional(isListOf(isListOf(Number.isFinite))),
  fields: isOptional(isListOf(isText)),
};
// Programs that are not written in TypeScript give what they like; none of these decides where a cell lies.
const TEXTS = ['description', 'unit', 'scope'] as const;

/** The first line. @throws TypeError when it is none of ours */
export function toIdentity(line: unknown): Identity {
  return checked(line, IDENTITY) as unknown as Identity;
}

/** What a line says of a metric. @throws TypeError when it is none of ours */
export function toDescriptor(told: unknown): MetricDescriptor {
  const descriptor = checked(told, DESCRIPTOR);
  const texts = TEXTS.filter((name) => !isText(descriptor[name])).map((name) => [name, '']);
  const whole = { ...descriptor, ...Object.fromEntries(texts) } as unknown as MetricDescriptor;
  if (whole.scope === OWN_SCOPE && !isOwnShape(whole)) throw new TypeError(`it has another ${whole.name}`);
  return whole;
}

/** What a line says of a series. @param metrics - how many there are before it @throws TypeError when it is none of ours */
export function toSeries(metric: unknown, attributes: unknown, metrics: number): [number, Attributes] {
  if (!Number.isInteger(metric) || (metric as number) < 0 || (metric as number) >= metrics) {
    throw new TypeError('it has a series of no metric');
  }
  if (!isRecord(attributes)) throw new TypeError('it has a series whose attributes are none');
  return [metric as number, attributes];
}

// A view reads the cells of these by their places.
function isOwnShape({ name, kind, bounds, fields }: MetricDescriptor): boolean {
  if (Object.hasOwn(OWN_KINDS, name) && OWN_KINDS[name] !== kind) return false;
  if (name === REQUESTS_METRIC) return bounds?.length === REQUEST_HISTOGRAMS && bounds.every(isIncreasing);
  if (name === EXITS_METRIC) return fields?.join() === EXIT_FIELDS.join();
  return true;
}

function isIncreasing(bounds: readonly number[]): boolean {
  return bounds.every((bound, i) => i === 0 || bound > bounds[i - 1]!);
}

function checked(told: unknown, checks: Readonly<Record<string, Check>>): Record<string, unknown> {
  if (!isRecord(told)) throw new TypeError('it has a line that tells nothing');
  const wrong = Object.keys(checks).find((name) => !checks[name]!(Object.hasOwn(told, name) ? told[name] : undefined));
  if (wrong !== undefined) throw new TypeError(`it has no ${wrong} that can be used`);
  return told;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
