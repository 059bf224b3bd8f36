// Tables of what the numbers are made of. A row's name is a button that filters everything by it.
import { byId, make, options, renew } from './elements.js';
import { label } from './format.js';
import { has, panels, titleOf, toggle } from './state.js';

const few = 10, many = 100;

export class Panels {
  // `changed(state => ...)` changes the state and shows everything anew.
  constructor(client, changed) {
    Object.assign(this, { client, changed, limits: {} });
    byId('panels').replaceChildren(...panels.map((p) => this.frame(p)));
  }

  frame(panel) {
    const title = make('h2', { id: `${panel.id}-title` }, panel.title);
    const chosen = make('select', { id: `${panel.id}-choice`, 'aria-label': `${panel.title}: by what`,
      onchange: (e) => this.changed((state) => { state.shown[panel.id] = e.target.value; }) });
    options(chosen, panel.choices, panel.choices[0][0]);
    if (panel.choices.length < 2) chosen.hidden = true;
    return make('section', { class: 'panel', id: panel.id, 'aria-labelledby': `${panel.id}-title` },
      make('div', { class: 'head' }, title, chosen), make('div', { class: 'body' }));
  }

  async show(state, common, format, signal) {
    this.goals = this.client.goals(signal).then((g) => g.goals);
    await Promise.all(panels.map((p) => this.fill(p, state, common, format, signal)));
  }

  async fill(panel, state, common, format, signal) {
    const section = byId(panel.id), body = section.querySelector('.body');
    const dimension = state.shown[panel.id] ?? panel.choices[0][0];
    byId(`${panel.id}-choice`).value = dimension;
    section.setAttribute('aria-busy', 'true');
    try {
      if (dimension === 'event:goal' && !(await this.goals).length) {
        body.replaceChildren(make('p', { class: 'empty' }, 'No goals yet: tally goal add, or PUT /v1/goals.'));
        return;
      }
      const { compare, ...rest } = common;
      const answer = await this.client.query({
        ...rest, metrics: panel.columns.map((c) => c.name), dimensions: [dimension],
        pagination: { limit: this.limits[panel.id] ?? few }, include: { total_rows: true },
      }, signal);
      renew(body, ...this.table(panel, dimension, answer, state, format));
    } catch (e) {
      if (signal.aborted || e.status === 401) throw e;
      body.replaceChildren(make('p', { class: 'empty' }, `Not answered: ${e.message}`));
    } finally {
      section.removeAttribute('aria-busy');
    }
  }

  table(panel, dimension, answer, state, format) {
    const rows = answer.results.filter((r) => r.dimensions[0] !== '(none)' || panel.id !== 'products');
    if (!rows.length) return [make('p', { class: 'empty' }, 'Nothing in this period.')];
    const most = Math.max(...rows.map((r) => Number(r.metrics[0])));
    const head = [titleOf(dimension), ...panel.columns.map((c) => c.title)];
    const made = make('table', { 'aria-labelledby': `${panel.id}-title` },
      make('thead', {}, make('tr', {}, ...head.map((h) => make('th', { scope: 'col' }, h)))),
      make('tbody', {}, ...rows.map((r) => this.row(panel, dimension, r, most, state, format))));
    const limit = this.limits[panel.id] ?? few;
    if (answer.meta.total_rows <= few) return [made];
    const more = limit === few;
    return [made, make('button', { type: 'button', 'data-name': 'more', onclick: () => {
      this.limits[panel.id] = more ? many : few;
      this.changed(() => {});
    } }, more ? `More of ${answer.meta.total_rows}` : 'Fewer')];
  }

  row(panel, dimension, row, most, state, format) {
    const value = row.dimensions[0], shown = label(dimension, value);
    const on = has(state, dimension, value);
    const bar = make('span', { class: 'bar', 'aria-hidden': 'true' });
    bar.style.width = `${most > 0 ? Math.max(0, (100 * Number(row.metrics[0])) / most) : 0}%`;
    const pick = make('button', { type: 'button', class: 'pick', 'aria-pressed': String(on),
      'data-name': `${dimension}=${value}`, title: shown === value ? value : `${shown} (${value})`,
      onclick: () => this.changed((s) => toggle(s, dimension, value)) }, shown);
    return make('tr', {}, make('td', {}, bar, pick), ...panel.columns.map((c, i) =>
      make('td', { 'data-metric': c.name, 'data-value': row.metrics[i] ?? '' }, format.full(row.metrics[i], c.form))));
  }
}
