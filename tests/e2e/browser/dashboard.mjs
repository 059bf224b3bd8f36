// dashboard.mjs BROWSER BASE WRITE_KEY READ_KEY
// Uses the dashboard as a person does, by pointer and by keyboard, and prints what it saw as JSON.
import { chromium } from 'playwright-core';

const [executablePath, base, writeKey, readKey] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
const saw = { steps: {}, errors: [], hosts: [] };

async function tab(options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on('console', (m) => { if (m.type() === 'error') saw.errors.push(m.text()); });
  page.on('pageerror', (e) => saw.errors.push(String(e)));
  page.on('request', (r) => saw.hosts.push(new URL(r.url()).host));
  return page;
}

const idle = async (page) => {
  await page.waitForFunction(() => document.querySelectorAll('#summary li').length === 8 &&
    document.querySelectorAll('#panels [aria-busy]').length === 0 && document.querySelector('#plot svg'));
};

// What stands there: the exact values, and the texts that a person reads.
const read = (page) => page.evaluate(() => {
  const all = (within, what) => [...within.querySelectorAll(what)];
  const summary = {}, before = {}, texts = {}, panels = {};
  for (const b of all(document, '#summary button')) {
    summary[b.dataset.name] = b.dataset.value;
    texts[b.dataset.name] = b.querySelector('.value').textContent;
    before[b.dataset.name] = b.querySelector('[data-before]')?.dataset.before;
  }
  for (const p of all(document, '#panels .panel'))
    panels[p.id] = all(p, 'tbody tr').map((row) => [row.querySelector('.pick').textContent,
      ...all(row, 'td[data-metric]').map((cell) => cell.dataset.value)]);
  const series = all(document, '#chart-table tbody tr').map((row) => row.querySelector('[data-value]').dataset.value);
  return { summary, before, texts, panels, series, title: document.querySelector('#chart-title').textContent,
           search: location.search, hash: location.hash, message: document.querySelector('#message').textContent,
           filters: all(document, '#filters button').map((b) => b.textContent) };
});

async function settled(page, what) {
  await page.waitForTimeout(50);
  await idle(page);
  saw.steps[what] = await read(page);
}

const page = await tab();
await page.goto(`${base}/`);
await page.getByLabel('Read key').fill('tr_nobody.x');
await page.getByRole('button', { name: 'Show the numbers' }).click();
await page.getByRole('alert').waitFor();
saw.refused = await page.getByRole('alert').textContent();
saw.errors = saw.errors.filter((e) => !e.includes('401'));  // the browser's own word for it
await page.getByLabel('Read key').fill(readKey);
await page.keyboard.press('Enter');
await settled(page, 'first');

await page.goto(`${base}/?period=custom&from=2026-01-05&to=2026-01-07&compare=previous_period&metric=nonsense`);
await settled(page, 'custom');

// By keyboard alone: another metric, and values of the chart.
await page.getByRole('button', { name: /^Net sales/ }).focus();
await page.keyboard.press('Enter');
await settled(page, 'net_sales');
saw.focus = await page.evaluate(() => document.activeElement.dataset.name);
await page.locator('#plot').focus();
await page.keyboard.press('ArrowRight');
await page.keyboard.press('ArrowRight');
saw.told = await page.locator('#chart-value').textContent();

// By pointer: filters by country and page, and back.
await page.locator('#countries').getByRole('button', { name: 'Germany' }).click();
await page.waitForURL(/filter=/);
await settled(page, 'germany');
await page.locator('#sources').getByRole('combobox').selectOption('visit:channel');
await settled(page, 'channels');
await page.locator('#pages').getByRole('button', { name: '/b', exact: true }).click();
await page.waitForURL(/event%3Apage/);
await settled(page, 'germany_b');
const link = page.url();
await page.getByRole('button', { name: 'Remove the filter Pages: /b' }).click();
await settled(page, 'channels_again');
await page.goBack();
await settled(page, 'back');
await page.reload();
await settled(page, 'reloaded');

// A link shows the same to somebody else, in the dark, with a key behind the '#'.
const other = await tab({ colorScheme: 'dark', viewport: { width: 400, height: 800 } });
await other.goto(`${link}#key=${readKey}`);
await settled(other, 'linked');
const colours = (of) => of.evaluate(() => {
  const style = getComputedStyle(document.documentElement), names = ['--ink', '--soft', '--mark', '--good', '--bad'];
  const light = (text) => {
    const hex = text.trim().length === 4 ? text.trim().replace(/[^#]/g, '$&$&') : text.trim();
    const parts = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const paper = light(style.getPropertyValue('--paper'));
  return names.map((n) => {
    const [a, b] = [paper, light(style.getPropertyValue(n))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  });
});
saw.contrast = { light: await colours(page), dark: await colours(other) };
saw.wide = await other.evaluate(() => document.documentElement.scrollWidth - innerWidth);
saw.named = await page.evaluate(() => [...document.querySelectorAll('button, select, input')]
  .filter((e) => e.offsetParent && !(e.textContent.trim() || e.labels?.length || e.ariaLabel)).map((e) => e.outerHTML));

// Somebody comes: the page tells.
await fetch(`${base}/v1/events`, { method: 'POST', headers: { Authorization: `Bearer ${writeKey}` },
  body: JSON.stringify({ id: 'live', name: 'page_view', visitor: 'live', url: 'https://shop.example/live' }) });
await page.locator('#live-body').getByText('/live').first().waitFor();
saw.live = await page.locator('#now').textContent();

await page.getByRole('button', { name: 'Use another key' }).click();
saw.kept = await page.evaluate(() => JSON.stringify(sessionStorage));
await browser.close();
saw.hosts = [...new Set(saw.hosts)];
console.log(JSON.stringify(saw));
