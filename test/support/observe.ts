import type { Observable } from 'rxjs';

/** All that came out of an Observable. */
export interface Seen {
  values: any[];
  end: 'complete' | 'error';
  /** What it failed with; undefined where it completed. */
  error?: any;
}

/** Subscribes and waits for the end, which may be an error. */
export function observe(source: Observable<unknown>): Promise<Seen> {
  return new Promise((resolve) => {
    const values: unknown[] = [];
    source.subscribe({
      next: (value) => values.push(value),
      error: (error: unknown) => resolve({ values, end: 'error', error }),
      complete: () => resolve({ values, end: 'complete' }),
    });
  });
}
