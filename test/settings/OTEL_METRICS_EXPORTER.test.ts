/** OTEL_METRICS_EXPORTER: where the metrics go. */
import { holdSetting } from './setting-cases.ts';

holdSetting('metricsExporters', {
  variable: 'OTEL_METRICS_EXPORTER',
  fallback: ['prometheus'],
  valid: [
    ['prometheus,otlp', ['prometheus', 'otlp']],
    ['otlp', ['otlp']],
    ['none', ['none']],
    ['Console , prometheus', ['console', 'prometheus']],
  ],
  invalid: ['x', 'prometheus,x', 'none,otlp', ','],
});
