/** OTEL_NODE_ENABLED_INSTRUMENTATIONS: what is counted by itself. */
import { holdSetting } from './setting-cases.ts';

holdSetting('enabledInstrumentations', {
  variable: 'OTEL_NODE_ENABLED_INSTRUMENTATIONS',
  fallback: ['http'],
  valid: [
    ['express,http', ['express', 'http']],
    ['express', ['express']],
    ['HTTP, pg,', ['http', 'pg']],
    ['http,http', ['http']],
  ],
  invalid: ['a b', 'http;pg', 'http/2', '@x/y'],
});
