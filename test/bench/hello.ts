// The yardstick: the least that the same runtime and HTTP framework can do, in a process of its own.
import fastify from 'fastify';

const app = fastify({ logger: false });
app.get('/', () => ({ hello: 'world' }));
await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) });
