// An application as people write them, with what Node brings along: answers of known and unknown
// length, uploads, server-sent events, a streamed download, and an echo over WebSocket (RFC 6455).
// Arguments: a file for notes, and where to listen, if that is not to be chosen.
const http = require('http');
const crypto = require('crypto');

const waiting = [];

function upload(request, answer) {
  let length = 0, sum = 0;
  request.on('data', (part) => {
    length += part.length;
    for (const byte of part) sum = (sum * 31 + byte) >>> 0;
  });
  request.on('end', () => answer.end(`${length} ${sum}`));
}

function download(answer, left) {
  const part = Buffer.alloc(65536, 'd');
  const more = () => {
    while (left > 0) {
      left -= 1;
      if (!answer.write(part)) return answer.once('drain', more);
    }
    answer.end();
  };
  more();
}

const server = http.createServer((request, answer) => {
  switch (request.url) {
    case '/chunks':
      for (let number = 0; number < 100; number += 1) answer.write(`piece ${number}\n`);
      return answer.end();
    case '/upload':
      return upload(request, answer);
    case '/events':
      answer.writeHead(200, { 'Content-Type': 'text/event-stream', 'X-Accel-Buffering': 'no' });
      answer.write('data: begun\n\n');
      return waiting.push(answer);
    case '/release':
      waiting.splice(0).forEach((events) => events.end('data: released\n\n'));
      return answer.end('released');
    case '/download':
      return download(answer, 128);
    default:
      return answer.end(`hello from ${request.headers.host}`);
  }
});

function frame(opcode, payload) {
  const length = payload.length < 126
    ? [payload.length]
    : [126, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from([0x80 | opcode, ...length]), payload]);
}

// Takes a masked frame from the front; nothing while it is not all there.
function take(input) {
  if (input.length < 2) return null;
  let length = input[1] & 127, at = 2;
  if (length === 126) {
    if (input.length < 4) return null;
    length = input.readUInt16BE(2);
    at = 4;
  }
  if (input.length < at + 4 + length) return null;
  const mask = input.subarray(at, at + 4);
  const payload = Buffer.from(input.subarray(at + 4, at + 4 + length));
  for (let index = 0; index < length; index += 1) payload[index] ^= mask[index & 3];
  return { opcode: input[0] & 15, payload, rest: input.subarray(at + 4 + length) };
}

server.on('upgrade', (request, socket, head) => {
  const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = crypto.createHash('sha1').update(key).digest('base64');
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n'
    + `Connection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  let input = head;
  const answer = () => {
    for (let one = take(input); one; one = take(input)) {
      input = one.rest;
      socket.write(frame(one.opcode === 9 ? 10 : one.opcode, one.payload));
      if (one.opcode === 8) socket.end();
    }
  };
  socket.on('data', (part) => { input = Buffer.concat([input, part]); answer(); });
  // The other side says nothing more; what it said is answered all the same.
  socket.on('end', () => setTimeout(() => socket.end(frame(1, Buffer.from('last word'))), 50));
  socket.on('error', () => {});
  answer();
});

server.keepAliveTimeout = 60000;
server.listen(Number(process.argv[3] || 0), '127.0.0.1', () => console.log(server.address().port));
