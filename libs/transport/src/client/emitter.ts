import type { Observable } from 'rxjs';
import { isRsmRecord, type RsmRecordOptions, type RsmRouting } from '../record/index.js';
import { Broadcast, BroadcastCopy } from './broadcast.js';
import type { RsmClientCounters } from './client-counters.js';
import { COMMITTED, EmitResult } from './emit-result.js';
import type { FailureReporter } from './failure-reporter.js';
import type { Outbound } from './outbound.js';
import type { OutgoingFrame, OutgoingPacket } from './outgoing-frame.js';

/** Sends events. An event for which an instance is ready goes into its partitions before `emit` returns, and costs no object of its own. */
export class Emitter {
  /** Watches the next plain event; most are committed at once, and it serves again. */
  private spare: EmitResult;

  constructor(
    private readonly outbound: Outbound,
    private readonly frame: OutgoingFrame,
    private readonly counters: RsmClientCounters,
    private readonly reporter: FailureReporter,
    private readonly routing: RsmRouting,
  ) {
    this.spare = this.newResult('', false, undefined);
  }

  emit(packet: OutgoingPacket, pattern: string): Observable<undefined> {
    const record = isRsmRecord(packet.data) ? packet.data : undefined;
    this.counters.events++;
    try {
      this.frame.event(pattern, packet, record === undefined ? packet.data : record.data, record?.options);
      if ((record?.options.routing ?? this.routing) === 'broadcast') {
        return this.broadcast(pattern, record?.options);
      }
      return record === undefined ? this.plain(pattern) : this.withOptions(pattern, record.options);
    } catch (error) {
      return this.failed(pattern, error);
    } finally {
      this.frame.clear();
    }
  }

  /** An event that failed before it could be sent. */
  failed(pattern: string, error: unknown): EmitResult {
    const result = this.newResult(pattern, false, undefined);
    result.failed(error);
    return result;
  }

  private plain(pattern: string): Observable<undefined> {
    const result = this.spare;
    result.pattern = pattern;
    if (this.outbound.dispatch(this.frame, result, undefined) > 0) {
      return COMMITTED;
    }
    this.spare = this.newResult('', false, undefined);
    return result;
  }

  private withOptions(pattern: string, options: RsmRecordOptions): Observable<undefined> {
    const confirm = options.confirm === true;
    const result = this.newResult(pattern, confirm, options.key);
    const sequence = this.outbound.dispatch(this.frame, result, options.key);
    if (confirm) {
      this.reporter.unconfirmed.add(result);
    } else if (sequence > 0) {
      result.succeed();
    }
    return result;
  }

  /** To every instance that is live now. Where there is none, to the first that comes. */
  private broadcast(pattern: string, options: RsmRecordOptions | undefined): Observable<undefined> {
    const instances = [...this.outbound.instances.live()];
    if (instances.length === 0) {
      return this.withOptions(pattern, options ?? {});
    }
    this.frame.inPlace = false; // the next instance reads it too
    const confirm = options?.confirm === true;
    const result = this.newResult(pattern, confirm, undefined);
    if (confirm) {
      this.reporter.unconfirmed.add(result);
    }
    const broadcast = new Broadcast(result, instances.length);
    for (const instance of instances) {
      const copy = new BroadcastCopy(broadcast);
      try {
        const sequence = this.outbound.sendTo(instance, this.frame, copy);
        if (sequence === undefined) {
          copy.lost();
        } else if (sequence > 0) {
          copy.committed();
        }
      } catch (error) {
        copy.failed(error);
      }
    }
    return result;
  }

  private newResult(pattern: string, confirm: boolean, key: string | undefined): EmitResult {
    return new EmitResult(this.reporter, pattern, confirm, key);
  }
}
