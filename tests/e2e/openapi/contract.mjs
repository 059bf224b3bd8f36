// contract.mjs BASE WRITE_KEY READ_KEY PLATFORM_KEY SEED RUNS
// Sends what the contract describes, and what it does not, and holds every answer against it: the
// status is one that the operation names, the body matches its schema, and nothing is a 500.
import { gzipSync } from 'node:zlib';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';

const [base, writeKey, readKey, platformKey, seed, runs] = process.argv.slice(2);
const contract = await (await fetch(`${base}/openapi.json`)).json();
const ajv = new Ajv2020({ strict: false, allErrors: false });
addFormats(ajv);
ajv.addSchema({ $id: 'contract', ...contract });

const pointer = (...parts) =>
  parts.map((p) => '/' + p.replaceAll('~', '~0').replaceAll('/', '~1')).join('');
const at = (reference) =>
  reference.slice(2).split('/').reduce((node, p) => node[p.replaceAll('~1', '/').replaceAll('~0', '~')], contract);
const followed = (node) => (node && node.$ref ? at(node.$ref) : node);

const validators = new Map();
function validator(path, method, status, type) {
  const place = pointer('paths', path, method, 'responses', status);
  const reference = at(`#${place}`).$ref ?? `#${place}`;
  const schema = `contract${reference}${pointer('content', type, 'schema')}`;
  if (!validators.has(schema)) validators.set(schema, ajv.compile({ $ref: schema }));
  return validators.get(schema);
}

const seen = new Map();
async function check(path, method, { query = '', key, headers = {}, body }) {
  const answer = await fetch(base + path + query, {
    method: method.toUpperCase(), body,
    headers: { ...(key === undefined ? {} : { Authorization: `Bearer ${key}` }), ...headers } });
  const text = await answer.text();
  const told = `${method} ${path}${query} key=${key} ${JSON.stringify(headers)}\n` +
               `body ${String(body).slice(0, 1500)}\nanswer ${answer.status} ${text.slice(0, 1500)}`;
  const status = String(answer.status);
  seen.set(`${path} ${status}`, (seen.get(`${path} ${status}`) ?? 0) + 1);
  if (answer.status >= 500 && answer.status !== 503) throw new Error(`a failure: ${told}`);
  const described = followed(contract.paths[path][method].responses[status]);
  if (!described) throw new Error(`a status that the contract does not name: ${told}`);
  const type = (answer.headers.get('content-type') ?? '').split(';')[0];
  if (!described.content?.[type]) throw new Error(`a type that the contract does not name, ${type}: ${told}`);
  for (const name of Object.keys(described.headers ?? {}))
    if (followed(described.headers[name]).required && !answer.headers.has(name))
      throw new Error(`${name} is missing: ${told}`);
  if (!type.endsWith('json') || type.includes('ndjson')) return;
  const valid = validator(path, method, status, type);
  if (!valid(JSON.parse(text)))
    throw new Error(`not as its schema says: ${ajv.errorsText(valid.errors)}\n${told}`);
}

// --- values as schemas describe them, with something else here and there

const anything = fc.oneof({ maxDepth: 3 }, fc.jsonValue({ maxDepth: 3 }), fc.string({ unit: 'binary' }),
  fc.constantFrom('', null, -1, 0, 1e308, -1e-308, 9007199254740993, '9'.repeat(40), '2010-12-01', '٣', '\u0000',
                  'x'.repeat(3000), [], {}, [[[[[[[[[[]]]]]]]]]], { $ref: '#' }, true));
const texts = ['page_view', 'purchase', 'refund', 'USD', 'EUR', 'day', '7d', 'all', 'time:day', 'event:name',
               'shop', 'other', 'is', 'contains', '2026-01-31', '2010-12-01T08:26:00Z', '12.50', '-0.000001'];

function value(schema, depth = 0) {
  schema = followed(schema) ?? {};
  const made = plain(schema, depth);
  return depth > 5 ? made : fc.oneof({ arbitrary: made, weight: 24 }, { arbitrary: anything, weight: 1 });
}

function plain(schema, depth) {
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return fc.oneof(...several.map((s) => value(s, depth + 1)));
  if (schema.allOf) return fc.tuple(...schema.allOf.map((s) => value(s, depth + 1)))
    .map((parts) => Object.assign({}, ...parts.filter((p) => p && typeof p === 'object')));
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const types = [schema.type ?? 'string'].flat();
  return fc.oneof(...types.map((type) => ofType(type, schema, depth)));
}

