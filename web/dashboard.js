// The dashboard: one merchant's numbers, by that merchant's read key.
import { Client } from './api.js';
import { Chart } from './chart.js';
import { byId, make, options, renew } from './elements.js';
import { change, formatter, label, time } from './format.js';
import { Live } from './live.js';
import { Panels } from './panels.js';
import { periods, question, read, summary, titleOf, toggle, write } from './state.js';

const keyName = 'tally.read_key', themeName = 'tally.theme';
const refreshEvery = 10_000;  // at most, while events come

function say(text) {
  byId('message').textContent = text;
  byId('message').hidden = !text;
}

function theme(name) {
  if (name) document.documentElement.dataset.theme = name;
  else delete document.documentElement.dataset.theme;
  byId('theme').value = name;
}

class Dashboard {
  constructor(client, merchant) {
    Object.assign(this, { client, merchant, format: formatter(merchant.currency), state: read(location.search) });
    this.chart = new Chart();
    this.panels = new Panels(client, (how) => this.change(how));
    this.live = new Live(client, () => this.refreshSoon());
    this.ended = new AbortController();
    this.listen();
    this.show();
  }

  // Ends every question and everything that listens.
  end() {
    this.ended.abort();
    this.asked?.abort();
    this.live.end();
    clearTimeout(this.soon);
  }

  listen() {
    const { signal } = this.ended;
    const on = (id, act) => byId(id).addEventListener('change', (e) => act(e.target.value), { signal });
    on('period', (period) => this.change((s) => {
      if (period === 'custom' && !s.from)
        s.from = s.to = new Intl.DateTimeFormat('en-CA', { timeZone: this.merchant.timezone }).format(new Date());
      s.period = period;
    }));
    for (const end of ['from', 'to']) on(end, (day) => day && this.change((s) => {
      s[end] = day;
      if (s.from > s.to) [s.from, s.to] = [s.to, s.from];
    }));
    on('compare', (compare) => this.change((s) => { s.compare = compare; }));
    addEventListener('popstate', () => { this.state = read(location.search); this.show(); }, { signal });
    byId('period-form').addEventListener('submit', (e) => e.preventDefault(), { signal });
  }

  change(how) {
    how(this.state);
    const search = write(this.state);
    if (search !== location.search) history.pushState(null, '', location.pathname + search);
    this.show();
  }

  async show() {
    this.asked?.abort();
    const { signal } = (this.asked = new AbortController());
    this.controls();
    const common = question(this.state, this.merchant.timezone);
    try {
      await Promise.all([this.numbers(common, signal),
                         this.panels.show(this.state, common, this.format, signal)]);
      say('');
    } catch (e) {
      if (signal.aborted) return;
      if (e.status === 401) return signOut('The key is no longer good.');
      say(`The numbers could not be had: ${e.message}`);
    }
  }

  controls() {
    const { state } = this;
    options(byId('period'), periods, state.period);
    byId('dates').hidden = state.period !== 'custom';
    byId('from').value = state.from;
    byId('to').value = state.to;
    byId('compare').value = state.compare;
    byId('filters').hidden = !state.filters.length;
    renew(byId('filters'), ...state.filters.flatMap(({ dimension, values }) => values.map((value) =>
      make('li', {}, make('button', { type: 'button', 'data-name': `${dimension}=${value}`,
        'aria-label': `Remove the filter ${titleOf(dimension)}: ${value}`,
        onclick: () => this.change((s) => toggle(s, dimension, value)) },
      `${titleOf(dimension)}: ${label(dimension, value)} ×`)))));
  }

  async numbers(common, signal) {
    const metric = summary.find((m) => m.name === this.state.metric);
    const [whole, series] = await Promise.all([
      this.client.query({ ...common, metrics: summary.map((m) => m.name) }, signal),
      this.client.query({ ...common, metrics: [metric.name], dimensions: ['time'] }, signal)]);
    this.summary(whole);
    this.chart.show(series.results, metric, this.format);
    const error = whole.meta.exact ? '' : `; estimated where they are many, to ${(100 * whole.meta.error).toFixed(1)} %`;
    byId('as-of').textContent = `As of ${time(whole.meta.as_of)}${error}. Days are those of ${this.merchant.timezone}.`;
  }

  summary(whole) {
    const [row] = whole.results;
    renew(byId('summary'), ...summary.map((m, i) => {
      const before = row.comparison?.metrics[i], by = row.comparison?.change[i];
      const better = by > 0 !== Boolean(m.less) ? 'better' : 'worse';
      return make('li', {}, make('button', { type: 'button', 'data-name': m.name,
        'data-value': row.metrics[i] ?? '', 'aria-pressed': String(m.name === this.state.metric),
        onclick: () => this.change((s) => { s.metric = m.name; }) },
      make('span', { class: 'name' }, m.title), ' ',
      make('span', { class: 'value' }, this.format.full(row.metrics[i], m.form)), ' ',
      row.comparison ? make('span', { class: `change ${by ? better : ''}`, 'data-before': before ?? '' },
        `${by === null || by === undefined ? '' : `${change(by)}, `}before ${this.format.full(before, m.form)}`) : null));
    }));
  }

  // New events came: the numbers follow, now and then.
  refreshSoon() {
    this.soon ??= setTimeout(() => {
      this.soon = undefined;
      if (!document.hidden && this.state.period !== 'yesterday') this.show();
    }, refreshEvery);
  }
}

let shown = null;

function signOut(why) {
  shown?.end();
  shown = null;
  sessionStorage.removeItem(keyName);
  byId('main').hidden = byId('sign-out').hidden = true;
  byId('merchant').textContent = '';
  byId('sign-in').hidden = false;
  byId('key').value = '';
  byId('key').focus();
  say(why);
}

async function signIn(key) {
  const client = new Client(key);
  try {
    const merchant = await client.merchant();
    sessionStorage.setItem(keyName, key);
    byId('merchant').textContent = merchant.merchant;
    document.title = `${merchant.merchant} – Tally`;
    byId('sign-in').hidden = true;
    byId('main').hidden = byId('sign-out').hidden = false;
    say('');
    shown = new Dashboard(client, merchant);
  } catch (e) {
    signOut(e.status === 401 ? 'The node does not know this key.'
      : e.status === 403 ? 'This key cannot read. A read key begins with tr_.'
        : e.status === 400 ? 'This key is of no single merchant. A read key begins with tr_.'
          : `The node could not be asked: ${e.message}`);
  }
}

byId('theme').addEventListener('change', (e) => {
  theme(e.target.value);
  localStorage.setItem(themeName, e.target.value);
});
theme(localStorage.getItem(themeName) ?? '');
byId('sign-out').addEventListener('click', () => signOut(''));
byId('sign-in').addEventListener('submit', (e) => {
  e.preventDefault();
  signIn(byId('key').value.trim());
});

// A link may bring a key behind '#', which no server ever sees; it does not stay in the address.
const brought = new URLSearchParams(location.hash.slice(1)).get('key');
if (location.hash) history.replaceState(null, '', location.pathname + location.search);
const key = brought ?? sessionStorage.getItem(keyName);
if (key) signIn(key);
else byId('sign-in').hidden = false;
