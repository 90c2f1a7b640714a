/** OTEL_RESOURCE_ATTRIBUTES: labels of target_info. */
import { holdSetting } from './setting-cases.ts';

holdSetting('resourceAttributes', {
  variable: 'OTEL_RESOURCE_ATTRIBUTES',
  fallback: {},
  valid: [
    ['team=shop,region=eu', { team: 'shop', region: 'eu' }],
    ['service.name=a%2Cb%3Dc', { 'service.name': 'a,b=c' }],
    [' a = 1 ,, b= ,', { a: '1', b: '' }],
    ['gr%C3%B6%C3%9Fe=%20x%20', { größe: ' x ' }],
    ['a=1,a=2', { a: '2' }],
    [`a=${'x'.repeat(255)}`, { a: 'x'.repeat(255) }],
  ],
  invalid: ['x', '=1', 'a=b=c', 'a=%', 'a=%zz', 'a=1,b', `a=${'x'.repeat(256)}`, `${'x'.repeat(256)}=a`],
  foreign: [null, 5, true, [], [{}], () => 1],
});
