/** OTEL_NODE_DISABLED_INSTRUMENTATIONS: what is not counted. */
import { holdSetting } from './setting-cases.ts';

holdSetting('disabledInstrumentations', {
  variable: 'OTEL_NODE_DISABLED_INSTRUMENTATIONS',
  fallback: [],
  valid: [
    ['http', ['http']],
    ['express', ['express']],
    ['HTTP, pg,', ['http', 'pg']],
    ['http,http', ['http']],
  ],
  invalid: ['a b', 'http;pg', 'http/2', '@x/y'],
});
