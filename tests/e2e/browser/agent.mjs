// agent.mjs BROWSER BASE WRITE_KEY
// A shop's pages with the agent, at another origin than the node; prints what the browser kept.
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

const [executablePath, base, writeKey] = process.argv.slice(2);
const pages = {
  '/thanks': `<script>tally('purchase', { id: 'o-1', currency: 'EUR',
    items: [{ id: 'mug', name: 'Mug', quantity: 2, price: '4.50' }] })</script>`,
};
const shop = createServer((request, answer) => {
  const path = request.url.split('?')[0];
  const dnt = path === '/private' ? 'data-respect-dnt' : '';
  answer.setHeader('Content-Type', 'text/html');
  answer.end(`<!doctype html><title>Shop ${path}</title>
    <script>window.tally = window.tally || function () { (tally.q = tally.q || []).push(arguments) }</script>
    <script defer src="${base}/js/tally.js" data-key="${writeKey}" ${dnt}></script>${pages[path] ?? ''}`);
});
await new Promise((ready) => { shop.listen(0, '127.0.0.1', ready); });
const home = `http://127.0.0.1:${shop.address().port}`;

// Of the whole browser: what Playwright tells a page to be, its beacons are not.
const agent = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36';
const browser = await chromium.launch({ executablePath,
  args: ['--no-sandbox', '--disable-gpu', `--user-agent=${agent}`] });
const context = await browser.newContext({ locale: 'de-DE', timezoneId: 'Europe/Berlin' });
const page = await context.newPage();
page.setDefaultTimeout(15_000);
const errors = [];
page.on('pageerror', (e) => errors.push(String(e)));
const answered = (count = 1) => page.waitForResponse((r) => r.url().includes('/v1/events') && --count === 0);
async function during(act, count) {
  const seen = answered(count);
  await act();
  await seen;
}

// A page, a page of a single-page application, its way back, the same address again, an event.
await during(() => page.goto(`${home}/?utm_source=letter#part`));
await during(() => page.evaluate(() => history.pushState(null, '', '/a')));
await during(() => page.goBack());
await page.evaluate(() => history.pushState(null, '', location.href));
await during(() => page.evaluate(() => tally('event', 'Signup', { plan: 'gold' })));
// The page of a purchase, twice: the order counts once.
await during(() => page.goto(`${home}/thanks`));
await during(() => page.reload());

// The node has the event, and the browser never hears of it: it sends the same again.
let cut = 2;
await page.route('**/v1/events?*', async (route) => {
  if (cut-- <= 0) return route.continue();
  await route.fetch();
  return route.abort();
});
await during(() => page.evaluate(() => tally('event', 'Retried')));
await page.unroute('**/v1/events?*');

// The page ends while nothing can be sent: what waits leaves by a beacon.
await page.route('**/v1/events?*', (route) =>
  (route.request().resourceType() === 'ping' ? route.continue() : route.abort()));
await page.evaluate(() => tally('event', 'Left'));
await page.waitForTimeout(100);
await page.goto('about:blank');
await page.waitForTimeout(300);
await page.unroute('**/v1/events?*');

// Who asks not to be tracked is not, where the page says so.
await page.addInitScript(() => Object.defineProperty(navigator, 'globalPrivacyControl', { value: true }));
let sent = 0;
page.on('request', (r) => { if (r.url().includes('/v1/events')) sent += 1; });
await page.goto(`${home}/private`);
await page.evaluate(() => tally('event', 'Secret'));
await page.waitForTimeout(300);
const kept = await page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length]);
const cookies = (await context.cookies()).length;
await browser.close();
shop.close();
console.log(JSON.stringify({ errors, sent, kept, cookies }));
