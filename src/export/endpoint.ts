/** Whether a group has an endpoint at all. Known in the app's thread too, so nothing is imported here. */

/** @param settings - metricsExporters as OTEL_METRICS_EXPORTER lists them; undefined: the default, which has it */
export function hasEndpoint({
  metricsExporters,
}: {
  readonly metricsExporters?: readonly string[] | undefined;
}): boolean {
  return metricsExporters?.includes('prometheus') ?? true;
}
