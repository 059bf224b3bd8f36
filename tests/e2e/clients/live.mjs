// node live.mjs URL KEY VISITORS: reads live numbers with npm's ws until there are so many visitors.
import WebSocket from 'ws';

const [url, key, visitors] = process.argv.slice(2);
const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/live?key=${key}`);
socket.on('message', (data) => {
  const now = JSON.parse(data.toString()).visitors_now;
  console.log(`${now} visitors`);
  if (now === Number(visitors)) socket.close(1000);
});
socket.on('close', (code) => process.exit(code === 1000 || code === 1005 ? 0 : 1));