function ofType(type, schema, depth) {
  if (type === 'null') return fc.constant(null);
  if (type === 'boolean') return fc.boolean();
  if (type === 'integer') return fc.oneof(fc.integer({ min: 0, max: 100 }), fc.maxSafeInteger());
  if (type === 'number') return fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }));
  if (type === 'array') {
    if (depth > 6) return fc.constant([]);
    if (schema.prefixItems) return fc.tuple(...schema.prefixItems.map((s) => value(s, depth + 1)));
    return fc.array(value(schema.items ?? {}, depth + 1),
                    { minLength: Math.min(schema.minItems ?? 0, 3), maxLength: 4 });
  }
  if (type === 'object') {
    if (depth > 6) return fc.constant({});
    const fields = Object.fromEntries(Object.entries(schema.properties ?? {})
      .map(([name, s]) => [name, value(s, depth + 1)]));
    return fc.record(fields, { requiredKeys: (schema.required ?? []).filter((n) => n in fields) });
  }
  if (schema.format === 'date-time') return fc.date({ noInvalidDate: true, min: new Date(0),
                                                      max: new Date() }).map((d) => d.toISOString());
  if (schema.format === 'date') return fc.date({ noInvalidDate: true, min: new Date(0), max: new Date() })
    .map((d) => d.toISOString().slice(0, 10));
  return fc.oneof(fc.constantFrom(...texts), fc.string({ maxLength: 20 }), fc.string({ unit: 'grapheme' }));
}

const bodies = (described) => fc.oneof(
  { weight: 12, arbitrary: described.map((v) => JSON.stringify(v) ?? '') },
  { weight: 3, arbitrary: fc.array(described, { maxLength: 4 })
      .map((all) => all.map((v) => JSON.stringify(v)).join('\n')) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 80 }) },
  { weight: 2, arbitrary: fc.tuple(described, fc.nat(400)).map(([v, n]) => JSON.stringify(v)?.slice(0, n) ?? '') });
const keys = (usual) => fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...usual) },
  { weight: 1, arbitrary: fc.constantFrom(undefined, '', 'nobody', writeKey, readKey, platformKey, `${readKey}x`, 'ts_shop.9999999999.x') });
const encodings = fc.oneof({ weight: 14, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.constantFrom({ 'Content-Encoding': 'gzip' }, { 'Content-Encoding': 'zstd' },
      { 'Content-Encoding': 'br' }, { 'Idempotency-Key': 'again' }, { packed: true }) });

async function hold(name, arbitrary, property) {
  const began = Date.now();
  await fc.assert(fc.asyncProperty(arbitrary, property),
                  { seed: Number(seed), numRuns: Number(runs), interruptAfterTimeLimit: 60000,
                    markInterruptAsFailure: false });
  console.log(`${name} held in ${Date.now() - began} ms`);
}

function posting(path, usual, more = []) {
  const schema = contract.paths[path].post.requestBody.content['application/json'].schema;
  const arbitrary = fc.tuple(bodies(fc.oneof(value(schema), ...more)), keys(usual), encodings);
  return hold(path, arbitrary, ([body, key, { packed, ...headers }]) =>
    check(path, 'post', packed ? { key, body: gzipSync(body), headers: { 'Content-Encoding': 'gzip' } }
                               : { key, body, headers: { 'Content-Type': 'application/json', ...headers } }));
}

await posting('/v1/events', [writeKey, platformKey]);
for (const path of ['/v1/batch', '/v1/track', '/v1/page', '/v1/identify']) await posting(path, [writeKey]);

// Questions that can be answered, as far as a schema does not tell which go together.
const when = fc.constantFrom('day', '7d', '30d', 'month', 'year', '6mo', 'all', 'realtime', ['2010-12-01', '2010-12-31'],
  ['2026-01-01T08:00:00Z', '2026-01-01T11:59:59Z'], ['2024-02-29', '2024-02-28']);
const answerable = fc.record({
  site_id: fc.constant('shop'),
  metrics: fc.uniqueArray(fc.constantFrom(...contract.components.schemas.metric.enum,
      ...contract.components.schemas.event_metric.enum), { minLength: 1, maxLength: 4 }),
  date_range: when,
  dimensions: fc.oneof(
    fc.constantFrom([], ['time'], ['time:day'], ['time:hour'], ['time:month'], ['event:name']),
    fc.uniqueArray(fc.constantFrom(...contract.components.schemas.field.enum, 'time:day', 'event:props:plan'),
                   { minLength: 1, maxLength: 3 })),
  filters: fc.array(value(contract.components.schemas.filter), { maxLength: 2 }),
  timezone: fc.constantFrom('Europe/Berlin', 'Asia/Kathmandu', 'Pacific/Chatham'),
  compare: fc.constantFrom('previous_period', 'year_over_year', ['2010-11-01', '2010-11-30']),
  match_day_of_week: fc.boolean(),
  refunds_on: fc.constantFrom('refund', 'order'),
  convert: fc.boolean(),
  currency: fc.constantFrom('GBP', 'JPY'),
  pagination: fc.record({ limit: fc.integer({ min: 1, max: 9 }), offset: fc.nat(3) }),
  include: fc.record({ totals: fc.boolean(), total_rows: fc.boolean(), exactness: fc.boolean(), time_labels: fc.boolean() }),
}, { requiredKeys: ['site_id', 'metrics', 'date_range'] });
const schema = contract.components.schemas.question;
const spoiled = fc.tuple(answerable, fc.constantFrom(...Object.keys(schema.properties), 'surplus'), anything)
  .map(([q, name, other]) => ({ ...q, [name]: other }));
