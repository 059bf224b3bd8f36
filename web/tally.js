// Tally's browser agent. No cookies, nothing stored. How to use it: docs/how-to/count-a-web-site.md
(function (w, d, nav) {
  var script = d.currentScript, set = script.dataset, user, last, timer, tries = 0, busy = false,
    waiting = [],  // sent, perhaps, and not acknowledged: oldest first
    to = (set.api || new URL(script.src).origin) + '/v1/events?name_visitors=1&key=' +
      encodeURIComponent(set.key || ''),
    zone = w.Intl && Intl.DateTimeFormat().resolvedOptions().timeZone,
    refused = !set.key || ('respectDnt' in set && (nav.doNotTrack == '1' || nav.globalPrivacyControl));

  function id() {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), function (b) {
      return (b + 256).toString(16).slice(1);
    }).join('');
  }

  function here() { return location.href.split('#')[0].slice(0, 2000); }

  // No time of its own: a browser's clock may be wrong, the node's is not. A purchase goes by its order.
  function add(name, props, order, more) {
    if (refused || waiting.length > 199) return;
    waiting.push(Object.assign({
      id: name == 'purchase' && order && order.id ? undefined : id(),
      name: name, user: user, url: here(), title: d.title, language: nav.language, timezone: zone,
      screen: screen.width + 'x' + screen.height, props: props, order: order
    }, more));
    if (!busy && !timer) timer = setTimeout(send, 0);
  }

  function page(again) {
    var now = here();
    if (now == last && !again) return;
    add('page_view', undefined, undefined, { referrer: last && !again ? last : d.referrer });
    last = now;
  }

  function post(text) {
    return fetch(to, { method: 'POST', body: text, credentials: 'omit', keepalive: text.length < 6e4 });
  }

  // Sends what waits and keeps it until it is acknowledged. The same id goes out again, so nothing
  // counts twice, whatever became of the answer.
  function send() {
    var batch = waiting.slice(0, 20);
    timer = 0;
    if (busy || !batch.length) return;
    busy = true;
    post(JSON.stringify(batch)).then(function (answer) {
      if (answer.status > 499 || answer.status == 429 || answer.status == 408) throw answer;
      waiting = waiting.filter(function (e) { return batch.indexOf(e) < 0; });
      busy = false;
      tries = 0;
      send();
    }).catch(function (answer) {
      var asked = answer.headers && +answer.headers.get('Retry-After');
      busy = false;
      timer = setTimeout(send, asked ? asked * 1e3 : Math.min(6e4, 500 * Math.pow(2, tries++)) *
        (0.5 + Math.random()));
    });
  }

  // The page may end now: what waits goes out by a way that outlives it. It waits on, since a
  // beacon tells nothing of how it went.
  function leave() {
    if (d.visibilityState != 'hidden') return;
    for (var i = 0; i < waiting.length; i += 20) {
      var text = JSON.stringify(waiting.slice(i, i + 20));
      if (!nav.sendBeacon || !nav.sendBeacon(to, text)) post(text).catch(function () {});
    }
  }

  function tally(what, name, props) {
    if (what == 'event') add(name, props);
    else if (what == 'page') page(true);
    else if (what == 'user') user = name == null ? undefined : String(name);
    else add(what, props, name);  // purchase, refund, add_to_cart, checkout: with an order
  }

  var before = (w.tally && w.tally.q) || [], push = history.pushState;
  w.tally = tally;
  if (!set.key) console.warn('tally.js: data-key is missing');
  d.addEventListener('visibilitychange', leave);
  w.addEventListener('pagehide', leave);
  if (set.auto != 'false') {
    history.pushState = function () {
      push.apply(history, arguments);
      page();
    };
    w.addEventListener('popstate', function () { page(); });
    w.addEventListener('pageshow', function (e) { if (e.persisted) page(true); });
    if (d.prerendering) d.addEventListener('prerenderingchange', function () { page(); });
    else page();
  }
  for (var i = 0; i < before.length; ++i) tally.apply(w, before[i]);
})(window, document, navigator);
