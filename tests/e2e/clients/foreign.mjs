// node foreign.mjs CLIENT URL NAME: with an unmodified client library of another product, sends a page
// view, one event "Signup" and one purchase of 25.50 (where it can say how much), then says "sent".
import { createRequire } from 'node:module';

const [client, url, name] = process.argv.slice(2);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const require = createRequire(import.meta.url);

// A page for libraries that need a browser, with Node's own fetch.
async function openPage() {
  const { JSDOM } = await import('jsdom');
  const { window } = new JSDOM('<!doctype html><title>Shop</title>', {
    url: 'https://shop.example/a?utm_source=news', pretendToBeVisual: true });
  window.fetch = globalThis.fetch;
  window.ResizeObserver = class { observe() {} };
  for (const key of ['window', 'document', 'navigator', 'location', 'localStorage', 'ResizeObserver',
    'addEventListener', 'XMLHttpRequest', 'history', 'MutationObserver']) {
    const value = key === 'window' ? window : window[key];
    Object.defineProperty(globalThis, key, { value, configurable: true, writable: true });
  }
}

const answered = (call) => new Promise((done, failed) => call((answer) => (
  answer?.error ? failed(answer.error) : done(answer))));

async function plausible() {
  await openPage();
  const { init, track } = await import('@plausible-analytics/tracker');
  init({ domain: name, endpoint: `${url}/api/event`, captureOnLocalhost: true, autoCapturePageviews: false });
  await answered((callback) => track('pageview', { callback }));
  await answered((callback) => track('Signup', { props: { plan: 'gold' }, callback }));
  await answered((callback) => track('Purchase', { revenue: { currency: 'USD', amount: '25.50' }, callback }));
}

async function plausibleOld() {
  await openPage();
  const { default: Plausible } = require('plausible-tracker');
  const { trackPageview, trackEvent } = Plausible({ domain: name, apiHost: url, trackLocalhost: true });
  await answered((callback) => trackPageview({}, { callback: () => callback() }));
  await answered((callback) => trackEvent('Signup', { props: { plan: 'gold' }, callback: () => callback() }));
  await answered((callback) => trackEvent('Purchase', { callback: () => callback() }));  // sends no revenue
}

async function umami() {
  const { Umami } = await import('@umami/node');
  const one = new Umami({ websiteId: name, hostUrl: url });
  const sent = [
    await one.track({ url: '/a', hostname: 'shop.example', title: 'Shop', language: 'en-GB' }),
    await one.track('Signup', { plan: 'gold' }),
    await one.track('Purchase', { revenue: 25.5, currency: 'USD' }),
  ];
  for (const answer of sent) {
    const body = await answer.json();
    if (!body.sessionId || !body.visitId || !body.cache) throw new Error(JSON.stringify(body));
  }
}

async function ga4mp() {
  const made = require('@analytics-debugger/ga4mp/dist/ga4mp.umd.js');
  const ga4 = (made.default ?? made)([name], { client_id: '1.2', endpoint: `${url}/g/collect` });
  ga4.trackEvent('page_view', { page_location: 'https://shop.example/a' });
  ga4.trackEvent('Signup', { plan: 'gold' });
  ga4.trackEvent('purchase', { transaction_id: 'o1', value: 25.5, currency: 'USD',
    items: [{ item_id: 'p1', item_name: 'Shirt', price: 12.75, quantity: 2 }] });
  await pause(1000);
}

async function posthog() {
  const { PostHog } = await import('posthog-node');
  const one = new PostHog(name, { host: url, flushAt: 10, flushInterval: 200 });
  one.capture({ distinctId: 'u1', event: '$pageview', properties: { $current_url: 'https://shop.example/a' } });
  one.capture({ distinctId: 'u1', event: 'Signup', properties: { plan: 'gold' } });
  one.capture({ distinctId: 'u1', event: 'Order Completed', properties: {
    order_id: 'o1', currency: 'USD', products: [{ product_id: 'p1', price: 12.75, quantity: 2 }] } });
  await one.shutdown();
}

async function matomo() {
  const Matomo = require('matomo-tracker');
  const one = new Matomo(name, `${url}/matomo.php`);
  one.on('error', (e) => { console.error('lost', e); process.exit(1); });
  one.track({ url: 'https://shop.example/a', action_name: 'Shop' });
  one.track({ url: 'https://shop.example/a', e_c: 'Account', e_a: 'Signup' });
  const answer = await answered((done) => one.trackBulk([{ url: 'https://shop.example/thanks', idgoal: 0,
    ec_id: 'o1', revenue: 25.5, ec_items: JSON.stringify([['p1', 'Shirt', 'Clothes', 12.75, 2]]) }], done));
  if (JSON.parse(answer).tracked !== 1) throw new Error(answer);
  await pause(300);
}

async function jitsu() {
  const { jitsuAnalytics } = require('@jitsu/js');
  const one = jitsuAnalytics({ host: url, writeKey: name, fetch: globalThis.fetch });
  await one.page({ url: 'https://shop.example/a' });
  await one.track('Signup', { plan: 'gold' });
  await one.track('Order Completed', { order_id: 'o1', currency: 'USD',
    products: [{ product_id: 'p1', price: 12.75, quantity: 2 }] });
  await pause(500);
}

await { plausible, 'plausible-old': plausibleOld, umami, ga4mp, posthog, matomo, jitsu }[client]();
console.log('sent');
process.exit(0);
