/** OTEL_SERVICE_NAME: the name of the service in target_info. */
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('serviceName', {
  variable: 'OTEL_SERVICE_NAME',
  fallback: '',
  valid: [
    ['shop', 'shop'],
    ['größe & co', 'größe & co'],
  ],
  invalid: [...NO_LINE],
});
