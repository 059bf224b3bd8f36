// node stream.mjs URL KEY COUNT: sends COUNT events over /v1/stream with npm's ws, each again until it has its
// receipt, however often the connection ends. Says what it got and ends.
import WebSocket from 'ws';

const [url, key, countText] = process.argv.slice(2);
const count = Number(countText);
const inFlightMax = 40;
const waiting = new Map(); // messages without a receipt, by seq
let next = 0, connections = 0, again = 0, refused = 0, duplicates = 0;
const ends = {};
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function message(seq) {
  const event = { id: `e-${seq}`, at: 1700000000000 + seq, name: 'page_view', visitor: `v${seq % 50}` };
  const text = JSON.stringify({ seq, events: seq % 3 === 0 ? event : [event] });
  return seq % 2 === 0 ? text : Buffer.from(text); // text and binary
}

// One connection, until it ends or everything has its receipt.
function run() {
  return new Promise((done) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/stream`,
                                 { headers: { Authorization: `Bearer ${key}` }, handshakeTimeout: 3000 });
    const fill = async () => {
      while (socket.readyState === WebSocket.OPEN && waiting.size < inFlightMax && next < count) {
        const seq = next++;
        waiting.set(seq, message(seq));
        socket.send(waiting.get(seq));
        await pause(4);
      }
    };
    let filling = Promise.resolve();
    const refill = () => { filling = filling.then(fill); };
    socket.on('open', () => {
      connections++;
      for (const text of waiting.values()) { again++; socket.send(text); }
      refill();
    });
    socket.on('message', (data) => {
      const receipt = JSON.parse(data.toString());
      if (receipt.status === 200 || receipt.status === 202) {
        if (receipt.rejected.length > 0) throw new Error(data.toString());
        duplicates += receipt.duplicate ?? 0;
        waiting.delete(receipt.seq);
      } else if (receipt.status === 503) {
        refused++;
        const text = waiting.get(receipt.seq);
        setTimeout(() => { if (socket.readyState === WebSocket.OPEN) socket.send(text); }, 100);
      } else {
        throw new Error(data.toString());
      }
      if (next === count && waiting.size === 0) return socket.close(1000);
      refill();
    });
    socket.on('error', () => {});
    socket.on('close', (code) => {
      ends[code] = (ends[code] ?? 0) + 1;
      filling.then(done);
    });
  });
}

while (next < count || waiting.size > 0) {
  await run();
  await pause(100);
}
console.log(JSON.stringify({ connections, again, refused, duplicates, ends }));
