/** REDIS_PASSWORD: the password for Redis, never shown. */
import { holdSetting, NO_LINE } from './setting-cases.ts';

holdSetting('redisPassword', {
  variable: 'REDIS_PASSWORD',
  fallback: '',
  valid: [
    ['s3cret', 's3cret'],
    ['redis://with:colons@and/slashes', 'redis://with:colons@and/slashes'],
    ['***', '***'],
  ],
  invalid: ['s3cret\nwith a break', ...NO_LINE],
});
