// The time chart: a line, the one it is compared with, and both as a table.
import { byId, draw, make } from './elements.js';
import { bucket, change } from './format.js';

const size = { width: 960, height: 260, left: 48, right: 8, top: 12, bottom: 24 };

// Steps of an axis that holds all of `values` and 0: 1, 2 or 5 of a power of ten.
function steps(values) {
  const least = Math.min(0, ...values), most = Math.max(0, ...values);
  const rough = (most - least) / 4 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((n) => n * power >= rough);
  const first = Math.floor(least / step), last = Math.max(first + 1, Math.ceil(most / step));
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

const number = (value) => (value === null || value === undefined ? null : Number(value));

function path(values, x, y) {
  let text = '', pen = 'M';
  values.forEach((value, i) => {
    if (value !== null) text += `${pen}${x(i).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = value === null ? 'M' : 'L';
  });
  return text;
}

function table(rows, metric, format) {
  const compared = rows.some((r) => r.comparison);
  const head = ['Time', metric.title, ...(compared ? ['Before', 'Change'] : [])];
  return make('table', {}, make('thead', {}, make('tr', {}, ...head.map((h) => make('th', { scope: 'col' }, h)))),
    make('tbody', {}, ...rows.map((r) => make('tr', {},
      make('td', {}, bucket(r.dimensions[0])),
      make('td', { 'data-value': r.metrics[0] ?? '' }, format.full(r.metrics[0], metric.form)),
      compared ? make('td', {}, format.full(r.comparison?.metrics[0], metric.form)) : null,
      compared ? make('td', {}, r.comparison?.change[0] == null ? '–' : change(r.comparison.change[0])) : null))));
}

export class Chart {
  constructor() {
    this.at = -1;
    const plot = byId('plot');
    plot.addEventListener('pointermove', (e) => this.point(this.near(e)));
    plot.addEventListener('pointerleave', () => this.point(-1));
    plot.addEventListener('keydown', (e) => {
      const last = this.rows?.length - 1;
      const to = { ArrowRight: Math.min(last, this.at + 1), ArrowLeft: Math.max(0, this.at - 1),
                   Home: 0, End: last, Escape: -1 }[e.key];
      if (to === undefined || !this.rows) return;
      e.preventDefault();
      this.point(to);
    });
  }

  // `rows` of one metric by one time dimension.
  show(rows, metric, format) {
    Object.assign(this, { rows, metric, format, at: -1 });
    const values = rows.map((r) => number(r.metrics[0]));
    const before = rows.map((r) => number(r.comparison?.metrics[0]));
    const ticks = steps([...values, ...before].filter((v) => v !== null));
    const least = ticks[0], most = ticks.at(-1);
    const inner = { width: size.width - size.left - size.right, height: size.height - size.top - size.bottom };
    this.x = (i) => size.left + (rows.length < 2 ? inner.width / 2 : (i * inner.width) / (rows.length - 1));
    this.y = (v) => size.top + (inner.height * (most - v)) / (most - least);
    const svg = draw('svg', { viewBox: `0 0 ${size.width} ${size.height}`, 'aria-hidden': 'true' });
    for (const tick of ticks)
      svg.append(draw('line', { class: 'grid', x1: size.left, x2: size.width - size.right,
                                y1: this.y(tick), y2: this.y(tick) }),
                 draw('text', { class: 'axis', x: size.left - 6, y: this.y(tick) + 4, 'text-anchor': 'end' },
                      format.brief(tick, metric.form)));
    this.labels(svg, rows);
    const line = path(values, this.x, this.y);
    if (line && !values.includes(null))
      svg.append(draw('path', { class: 'area', d: `${line}L${this.x(rows.length - 1)} ${this.y(0)}L${this.x(0)} ${this.y(0)}Z` }));
    svg.append(draw('path', { class: 'line before', d: path(before, this.x, this.y) }),
               draw('path', { class: 'line', d: line }));
    if (rows.length === 1 && values[0] !== null)
      svg.append(draw('circle', { class: 'point', cx: this.x(0), cy: this.y(values[0]), r: 4 }));
    this.mark = draw('g');
    svg.append(this.mark);
    byId('plot').replaceChildren(svg);
    byId('chart-title').textContent = rows.length
      ? `${metric.title}, ${bucket(rows[0].dimensions[0])} to ${bucket(rows.at(-1).dimensions[0])}` : metric.title;
    byId('chart-table').lastElementChild.replaceChildren(table(rows, metric, format));
    this.point(-1);
  }

  labels(svg, rows) {
    const every = Math.ceil(rows.length / 7);
    for (let i = 0; i < rows.length; i += every) {
      const anchor = i === 0 ? 'start' : i >= rows.length - 1 ? 'end' : 'middle';
      svg.append(draw('text', { class: 'axis', x: this.x(i), y: size.height - 6,
                                'text-anchor': rows.length === 1 ? 'middle' : anchor }, bucket(rows[i].dimensions[0])));
    }
  }

  near(event) {
    if (!this.rows?.length) return -1;
    const box = byId('plot').getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * size.width;
    const share = (x - size.left) / (size.width - size.left - size.right);
    return Math.max(0, Math.min(this.rows.length - 1, Math.round(share * (this.rows.length - 1))));
  }

  // Tells the values of one bucket; of none with -1.
  point(at) {
    if (!this.mark) return;
    this.at = at;
    this.mark.replaceChildren();
    const row = this.rows[at];
    byId('chart-value').textContent = row ? this.told(row) : '';
    if (!row) return;
    this.mark.append(draw('line', { class: 'here', x1: this.x(at), x2: this.x(at), y1: size.top,
                                    y2: size.height - size.bottom }));
    if (row.metrics[0] !== null)
      this.mark.append(draw('circle', { class: 'point', cx: this.x(at), cy: this.y(number(row.metrics[0])), r: 4 }));
  }

  told(row) {
    const { full } = this.format;
    let text = `${bucket(row.dimensions[0])}: ${full(row.metrics[0], this.metric.form)}`;
    if (row.comparison) {
      text += `, before (${bucket(row.comparison.dimensions[0])}): ${full(row.comparison.metrics[0], this.metric.form)}`;
      if (row.comparison.change[0] !== null) text += `, ${change(row.comparison.change[0])}`;
    }
    return text;
  }
}
