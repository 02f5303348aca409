// An application of Node's own HTTP server: notes every request that it sees in the file named
// by the first argument, and answers with what it saw. Prints its port once it listens.
'use strict';

const fs = require('fs');
const http = require('http');

const log = process.argv[2];

const server = http.createServer((request, response) => {
  let length = 0;
  request.on('data', (chunk) => { length += chunk.length; });
  request.on('end', () => {
    const secret = request.headers['x-secret'] || '-';
    fs.appendFileSync(log, `${request.method} ${request.url} ${length} ${secret}\n`);
    response.setHeader('X-Saw', `${request.method} ${request.url}`);
    const trailers = Object.entries(request.trailers).map((pair) => pair.join(': '));
    response.setHeader('X-Trailers', trailers.join(', '));
    response.end(`${request.method} ${request.url} ${length}`);
  });
});

server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
