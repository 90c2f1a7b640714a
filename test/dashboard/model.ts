/** Makes Grafana's JSON of the table in panels.ts: places, ids and everything that is the same for all panels. */
import { type Panel, ROWS } from './panels.ts';

const COLUMNS = 24;
const DEFAULT_WIDTH = 8;
const HEIGHTS = { stat: 4, timeseries: 8, bars: 8, table: 8 };
const DATASOURCE = { type: 'prometheus', uid: `\${datasource}` };
const SELECTION = 'job=~"$job", instance=~"$instance"';
const MATCHERS: Readonly<Record<string, string>> = {
  SEL: SELECTION,
  WORKER: `${SELECTION}, worker_id=~"$worker_id"`,
  ROUTE: `${SELECTION}, http_route=~"$endpoint"`,
};
/** Grafana takes it for the scrape interval: with it, rates have values at intervals up to a minute. */
const MIN_STEP = '30s';

/** The dashboard as it is in docs/grafana. Ids are of a row and a place in it, so that one more panel changes few. */
export function dashboard(): object {
  let y = 0;
  const panels = ROWS.flatMap(({ title, panels }, i) => {
    const id = (i + 1) * 100;
    const row = { id, type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: COLUMNS, h: 1 }, panels: [] };
    const placed = inLines(panels, y + 1);
    y = placed.end;
    return [
      row,
      ...placed.panels.map(({ panel, gridPos }, j) => ({ id: id + j + 1, ...grafanaPanel(panel), gridPos })),
    ];
  });
  return {
    uid: 'gunicorn-otel',
    title: 'Gunicorn OTel',
    description:
      'Services measured by @x/gunicorn-otel, and by the Python exporter as far as its metrics are the same.',
    tags: ['gunicorn', 'opentelemetry', 'node'],
    // Grafana 11.0's; later ones read it as well.
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    time: { from: 'now-1h', to: 'now' },
    refresh: '30s',
    timezone: '',
    annotations: { list: [] },
    links: [],
    templating: { list: variables() },
    panels,
  };
}

function variables(): object[] {
  const selection = `{${SELECTION}}`;
  return [
    { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', refresh: 1, hide: 0 },
    variable('job', 'Job', 'job', 'gunicorn_worker_uptime_seconds'),
    variable('instance', 'Instance', 'instance', 'gunicorn_worker_uptime_seconds{job=~"$job"}'),
    variable('worker_id', 'Worker', 'worker_id', `gunicorn_worker_uptime_seconds${selection}`),
    variable('endpoint', 'Endpoint', 'http_route', `http_server_request_duration_seconds_count${selection}`),
  ];
}

function variable(name: string, label: string, of: string, series: string): object {
  const query = `label_values(${series}, ${of})`;
  return {
    name,
    label,
    type: 'query',
    datasource: DATASOURCE,
    definition: query,
    query: { query, refId: name },
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    // Also matches what has no such label.
    allValue: '.*',
    current: { selected: true, text: ['All'], value: ['$__all'] },
    hide: 0,
  };
}

// From left to right, a new line where one does not fit.
function inLines(panels: readonly Panel[], top: number) {
  let [x, y, lineHeight] = [0, top, 0];
  const placed = panels.map((panel) => {
    const [w, h] = [panel.width ?? DEFAULT_WIDTH, HEIGHTS[panel.kind ?? 'timeseries']];
    if (x + w > COLUMNS) [x, y, lineHeight] = [0, y + lineHeight, 0];
    const gridPos = { x, y, w, h };
    x += w;
    lineHeight = Math.max(lineHeight, h);
    return { panel, gridPos };
  });
  return { panels: placed, end: y + lineHeight };
}

function grafanaPanel(panel: Panel): object {
  const { title, description, kind = 'timeseries' } = panel;
  const now = kind === 'stat' || kind === 'table';
  const targets = Object.entries(panel.queries).map(([legend, query], i) => ({
    refId: String.fromCharCode(65 + i),
    datasource: DATASOURCE,
    expr: query.replaceAll(/\b[A-Z]{3,}\b(?=[,}])/g, (name) => MATCHERS[name] ?? name),
    legendFormat: kind === 'table' ? '' : legend,
    interval: MIN_STEP,
    ...(kind === 'table' ? { format: 'table' } : {}),
    ...(now ? { instant: true, range: false } : { instant: false, range: true }),
  }));
  return {
    type: kind === 'bars' ? 'timeseries' : kind,
    title,
    description,
    datasource: DATASOURCE,
    targets,
    ...look(panel),
  };
}

function look({ kind = 'timeseries', unit, stacked = false, thresholds, queries, columnUnits = {} }: Panel): object {
  const stacking = { mode: stacked || kind === 'bars' ? 'normal' : 'none', group: 'A' };
  switch (kind) {
    case 'stat':
      return {
        fieldConfig: {
          defaults: { unit, noValue: '–', color: { mode: 'thresholds' }, thresholds: steps(thresholds) },
          overrides: [],
        },
        options: { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value', graphMode: 'none', textMode: 'auto' },
      };
    case 'table':
      return {
        fieldConfig: {
          defaults: { unit },
          overrides: Object.entries(columnUnits).map(([column, of]) => ({
            matcher: { id: 'byName', options: column },
            properties: [{ id: 'unit', value: of }],
          })),
        },
        options: { showHeader: true, cellHeight: 'sm' },
        transformations: [
          { id: 'merge', options: {} },
          { id: 'organize', options: columns(Object.keys(queries)) },
        ],
      };
    default:
      return {
        fieldConfig: {
          defaults: {
            unit,
            min: 0,
            custom: { drawStyle: kind === 'bars' ? 'bars' : 'line', fillOpacity: kind === 'bars' ? 60 : 10, stacking },
          },
          overrides: [],
        },
        options: { tooltip: { mode: 'multi', sort: 'desc' }, legend: { displayMode: 'list', placement: 'bottom' } },
      };
  }
}

function steps(thresholds: Panel['thresholds']): object {
  const [yellow, red] = thresholds ?? [];
  return {
    mode: 'absolute',
    steps: [
      { color: 'green', value: null },
      ...(yellow !== undefined && yellow !== red ? [{ color: 'yellow', value: yellow }] : []),
      ...(red === undefined ? [] : [{ color: 'red', value: red }]),
    ],
  };
}

// `State` is in the label of its query, whose value is always 1.
function columns(titles: readonly string[]): object {
  const named = titles.map((title, i) => [`Value #${String.fromCharCode(65 + i)}`, title] as const);
  const shown = named.filter(([, title]) => title !== 'State');
  const hidden = ['Time', ...named.filter(([, title]) => title === 'State').map(([column]) => column)];
  return {
    excludeByName: Object.fromEntries(hidden.map((column) => [column, true])),
    renameByName: {
      ...Object.fromEntries(shown),
      worker_id: 'Worker',
      state: 'State',
      job: 'Job',
      instance: 'Instance',
    },
    indexByName: {},
  };
}
