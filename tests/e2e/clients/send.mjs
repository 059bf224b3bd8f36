// node send.mjs CLIENT URL WRITE_KEY COUNT: sends COUNT messages with an unmodified client library over
// some seconds, says "queued" and stays until it is ended, so that the library can retry.
const [client, url, writeKey, countText] = process.argv.slice(2);
const count = Number(countText);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function segmentNode() {
  const { Analytics } = await import('@segment/analytics-node');
  const analytics = new Analytics({ writeKey, host: url, path: '/v1/batch', flushAt: 15, flushInterval: 500 });
  analytics.on('error', (e) => console.error('lost', JSON.stringify(e)));
  return (i) => analytics.track({ userId: `u${i % 50}`, event: `Node ${i % 3}`, properties: { i } });
}

async function rudderNode() {
  const { default: Rudder } = await import('@rudderstack/rudder-sdk-node');
  const rudder = new Rudder(writeKey, {
    dataPlaneUrl: url, flushAt: 15, flushInterval: 500, maxInternalQueueSize: 100000, retryCount: 20,
    errorHandler: (e) => console.error('lost', String(e)),
  });
  return (i) => rudder.track({ userId: `u${i % 50}`, event: `Rudder ${i % 3}`, properties: { i } });
}

// The browser library, in jsdom with Node's own fetch.
async function segmentBrowser() {
  const { JSDOM } = await import('jsdom');
  const { window } = new JSDOM('<!doctype html><title>Shop</title>', {
    url: 'https://shop.example/', pretendToBeVisual: true });
  window.fetch = globalThis.fetch;
  for (const name of ['window', 'document', 'navigator', 'location', 'localStorage', 'sessionStorage']) {
    const value = name === 'window' ? window : window[name];
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  const { AnalyticsBrowser } = await import('@segment/analytics-next');
  const { protocol, host } = new URL(url);
  const [analytics] = await AnalyticsBrowser.load({
    writeKey,
    cdnSettings: { integrations: { 'Segment.io': {
      apiKey: writeKey, apiHost: `${host}/v1`, protocol: protocol.slice(0, -1),
      deliveryStrategy: { strategy: 'batching', config: { size: 10, timeout: 300 } } } } },
  });
  return (i) => { analytics.track(`Browser ${i % 3}`, { i }); };
}

const track = await { 'analytics-node': segmentNode, 'analytics-next': segmentBrowser,
  'rudder-sdk-node': rudderNode }[client]();
for (let i = 0; i < count; i++) {
  track(i);
  await pause(10);
}
console.log('queued');
setInterval(() => {}, 1000);
