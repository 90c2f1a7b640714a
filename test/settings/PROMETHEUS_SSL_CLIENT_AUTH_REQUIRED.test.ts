/** PROMETHEUS_SSL_CLIENT_AUTH_REQUIRED: only clients with a certificate are answered. */
import { FLAGS, holdSetting, NO_FLAG } from './setting-cases.ts';

holdSetting('sslClientAuthRequired', {
  variable: 'PROMETHEUS_SSL_CLIENT_AUTH_REQUIRED',
  fallback: false,
  valid: FLAGS,
  invalid: [...NO_FLAG],
});
