// Who is there now, as the node tells it whenever it changes.
import { byId, make } from './elements.js';
import { label, time } from './format.js';

const pause = (ms, signal) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  signal.addEventListener('abort', () => { clearTimeout(timer); done(); }, { once: true });
});

function list(title, rows, name, dimension) {
  return make('table', {}, make('thead', {}, make('tr', {}, make('th', { scope: 'col' }, title),
      make('th', { scope: 'col' }, 'Visitors'))),
    make('tbody', {}, ...rows.map((r) => make('tr', {}, make('td', {}, label(dimension, r[name] ?? '(none)')),
      make('td', {}, String(r.visitors))))));
}

export class Live {
  constructor(client, changed) {
    Object.assign(this, { client, changed, offset: null, ends: null });
    this.turn = () => (document.hidden ? this.stop() : this.start());
    document.addEventListener('visibilitychange', this.turn);
    this.turn();
  }

  end() {
    document.removeEventListener('visibilitychange', this.turn);
    this.stop();
    byId('now').hidden = true;
  }

  stop() {
    this.ends?.abort();
    this.ends = null;
  }

  async start() {
    if (this.ends) return;
    const { signal } = (this.ends = new AbortController());
    for (let wait = 1000; !signal.aborted; wait = Math.min(30_000, 2 * wait)) {
      try {
        await this.client.live((n) => { wait = 1000; this.show(n); }, signal);
      } catch (e) {
        if (signal.aborted || e.status === 401) return;
        // A node that does not lead the shard answers single looks only.
        if (e.status === 501) await this.look(signal);
      }
      await pause(wait, signal);
    }
  }

  async look(signal) {
    while (!signal.aborted) {
      this.show(await this.client.get('/v1/live', { signal }));
      await pause(5000, signal);
    }
  }

  show(now) {
    byId('now').hidden = false;
    byId('now-visitors').textContent = String(now.visitors_now);
    byId('now-word').textContent = (now.visitors_now === 1 ? 'visitor now' : 'visitors now') +
      (now.complete ? '' : ` (since ${time(now.since)})`);
    const events = now.last_events.slice(0, 8).map((e) => make('tr', {}, make('td', {}, e.name),
      make('td', {}, e.page ?? ''), make('td', {}, time(e.at))));
    byId('live-body').replaceChildren(...(now.visitors_now === 0 && !events.length
      ? [make('p', { class: 'empty' }, 'Nobody in the last five minutes.')]
      : [list('Page', now.by_page, 'page', 'event:page'), list('Source', now.by_source, 'source', 'visit:source'),
         list('Country', now.by_country, 'country', 'visit:country'),
         make('table', {}, make('thead', {}, make('tr', {}, ...['Last events', 'Page', 'At'].map((h) =>
           make('th', { scope: 'col' }, h)))), make('tbody', {}, ...events))]));
    if (this.offset !== null && now.offset !== this.offset) this.changed();
    this.offset = now.offset;
  }
}
