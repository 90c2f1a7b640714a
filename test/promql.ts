/**
 * Reads the queries of the rules and of the dashboard: which series they select, and by which labels. As strict as can be:
 * what it does not know is an error, so that no name slips through unread.
 */
import assert from 'node:assert/strict';
import { METRICS } from '@x/gunicorn-otel';

const TOKEN =
  /\s+|"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[a-zA-Z_:][\w:]*|\d+(?:\.\d+)?[smhdwy]?|==|!=|>=|<=|=~|!~|[-+*/%^()={},<>]/gy;
const NAME = /^[a-zA-Z_:]/;
const RANGE = /^\[(?:\d+[smhdwy]|\$__rate_interval|\$__range)\]$/;
const FUNCTIONS = new Set(
  'histogram_quantile increase last_over_time min_over_time rate time vector avg count max min sum topk'.split(' '),
);
const OPERATORS = new Set('and or unless offset'.split(' '));
/** Each is followed by labels in brackets. */
const GROUPINGS = new Set('by without on ignoring group_left group_right'.split(' '));
/** What Prometheus itself adds to each series. */
const OF_THE_TARGET = ['job', 'instance'];

export interface Query {
  /** The series that are asked for. */
  readonly selectors: readonly { readonly metric: string; readonly labels: readonly string[] }[];
  /** Labels that the query groups or matches by, outside of selectors. */
  readonly groupings: readonly string[];
}

/** @throws AssertionError at the first thing that it does not know */
export function readQuery(text: string): Query {
  const tokens = tokensOf(text);
  const selectors: { metric: string; labels: string[] }[] = [];
  const groupings: string[] = [];
  while (tokens.length > 0) {
    const token = tokens.shift()!;
    if (token.startsWith('[')) assert.match(token, RANGE, text);
    assert.notEqual(token, '{', `a selector without a name: ${text}`);
    if (!NAME.test(token) || OPERATORS.has(token)) continue;
    if (GROUPINGS.has(token)) groupings.push(...labelList());
    else if (tokens[0] === '(' || FUNCTIONS.has(token)) assert.ok(FUNCTIONS.has(token), `${token} is unknown: ${text}`);
    else selectors.push({ metric: token, labels: matchers() });
  }
  return { selectors, groupings };

  function labelList(): string[] {
    assert.equal(tokens.shift(), '(', text);
    const names = tokens.splice(0, tokens.indexOf(')')).filter((token) => token !== ',');
    tokens.shift();
    for (const name of names) assert.match(name, NAME, text);
    return names;
  }

  function matchers(): string[] {
    if (tokens[0] !== '{') return [];
    const inside = tokens.splice(0, tokens.indexOf('}') + 1).slice(1, -1);
    const names: string[] = [];
    while (inside.length > 0) {
      const [name, operator, value] = inside.splice(0, 3);
      assert.match(name ?? '', NAME, text);
      assert.match(operator ?? '', /^(?:=|!=|=~|!~)$/, text);
      assert.match(value ?? '', /^"/, text);
      assert.ok(inside.length === 0 || inside.shift() === ',', text);
      names.push(name!);
    }
    return names;
  }
}

/**
 * Holds a query against the catalogue.
 *
 * @param others - series that are in no catalogue, with their labels: recorded ones, and Prometheus's own
 * @throws AssertionError for a metric that does not exist, or a label that it has not
 */
export function assertKnown(text: string, others: ReadonlyMap<string, readonly string[]> = new Map()): void {
  const { selectors, groupings } = readQuery(text);
  const labelsOf = (metric: string) => [...(others.get(metric) ?? catalogueLabels(metric, text)), ...OF_THE_TARGET];
  for (const { metric, labels } of selectors) {
    const unknown = labels.filter((label) => !labelsOf(metric).includes(label));
    assert.deepEqual(unknown, [], `labels that ${metric} has not: ${text}`);
  }
  const all = new Set(selectors.flatMap(({ metric }) => labelsOf(metric)));
  assert.deepEqual(
    groupings.filter((label) => !all.has(label)),
    [],
    `labels that no series of it has: ${text}`,
  );
}

/** The row's name of a series: that of the histogram for its buckets, sum and count. */
export function metricOf(series: string): string | undefined {
  return METRICS.find(({ name, type }) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_count`, `${name}_sum`].includes(series) : name === series,
  )?.name;
}

function catalogueLabels(series: string, text: string): string[] {
  const row = METRICS.find(({ name }) => name === metricOf(series));
  assert.ok(row, `${series} is in no catalogue: ${text}`);
  return [...row.labels, ...(row.detailedLabels ?? []), ...(series.endsWith('_bucket') ? ['le'] : [])];
}

function tokensOf(text: string): string[] {
  const tokens = [...text.matchAll(TOKEN)].map(([token]) => token);
  assert.equal(tokens.join(''), text, `no PromQL that is known here: ${text}`);
  return tokens.filter((token) => token.trim() !== '');
}
