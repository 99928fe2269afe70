/** Bounds the bitmap to 16 MiB, whatever number arrives. */
export const MAX_SEQUENCES = 128 * 1024 * 1024;

/** How many sequences are named at most; the counts beside them are exact. */
const NAMED = 20;

export interface SequenceGaps {
  missing: number;
  /** The first missing sequences, at most 20. */
  firstMissing: number[];
}

/** Remembers which sequences have arrived, one bit each, in any order. */
export class SequenceLog {
  private bits = new Uint8Array(64 * 1024);
  private distinct = 0;
  private repeats = 0;
  private readonly repeatedSequences: number[] = [];

  /** Sequences that have arrived, each counted once. */
  get arrived(): number {
    return this.distinct;
  }

  /** Arrivals of a sequence that had arrived before. */
  get doubled(): number {
    return this.repeats;
  }

  /** The first doubled sequences, at most 20. */
  get firstDoubled(): number[] {
    return [...this.repeatedSequences];
  }

  /** Notes an arrival. Throws a RangeError for anything but an integer in 0 to MAX_SEQUENCES - 1. */
  mark(sequence: number): void {
    if (this.has(sequence)) {
      this.repeats++;
      if (this.repeatedSequences.length < NAMED) {
        this.repeatedSequences.push(sequence);
      }
      return;
    }
    const index = sequence >>> 3;
    if (index >= this.bits.length) {
      this.growTo(index + 1);
    }
    this.bits[index] |= 1 << (sequence & 7);
    this.distinct++;
  }

  /** Whether it has arrived. Throws a RangeError for anything but an integer in 0 to MAX_SEQUENCES - 1. */
  has(sequence: number): boolean {
    if (!Number.isInteger(sequence) || sequence < 0 || sequence >= MAX_SEQUENCES) {
      throw new RangeError(`sequence must be an integer in 0 to ${MAX_SEQUENCES - 1}, not ${sequence}`);
    }
    const index = sequence >>> 3;
    return index < this.bits.length && (this.bits[index] & (1 << (sequence & 7))) !== 0;
  }

  /** Which of the sequences 0 to `expected` - 1 have not arrived. */
  gaps(expected: number): SequenceGaps {
    const gaps: SequenceGaps = { missing: 0, firstMissing: [] };
    for (let sequence = 0; sequence < expected; sequence++) {
      if (!this.has(sequence)) {
        gaps.missing++;
        if (gaps.firstMissing.length < NAMED) {
          gaps.firstMissing.push(sequence);
        }
      }
    }
    return gaps;
  }

  private growTo(bytes: number): void {
    const grown = new Uint8Array(Math.max(bytes, this.bits.length * 2));
    grown.set(this.bits);
    this.bits = grown;
  }
}
