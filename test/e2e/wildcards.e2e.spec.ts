import { describe, expect, it } from '@jest/globals';
import { RsmClient, RsmRecordBuilder } from 'nestjs-rsm';
import { lastValueFrom } from 'rxjs';
import { closeAfterwards, observe, type Service, startService } from '../support/index.js';

let service: Service;
let client: RsmClient;

async function begin(server: object = {}): Promise<void> {
  service = await startService('wildcards', { options: { server } });
  client = closeAfterwards(new RsmClient({ service: 'wildcards', directory: service.directory }));
}

/** The handlers an event reaches. */
async function reached(pattern: string): Promise<string[]> {
  const before = (await service.call('log')).length as number;
  await observe(client.emit(pattern, new RsmRecordBuilder(pattern).setConfirm().build()));
  const lines: string[] = (await service.call('log')).slice(before);
  return lines.map((line) => {
    const [handler, seen] = line.split(' < ');
    expect(seen).toBe(`${pattern} ${pattern}`);
    return handler!;
  });
}

describe('wildcards', () => {
  it('* is one token, > the rest; all matches run, the equal pattern too', async () => {
    await begin();

    expect((await reached('order.placed')).sort()).toEqual(['*.placed', 'order.*', 'order.* again', 'order.>', 'order.placed']);
    expect((await reached('order.paid')).sort()).toEqual(['order.*', 'order.* again', 'order.>']);
    expect((await reached('order.7.line.1')).sort()).toEqual(['order.*.line.>', 'order.>']);
    expect((await reached('order.7.line.1.2')).sort()).toEqual(['order.*.line.>', 'order.>']);
    expect((await reached('order.7.line')).sort()).toEqual(['order.>']);
    expect(await reached('invoice.placed')).toEqual(['*.placed']);
    expect(await reached('order')).toEqual([]);
    expect(await reached('orders.paid')).toEqual([]);
    expect(await reached('order.')).toEqual(expect.arrayContaining(['order.*', 'order.>']));
  });

  it('answer requests too: one handler, the equal pattern before the others', async () => {
    await begin();
    expect(await lastValueFrom(client.send('price.silver', 3))).toBe('price.silver 3');
    expect(await lastValueFrom(client.send('price.gold', 4))).toBe('gold 4');
    expect((await observe(client.send('price.gold.old', 5))).error).toBe(
      'There is no matching message handler defined in the remote service.',
    );
  });

  it('mean nothing where the option is not set', async () => {
    await begin({ wildcards: false });
    expect(await reached('order.placed')).toEqual(['order.placed']);
    expect(await reached('order.paid')).toEqual([]);
    expect((await reached('order.*')).sort()).toEqual(['order.*', 'order.* again']);
  });

  it("'#' is refused at start, with the hint '>'", async () => {
    const start = startService('wildcards', { options: { refused: 'order.#' } });
    await expect(start).rejects.toThrow("write '>' for the rest of the tokens ('order.>')");
  });

  it("'>' before the last token is refused at start", async () => {
    await expect(startService('wildcards', { options: { refused: 'order.>.line' } })).rejects.toThrow(
      "'>' is allowed as the last token only",
    );
  });
});
