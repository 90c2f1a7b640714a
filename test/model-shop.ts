/** The program of the model tests: its instruments and requests, and how documents say that they are scraped. Data only. */

export type Labels = Readonly<Record<string, string>>;

/** One instrument, and the family it is scraped as. */
export interface Instrument {
  readonly name: string;
  readonly kind: 'counter' | 'updowncounter' | 'histogram' | 'gauge';
  readonly unit: string;
  readonly bounds?: readonly number[];
  readonly family: string;
  /** Gauges only; see docs/metrics.md. */
  readonly mode?: string;
}

/** Every gauge mode there is, the default last. */
export const MODES = [
  ...['all', 'min', 'max', 'sum', 'mostrecent'],
  ...['livemin', 'livemax', 'livesum', 'livemostrecent', 'liveall'],
] as const;

const CUMULATIVE: readonly Instrument[] = [
  { name: 'shop.orders', kind: 'counter', unit: '{order}', family: 'shop_orders_total' },
  { name: 'shop.busy', kind: 'counter', unit: 's', family: 'shop_busy_seconds_total' },
  { name: 'shop.wait', kind: 'histogram', unit: 's', bounds: [0.1, 1], family: 'shop_wait_seconds' },
];

/** What a history records: all kinds, and a gauge for each mode. */
export const INSTRUMENTS: readonly Instrument[] = [
  ...CUMULATIVE,
  { name: 'shop.queue', kind: 'updowncounter', unit: '', family: 'shop_queue' },
  ...MODES.map((mode): Instrument => ({ name: `shop.${mode}`, kind: 'gauge', unit: '', family: `shop_${mode}`, mode })),
];

/** The setting that gives each gauge its mode; `liveall` is the default and not set. */
export const GAUGE_MODES = Object.fromEntries(MODES.slice(0, -1).map((mode) => [`shop_${mode}`, mode]));

/** Attribute sets, and the labels they are scraped with. */
export const ATTRIBUTES: readonly { readonly attributes: Record<string, unknown>; readonly labels: Labels }[] = [
  { attributes: {}, labels: {} },
  { attributes: { channel: 'web' }, labels: { channel: 'web' } },
  { attributes: { 'size.class': 2, channel: 'app' }, labels: { channel: 'app', size_class: '2' } },
  ...[0, 1, 2, 3].map((n) => ({ attributes: { n }, labels: { n: String(n) } })),
];

/** Upper bounds in seconds, of request durations. */
export const DURATION_BOUNDS: readonly number[] = [0.1, 1];
/** Upper bounds in bytes, of bodies. */
export const SIZE_BOUNDS: readonly number[] = [1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304];

/** A request that has ended. No path of these has a segment that is like an id. */
export interface Request {
  readonly method: 'GET' | 'POST';
  readonly path: '/' | '/basket' | '/basket/pay';
  readonly status: 200 | 302 | 500;
  /** '' where the status tells all. */
  readonly error: '' | 'aborted' | 'TypeError';
  readonly seconds: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
}
