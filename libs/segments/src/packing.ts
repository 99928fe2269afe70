/** Bytes of a message whose header has `headerLength`; text as UTF-8. */
export function sizeOf(headerLength: number, payload: string | Uint8Array): number {
  return headerLength + (typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length);
}

/** Messages one after another in one Buffer, and their lengths. */
export function pack(payloads: readonly (string | Uint8Array)[]): { packed: Buffer; lengths: Uint32Array } {
  const lengths = Uint32Array.from(payloads, (payload) => sizeOf(0, payload));
  const packed = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length, 0));
  let position = 0;
  payloads.forEach((payload, i) => {
    if (typeof payload === 'string') packed.write(payload, position);
    else packed.set(payload, position);
    position += lengths[i]!;
  });
  return { packed, lengths };
}
