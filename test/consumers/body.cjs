// What a user's program does, given the packages as its module system has loaded them. Plain JavaScript: decorators are called by hand.
const { fork } = require('node:child_process');
const { once } = require('node:events');

/** A service with one handler for requests and one for events; ends on SIGTERM. */
async function serve({ common, core, microservices, rsm }) {
  const events = [];
  class Orders {
    add(data) {
      return data.a + data.b;
    }
    placed(data) {
      events.push(data);
    }
    list() {
      return events;
    }
  }
  const decorate = (decorator, name) => decorator(Orders.prototype, name, Object.getOwnPropertyDescriptor(Orders.prototype, name));
  decorate(microservices.MessagePattern('add'), 'add');
  decorate(microservices.EventPattern('order.placed'), 'placed');
  decorate(microservices.MessagePattern('list'), 'list');
  common.Controller()(Orders);
  class App {}
  common.Module({ controllers: [Orders] })(App);
  const server = new rsm.RsmServer({ service: 'orders' });
  const app = await core.NestFactory.createMicroservice(App, { strategy: server, logger: ['error', 'warn'] });
  await app.listen();
  process.once('SIGTERM', () => {
    server
      .drain()
      .then(() => app.close())
      .then(() => process.disconnect());
  });
  process.send('serving');
}

/** A client from ClientsModule in an application context; what it saw is printed. */
async function ask({ common, core, microservices, rsm }) {
  const { lastValueFrom } = require('rxjs');
  class App {}
  const registered = [{ name: 'ORDERS', customClass: rsm.RsmClient, options: { service: 'orders' } }];
  common.Module({ imports: [microservices.ClientsModule.register(registered)] })(App);
  const app = await core.NestFactory.createApplicationContext(App, { logger: ['error', 'warn'] });
  const client = app.get('ORDERS', { strict: false });
  const sum = await lastValueFrom(client.send('add', { a: 2, b: 3 }));
  await lastValueFrom(client.emit('order.placed', new rsm.RsmRecordBuilder({ id: 7 }).setConfirm().build()));
  const events = await lastValueFrom(client.send('list', {}));
  const lost = await lastValueFrom(client.send('nothing', {})).catch((error) => error);
  await app.close();
  return { sum, events, lost };
}

/** The classes that this package extends are those that the app uses. */
function classes({ microservices, rsm }) {
  return {
    server: Object.getPrototypeOf(rsm.RsmServer) === microservices.Server,
    client: Object.getPrototypeOf(rsm.RsmClient) === microservices.ClientProxy,
    context: Object.getPrototypeOf(rsm.RsmContext) === microservices.BaseRpcContext,
  };
}

async function startServer(script) {
  const server = fork(script, ['server'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await once(server, 'message');
  return {
    async stop() {
      server.kill('SIGTERM');
      const [code, signal] = await once(server, 'exit');
      return signal ?? code;
    },
  };
}

/** `script`: itself, to be started again as the server. `extra`: more to tell. */
exports.run = async (script, packages, extra = {}) => {
  if (process.argv[2] === 'server') {
    await serve(packages);
    return;
  }
  const server = await startServer(script);
  const seen = await ask(packages);
  const serverExit = await server.stop();
  console.log(`REPORT ${JSON.stringify({ ...seen, serverExit, classes: classes(packages), ...extra })}`);
};
