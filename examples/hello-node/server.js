// A minimal Node app: it answers with its version, and has a health check.
//
// It has no Dockerfile: krane's docker backend writes one, and starts the app with `npm start`. The app listens at HOST
// and PORT, and ends on SIGTERM.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const version = fs.readFileSync(path.join(__dirname, 'VERSION'), 'utf8').trim();
const instance = process.env.INTERLOCK_INSTANCE_ID ?? 'local';
const answers = {
  '/': { message: 'Hello from interlock', version, instance },
  '/healthz': { status: 'ok' },
};

const server = http.createServer((request, response) => {
  const answer = answers[request.url.split('?')[0]];
  response.writeHead(answer ? 200 : 404, { 'Content-Type': 'application/json' });
  response.end(`${JSON.stringify(answer ?? { error: 'not found' })}\n`);
});

const host = process.env.HOST ?? '127.0.0.1';
const port = Number(process.env.PORT ?? 8080);
server.listen(port, host, () => console.log(`version ${version} listens on http://${host}:${port}`));
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
