/** UTF-8 takes three bytes at most for a unit of UTF-16. */
export const MOST_BYTES_A_UNIT = 3;

const FIRST = 64 * 1024;
/** Kept for as long as the thread lives, so larger payloads get memory of their own. */
const LARGEST = 4 * 1024 * 1024;

let scratch: Buffer | undefined;

/**
 * Memory to put a payload together in, of `size` bytes at least; undefined where that is more than is kept. It is the same for every payload: fresh memory costs
 * more than what is written into it (page faults, and the garbage collection it brings about).
 */
export function scratchOf(size: number): Buffer | undefined {
  if (size > LARGEST) {
    return undefined;
  }
  if (scratch === undefined || scratch.length < size) {
    let length = FIRST;
    while (length < size) {
      length *= 2;
    }
    scratch = Buffer.allocUnsafeSlow(length);
  }
  return scratch;
}
