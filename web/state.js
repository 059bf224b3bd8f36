// What is shown, as a part of the page's address: a link shows the same to whoever has a key.

export const periods = [
  ['day', 'Today'], ['yesterday', 'Yesterday'], ['7d', 'Last 7 days'], ['28d', 'Last 28 days'],
  ['91d', 'Last 91 days'], ['month', 'This month'], ['12mo', 'Last 12 months'], ['year', 'This year'],
  ['all', 'All time'], ['custom', 'Dates …'],
];

export const summary = [
  { name: 'visitors', title: 'Visitors', form: 'count' },
  { name: 'visits', title: 'Visits', form: 'count' },
  { name: 'pageviews', title: 'Page views', form: 'count' },
  { name: 'bounce_rate', title: 'Bounce rate', form: 'percent', less: true },
  { name: 'net_sales', title: 'Net sales', form: 'money' },
  { name: 'orders', title: 'Orders', form: 'count' },
  { name: 'aov', title: 'Order value', form: 'money' },
  { name: 'conversion_rate', title: 'Conversion', form: 'percent' },
];

const visitors = { name: 'visitors', title: 'Visitors', form: 'count' };
const views = { name: 'pageviews', title: 'Views', form: 'count' };
const sales = { name: 'net_sales', title: 'Sales', form: 'money' };

// Each panel's questions: what may stand in its first column, and what behind it.
export const panels = [
  { id: 'pages', title: 'Pages', columns: [visitors, views],
    choices: [['event:page', 'Pages'], ['visit:entry_page', 'Entry pages'], ['visit:exit_page', 'Exit pages']] },
  { id: 'sources', title: 'Sources', columns: [visitors, sales],
    choices: [['visit:source', 'Sources'], ['visit:channel', 'Channels'], ['visit:referrer', 'Referrers'],
              ['visit:utm_campaign', 'Campaigns']] },
  { id: 'countries', title: 'Countries', columns: [visitors, sales],
    choices: [['visit:country', 'Countries'], ['visit:language', 'Languages']] },
  { id: 'devices', title: 'Devices', columns: [visitors, views],
    choices: [['visit:device', 'Devices'], ['visit:browser', 'Browsers'], ['visit:os', 'Systems'],
              ['visit:screen_class', 'Screens']] },
  { id: 'products', title: 'Products',
    columns: [{ name: 'gross_sales', title: 'Gross sales', form: 'money' },
              { name: 'units', title: 'Units', form: 'quantity' }],
    choices: [['event:product', 'Products'], ['event:category', 'Categories'], ['event:brand', 'Brands']] },
  { id: 'goals', title: 'Goals', columns: [visitors, { name: 'events', title: 'Times', form: 'count' }],
    choices: [['event:goal', 'Goals']] },
];

const dimensions = new Map(panels.flatMap((p) => p.choices.map(([name, title]) => [name, title])));
export const titleOf = (dimension) => dimensions.get(dimension);

const isDate = (text) => /^\d{4}-\d\d-\d\d$/.test(text ?? '');

// Whatever the address says, the state is one that this page can show.
export function read(search) {
  const given = new URLSearchParams(search);
  const state = { period: '28d', from: '', to: '', compare: '', metric: 'visitors', filters: [], shown: {} };
  if (periods.some(([name]) => name === given.get('period'))) state.period = given.get('period');
  if (state.period === 'custom') {
    if (isDate(given.get('from')) && isDate(given.get('to')))
      [state.from, state.to] = [given.get('from'), given.get('to')].sort();
    else
      state.period = '28d';
  }
  if (['previous_period', 'year_over_year'].includes(given.get('compare'))) state.compare = given.get('compare');
  if (summary.some((m) => m.name === given.get('metric'))) state.metric = given.get('metric');
  for (const text of given.getAll('filter')) {
    const at = text.indexOf('=');
    if (at > 0 && dimensions.has(text.slice(0, at))) add(state, text.slice(0, at), text.slice(at + 1));
  }
  for (const { id, choices } of panels)
    if (choices.some(([name]) => name === given.get(id))) state.shown[id] = given.get(id);
  return state;
}

export function write(state) {
  const out = new URLSearchParams();
  if (state.period !== '28d') out.set('period', state.period);
  if (state.period === 'custom') {
    out.set('from', state.from);
    out.set('to', state.to);
  }
  if (state.compare) out.set('compare', state.compare);
  if (state.metric !== 'visitors') out.set('metric', state.metric);
  for (const { dimension, values } of state.filters)
    for (const value of values) out.append('filter', `${dimension}=${value}`);
  for (const { id, choices } of panels)
    if (state.shown[id] && state.shown[id] !== choices[0][0]) out.set(id, state.shown[id]);
  const text = out.toString();
  return text && `?${text}`;
}

function add(state, dimension, value) {
  const known = state.filters.find((f) => f.dimension === dimension);
  if (!known) state.filters.push({ dimension, values: [value] });
  else if (!known.values.includes(value)) known.values.push(value);
}

export const has = (state, dimension, value) =>
  state.filters.some((f) => f.dimension === dimension && f.values.includes(value));

// Adds a filter, or takes it away where it is there.
export function toggle(state, dimension, value) {
  if (!has(state, dimension, value)) return add(state, dimension, value);
  for (const f of state.filters) if (f.dimension === dimension) f.values = f.values.filter((v) => v !== value);
  state.filters = state.filters.filter((f) => f.values.length);
}

function yesterday(timezone) {
  const today = new Intl.DateTimeFormat('en-CA', { timeZone: timezone }).format(new Date());
  return new Date(Date.parse(today) - 864e5).toISOString().slice(0, 10);
}

// What every question of this state has in common.
export function question(state, timezone) {
  const day = state.period === 'yesterday' ? yesterday(timezone) : '';
  return {
    date_range: day ? [day, day] : state.period === 'custom' ? [state.from, state.to] : state.period,
    filters: state.filters.map(({ dimension, values }) => ['is', dimension, values]),
    ...(state.compare && state.period !== 'all' ? { compare: state.compare } : {}),
  };
}
