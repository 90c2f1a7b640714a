/** A scrape as text that is the same on every machine and on every day: ids and times told by their place. */

// Values that a clock, the machine or the number of scrapes decides.
const MOVING =
  /^(?:gunicorn_worker_(?:memory_bytes|cpu_percent|uptime_seconds)|gunicorn_exporter_(?:scrapes_total|last_scrape_duration_seconds|snapshot_age_seconds|series))\b/;
const DURATION = /^\w+_duration_seconds_(?:sum|bucket)\{(?!.*le="\+Inf")/;
const CHILD_SIGNAL = /^gunicorn_master_signals_total\{signal="CHLD"/;

/** @returns the same lines in the same order, comments included; the line of target_info, which versions decide, apart */
export function normalised(scrape: string): string {
  return scrape
    .split('\n')
    .filter((line) => !/target_info|Target metadata/.test(line))
    .map((line) => (line.startsWith('#') ? line : normalisedSample(line)))
    .join('\n');
}

function normalisedSample(line: string): string {
  const named = line
    .replaceAll(/(worker_id="worker_\d+)_\d+"/g, '$1_START"')
    .replaceAll(/timestamp="\d+"/g, 'timestamp="TIME"')
    .replaceAll(/((?:node_)?version)="[^"]*"/g, '$1="VERSION"');
  const moves = MOVING.test(named) || DURATION.test(named) || CHILD_SIGNAL.test(named);
  return moves ? named.replace(/ \S+$/, ' VALUE') : named;
}
