// Talks to the node that serves this page, and to nobody else.

export class Refused extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

async function refusal(answer) {
  let told = {};
  try {
    told = await answer.json();
  } catch {
    // No problem of Tally's, perhaps a proxy's.
  }
  return new Refused(answer.status, told.code ?? '', told.detail ?? `the node answered ${answer.status}`);
}

export class Client {
  constructor(key) {
    this.key = key;
  }

  async ask(path, { signal, body, accept = 'application/json' } = {}) {
    const headers = { Authorization: `Bearer ${this.key}`, Accept: accept };
    const answer = await fetch(path, { method: body ? 'POST' : 'GET', headers, signal, cache: 'no-store',
                                       body: body && JSON.stringify(body) });
    if (!answer.ok) throw await refusal(answer);
    return answer;
  }

  async get(path, options) {
    return (await this.ask(path, options)).json();
  }

  query(question, signal) {
    return this.get('/api/v2/query', { body: question, signal });
  }

  merchant() {
    return this.get('/v1/merchant');
  }

  goals(signal) {
    return this.get('/v1/goals', { signal });
  }

  // Calls `see` with the live numbers whenever they change, until `signal` ends it.
  async live(see, signal) {
    const answer = await this.ask('/v1/live', { signal, accept: 'text/event-stream' });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += value.replaceAll('\r', '');
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const lines = text.slice(0, end).split('\n');
        text = text.slice(end + 2);
        const data = lines.filter((l) => l.startsWith('data:')).map((l) => l.slice(5).trim()).join('\n');
        if (data) see(JSON.parse(data));
      }
    }
  }
}