const changed = fc.constantFrom(...Object.keys(schema.properties)).chain((name) =>
  fc.tuple(answerable, value(schema.properties[name])).map(([q, other]) => ({ ...q, [name]: other })));
const questions = fc.oneof({ weight: 4, arbitrary: answerable }, { weight: 2, arbitrary: changed },
  { weight: 1, arbitrary: spoiled }, { weight: 1, arbitrary: value(schema) });
await hold('/api/v2/query', fc.tuple(bodies(questions), keys([readKey, platformKey]),
    fc.constantFrom('application/json', '*/*', 'text/csv', 'application/x-ndjson', 'nonsense')),
  ([body, key, Accept]) => check('/api/v2/query', 'post', { key, body, headers: { Accept } }));
const about = { site_id: fc.constant('shop'), date_range: when };
const step = fc.record({ filter: fc.constantFrom(['is', 'event:name', ['page']], ['is', 'event:name', ['order']]) });
await posting('/api/v2/funnel', [readKey, platformKey],
              [fc.record({ ...about, steps: fc.array(step, { minLength: 2, maxLength: 4 }) })]);
await posting('/api/v2/retention', [readKey, platformKey],
              [fc.record({ ...about, period: fc.constantFrom('day', 'week', 'month') })]);
const deed = fc.constantFrom(['is', 'event:name', ['page']], ['is', 'event:name', ['order']], ['is', 'event:page', ['/']]);
await posting('/api/v2/journeys', [readKey, platformKey],
              [fc.record({ ...about, start: deed, steps: fc.integer({ min: 1, max: 10 }), identity: fc.boolean() }),
               fc.record({ ...about, end: deed, by: fc.constantFrom('event:page', 'event:name') })]);
await hold('/v1/export', fc.tuple(fc.oneof(
    fc.constantFrom('', '?limit=5', '?limit=0', '?cursor=2&format=csv', '?from=2010-12-01&to=2010-12-02', '?merchant=shop'),
    fc.webQueryParameters().map((q) => `?${q}`)), keys([readKey, platformKey])),
  ([query, key]) => check('/v1/export', 'get', { query, key }));
await hold('/v1/merchant', fc.tuple(fc.oneof(fc.constantFrom('', '?merchant=shop', '?merchant=', '?merchant=nobody',
    '?merchant=%00', '?merchant=%', '?merchant=a&merchant=b'), fc.webQueryParameters().map((q) => `?${q}`)),
    keys([readKey, platformKey])),
  ([query, key]) => check('/v1/merchant', 'get', { query, key }));
await hold('/v1/live', fc.tuple(fc.oneof(fc.constantFrom('', '?merchant=shop', '?merchant=nobody', '?merchant=%'),
    fc.webQueryParameters().map((q) => `?${q}`)), keys([readKey, platformKey])),
  ([query, key]) => check('/v1/live', 'get', { query, key }));
for (const path of ['/v1/goals', '/v1/segments'])
  await hold(path, fc.tuple(fc.oneof(fc.constantFrom('', '?merchant=shop', '?merchant=nobody', '?merchant=%'),
      fc.webQueryParameters().map((q) => `?${q}`)), keys([readKey, platformKey])),
    ([query, key]) => check(path, 'get', { query, key }));
await hold('/v1/stream', keys([writeKey, readKey]), (key) => check('/v1/stream', 'get', { key }));
const counts = [...seen].sort().map(([what, count]) => `${what}: ${count}`);
console.log(counts.join('\n'));
for (const wanted of ['/v1/events 200', '/v1/events 400', '/v1/batch 200', '/api/v2/query 200', '/api/v2/query 400',
                      '/v1/merchant 200', '/v1/merchant 400', '/v1/merchant 404',
                      '/api/v2/funnel 200', '/api/v2/funnel 400', '/api/v2/retention 200', '/api/v2/journeys 200', '/api/v2/journeys 400', '/v1/export 200',
                      '/v1/export 400', '/v1/stream 401', '/v1/stream 426', '/v1/live 200',
                       '/v1/live 404', '/v1/goals 200', '/v1/goals 404', '/v1/segments 200'])
  if (!seen.has(wanted)) throw new Error(`never seen: ${wanted}`);
