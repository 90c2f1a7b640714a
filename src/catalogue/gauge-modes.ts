/** How the gauges of several processes become one: the modes and their names, as Python's client has them. */

/** A gauge of one process: its value, and when it was set by the machine's monotonic clock. */
export type GaugeCell = Float64Array;

/** How two processes' values become one; `undefined`: each keeps its own, with its worker_id. */
type Combine = (a: GaugeCell, b: GaugeCell) => GaugeCell;

const COMBINE: Readonly<Record<string, Combine | undefined>> = {
  all: undefined,
  min: ofNumbers((a, b) => (b[0]! < a[0]! ? b : a)),
  max: ofNumbers(greater),
  sum: ofNumbers((a, b) => Float64Array.of(a[0]! + b[0]!, Math.max(a[1]!, b[1]!))),
  mostrecent: latest,
};

/** What a mode does; unknown ones do not come here, settings have seen to that. */
export interface GaugeMode {
  /** Whether only the living count; otherwise those that exited of late, too. */
  readonly live: boolean;
  readonly combine: Combine | undefined;
  /** Whether the result is an amount: those of several groups may be added as those of processes are. */
  readonly additive: boolean;
}

/** @param modes - by name as scraped, `*` for all others; the default is `liveall` */
export function gaugeMode(name: string, modes: Readonly<Record<string, string>>): GaugeMode {
  // A gauge of the app may be called `constructor`.
  const mode = (Object.hasOwn(modes, name) ? modes[name] : modes['*']) ?? 'liveall';
  const live = mode.startsWith('live');
  const combine = COMBINE[live ? mode.slice('live'.length) : mode];
  return { live, combine, additive: combine !== undefined && combine === COMBINE['sum'] };
}

/** The value that was set last; of those that were set in the same millisecond the greater one, whoever is asked first. */
export function latest(a: GaugeCell, b: GaugeCell): GaugeCell {
  if (a[1] !== b[1]) return b[1]! > a[1]! ? b : a;
  return ofNumbers(greater)(a, b);
}

// NaN is a process that does not know: it has no part in what the others do.
function ofNumbers(combine: Combine): Combine {
  return (a, b) => {
    if (Number.isNaN(a[0])) return b;
    return Number.isNaN(b[0]) ? a : combine(a, b);
  };
}

function greater(a: GaugeCell, b: GaugeCell): GaugeCell {
  return b[0]! > a[0]! ? b : a;
}
