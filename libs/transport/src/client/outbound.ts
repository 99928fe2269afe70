import { type Connection, type Connector, Lane, type QueuedMessage, RsmError } from '@nestjs-rsm/segments';
import { FrameKind, FrameReader, FrameWriter } from '../frame/index.js';
import type { ResolvedClientOptions } from '../options/index.js';
import { Afterwards } from './afterwards.js';
import { type HeldMessage, HeldQueue, type TrackedMessage } from './held-message.js';
import { type Instance, Instances } from './instances.js';
import type { KeyHomes } from './key-homes.js';
import type { OutgoingFrame } from './outgoing-frame.js';
import type { RouteIds } from './routes.js';
import { SuspectWatcher } from './suspect-watcher.js';
import { WaitingRoom } from './waiting-room.js';

/** One for all: what a message of one client makes another send waits no longer than that. */
const afterwards = new Afterwards();

/** Hands messages to instances: directly where one is ready, else they wait here, counted. Nothing of one instance overtakes what waits for it. */
export class Outbound {
  readonly instances: Instances;
  /** Messages for which there is no instance. */
  readonly waiting: WaitingRoom;
  /** New messages are refused: the client is being closed. */
  closing = false;
  private readonly reader = new FrameReader();
  private writer: FrameWriter | undefined;
  private header: Buffer | undefined;

  constructor(
    private readonly connector: Connector,
    private readonly routes: RouteIds,
    homes: KeyHomes,
    private readonly options: ResolvedClientOptions,
    /** A message that waited cannot be sent. */
    private readonly giveUp: (message: HeldMessage, error: unknown, instance: Instance) => void,
    /**
     * Another way for requests that would wait behind events: the handlers of these events may wait for such a request, and would never release the partitions it
     * waits for. Undefined: there are no events here.
     */
    private readonly bypass: (() => Outbound) | undefined,
    /** See WaitingRoom. */
    handOver: ((messages: HeldMessage[]) => void) | undefined,
  ) {
    this.instances = new Instances(homes, handOver === undefined);
    this.waiting = new WaitingRoom(connector, options.connectTimeout, handOver);
  }

  /**
   * Sends a new message to the instance that is due. Returns its sequence, or 0 where it waits; its watcher hears the rest then. Throws RSM_BACKPRESSURE,
   * RSM_MESSAGE_TOO_LARGE, RSM_CONNECTION_LOST (the client is being closed), and what connecting throws.
   */
  dispatch(frame: OutgoingFrame, watcher: TrackedMessage, key: string | undefined): number {
    this.checkOpen();
    for (;;) {
      const instance = (key === undefined ? this.lenderOf(frame) : undefined) ?? this.instances.pick(key);
      if (instance === undefined) {
        this.hold(frame, watcher, this.waiting.queue, this.waiting.newExpiry());
        this.waiting.begin();
        return 0;
      }
      const sequence = frame.lane === Lane.events ? this.sendTo(instance, frame, watcher) : this.sendRequest(instance, frame, watcher, key);
      if (sequence !== undefined) {
        return sequence;
      }
    }
  }

  /** Throws RSM_CONNECTION_LOST while the client is being closed. */
  checkOpen(): void {
    if (this.closing) {
      throw new RsmError(
        'RSM_CONNECTION_LOST',
        `The client of service '${this.options.service}' is being closed. Await close() before using it again.`,
      );
    }
  }

  /** An event to one instance. Undefined: it has just been lost. */
  sendTo(instance: Instance, frame: OutgoingFrame, watcher: TrackedMessage): number | undefined {
    instance.carriesEvents = true;
    if (instance.backlogged) {
      this.hold(frame, watcher, instance.backlog, Infinity);
      return 0;
    }
    return this.sendNow(instance, frame, watcher);
  }

  /** Tells an instance that the reply to a request is not wanted any more. */
  cancel(instance: Instance, id: number): void {
    if (instance.connection.open) {
      this.withoutLimit(() => instance.connection.send(Lane.immediate, this.frameWriter().cancel(id)));
    }
  }

  /** Sends messages that had been accepted, in order and before newer ones. */
  resend(messages: readonly HeldMessage[]): void {
    afterwards.during(() => this.resendNow(messages));
  }

  private resendNow(messages: readonly HeldMessage[]): void {
    const groups = new Map<Instance, HeldMessage[]>();
    const stranded: HeldMessage[] = [];
    let common: Instance | undefined;
    for (const message of messages) {
      const key = message.watcher?.key;
      const instance = key === undefined ? (common ??= this.instances.pick(undefined)) : this.instances.pick(key);
      if (message.watcher?.abandoned) {
        continue;
      }
      if (instance === undefined) {
        // Events wait for a successor; whoever asked for a reply is told that there is none.
        stranded.push(message.lane === Lane.requests ? { ...message, expires: this.waiting.newExpiry() } : message);
      } else {
        const group = groups.get(instance);
        if (group === undefined) {
          groups.set(instance, [message]);
        } else {
          group.push(message);
        }
      }
    }
    if (stranded.length > 0) {
      this.waiting.queue.unshiftAll(stranded);
      this.waiting.begin();
    }
    groups.forEach((group, instance) => this.sendGroup(instance, group));
  }

  /** As resend, to one instance. */
  sendGroup(instance: Instance, group: readonly HeldMessage[]): void {
    afterwards.during(() => this.sendGroupNow(instance, group));
  }

  private sendGroupNow(instance: Instance, group: readonly HeldMessage[]): void {
    const inOrder = [...group];
    for (const message of instance.connection.takeQueued()) {
      const held = asHeld(message);
      if (held.suspect) {
        instance.suspectOut = false; // it is here again
      }
      if (this.isRoute(message)) {
        this.sendHeld(instance, held); // first: what follows relies on it
      } else {
        inOrder.push(held);
      }
    }
    const events = inOrder.filter((message) => message.lane === Lane.events);
    instance.carriesEvents ||= events.length > 0;
    if (instance.backlogged || events.some((message) => message.suspect)) {
      instance.backlog.unshiftAll(events);
      this.pump(instance);
    } else {
      this.sendInOrder(instance, events);
    }
    const others = inOrder.filter((message) => message.lane !== Lane.events);
    const { connection } = instance;
    if (this.bypass !== undefined && others.length > 0 && connection.queuedMessages > 0 && connection.inFlight > 0) {
      this.bypass().resend(others.filter((message) => message.lane === Lane.requests));
      this.sendInOrder(
        instance,
        others.filter((message) => message.lane !== Lane.requests),
      );
    } else {
      this.sendInOrder(instance, others);
    }
  }

  /** Requests for which the other way was closed: they wait behind what waits already. */
  queueBehind(messages: readonly HeldMessage[]): void {
    afterwards.during(() => {
      for (const message of messages) {
        const instance = this.instances.pick(message.watcher?.key);
        if (instance === undefined) {
          this.resend([message]);
        } else {
          this.sendInOrder(instance, [message]);
        }
      }
    });
  }

  /** A suspect was released or came back: the next of the backlog may go. */
  suspectBack(instance: Instance): void {
    instance.suspectOut = false;
    afterwards.during(() => this.pump(instance));
  }

  /** A message of the queue of a connection that takes no more; undefined for frames that mean nothing elsewhere. */
  reclaim(message: QueuedMessage): HeldMessage | undefined {
    return message.lane === Lane.immediate ? undefined : asHeld(message);
  }

  /** Undefined: it is no loan, or its instance takes nothing more. */
  private lenderOf(frame: OutgoingFrame): Instance | undefined {
    const lender = frame.loan === undefined ? undefined : instanceOf(frame.loan.connection);
    return lender?.usable && lender.outbound === this ? lender : undefined;
  }

  private sendRequest(instance: Instance, frame: OutgoingFrame, watcher: TrackedMessage, key: string | undefined): number | undefined {
    const { connection } = instance;
    const bypass = instance.carriesEvents ? this.bypass : undefined;
    // Where nothing is in flight, the queue moves as soon as the connection's segments are formed.
    if (bypass !== undefined && connection.queuedMessages > 0 && connection.inFlight > 0) {
      return bypass().dispatch(frame, watcher, key);
    }
    watcher.sentTo?.(instance);
    const sequence = this.sendNow(instance, frame, watcher);
    if (sequence === 0 && bypass !== undefined && connection.inFlight > 0) {
      this.divert(instance, bypass());
    }
    return sequence;
  }

  /** The partitions are full, and the request is the first that waits for some: it is taken out again and goes the other way. */
  private divert(instance: Instance, bypass: Outbound): void {
    afterwards.during(() => {
      for (const message of instance.connection.takeQueued()) {
        const held = asHeld(message);
        if (message.lane === Lane.requests) {
          bypass.resend([held]);
        } else {
          this.sendHeld(instance, held);
        }
      }
    });
  }

  private sendNow(instance: Instance, frame: OutgoingFrame, watcher: TrackedMessage): number | undefined {
    try {
      const { routeId } = frame;
      if (routeId !== 0 && instance.announced[routeId] !== true) {
        this.announce(instance, routeId);
      }
      const headerLength = frame.write(this.frameWriter());
      if (frame.inPlace && frame.loan!.connection === instance.connection) {
        const sequence = frame.loan!.sendInPlace(frame.lane, this.connector.header, headerLength, watcher);
        if (sequence !== undefined) {
          return sequence;
        }
      }
      return instance.connection.send(frame.lane, headerLength, frame.encoded.payload, watcher, 0);
    } catch (error) {
      if (!instance.connection.open && isLost(error)) {
        this.instances.refresh();
        return undefined;
      }
      throw error;
    }
  }

  private pump(instance: Instance): void {
    while (!instance.suspectOut && instance.usable) {
      const message = instance.backlog.shift();
      if (message === undefined) {
        return;
      }
      this.sendInOrder(instance, [message]);
    }
  }

  private sendInOrder(instance: Instance, messages: readonly HeldMessage[]): void {
    for (let i = 0; i < messages.length; i++) {
      if (!this.sendHeld(instance, messages[i]!)) {
        this.instances.refresh();
        this.resend(messages.slice(i).filter((message) => message.lane !== Lane.immediate));
        return;
      }
    }
  }

  /** False: the connection is lost, and the message is still the caller's. */
  private sendHeld(instance: Instance, message: HeldMessage): boolean {
    const { lane, bytes, attempt } = message;
    if (message.watcher?.abandoned) {
      return true;
    }
    const watcher = message.suspect ? new SuspectWatcher(this, instance, message.watcher) : message.watcher;
    try {
      this.announceFor(instance, message);
      message.watcher?.sentTo?.(instance);
      const sequence = this.withoutLimit(() => instance.connection.sendBytes(lane, bytes, watcher, attempt));
      if (message.suspect) {
        instance.suspectOut = true;
      }
      if (sequence > 0 && watcher?.committed !== undefined) {
        afterwards.tell(() => watcher.committed!(sequence));
      }
      return true;
    } catch (error) {
      if (!instance.connection.open && isLost(error)) {
        return false;
      }
      afterwards.tell(() => this.giveUp(message, error, instance)); // this instance takes shorter messages than the one before
      return true;
    }
  }

  /** Sends what had been accepted even where the queue is full: it is counted, and new messages meet the limit. */
  private withoutLimit<T>(send: () => T): T {
    const { budget } = this.connector;
    const { bytes, messages } = budget;
    budget.bytes = 0;
    budget.messages = 0;
    try {
      return send();
    } finally {
      budget.bytes += bytes;
      budget.messages += messages;
    }
  }

  private hold(frame: OutgoingFrame, watcher: TrackedMessage, queue: HeldQueue, expires: number): void {
    const { budget } = this.connector;
    const headerLength = frame.write(this.frameWriter());
    const { payload } = frame.encoded;
    const size = headerLength + (payload === undefined ? 0 : Buffer.byteLength(payload));
    if (size > this.options.maxMessageSize) {
      throw new RsmError(
        'RSM_MESSAGE_TOO_LARGE',
        `A message of ${size} bytes is longer than maxMessageSize (${this.options.maxMessageSize}). Raise it on both sides or send less at once.`,
      );
    }
    if (!budget.take(size)) {
      throw new RsmError(
        'RSM_BACKPRESSURE',
        `${budget.messages} messages (${budget.bytes} bytes) for service '${this.options.service}' wait already; one of ${size} bytes more would pass maxQueuedBytes (${budget.maxBytes}) or maxQueuedMessages (${budget.maxMessages}). Await earlier sends, or raise the option.`,
      );
    }
    const bytes = Buffer.allocUnsafe(size);
    this.connector.header.copy(bytes, 0, 0, headerLength);
    if (typeof payload === 'string') {
      bytes.write(payload, headerLength);
    } else if (payload !== undefined) {
      bytes.set(payload, headerLength);
    }
    queue.pushCounted({ lane: frame.lane, attempt: 0, bytes, watcher, suspect: false, expires });
  }

  private announceFor(instance: Instance, message: HeldMessage): void {
    if (message.lane === Lane.immediate) {
      return;
    }
    this.reader.read(message.bytes, 0, message.bytes.length);
    const { routeId } = this.reader;
    if (routeId !== 0 && instance.announced[routeId] !== true) {
      this.withoutLimit(() => this.announce(instance, routeId));
    }
  }

  private announce(instance: Instance, routeId: number): void {
    instance.connection.send(Lane.immediate, this.frameWriter().route(routeId), this.routes.patternOf(routeId));
    instance.announced[routeId] = true;
  }

  private isRoute(message: QueuedMessage): boolean {
    if (message.lane !== Lane.immediate) {
      return false;
    }
    this.reader.read(message.bytes, 0, message.bytes.length);
    return this.reader.kind === FrameKind.route;
  }

  /** A connector that was started again has new scratch. */
  private frameWriter(): FrameWriter {
    if (this.writer === undefined || this.header !== this.connector.header) {
      this.header = this.connector.header;
      this.writer = new FrameWriter(this.header);
    }
    return this.writer;
  }
}

function asHeld(message: QueuedMessage): HeldMessage {
  const { lane, attempt, bytes, watcher } = message;
  const suspect = watcher instanceof SuspectWatcher;
  return {
    lane,
    attempt,
    bytes,
    watcher: (suspect ? watcher.original : watcher) as TrackedMessage | undefined,
    suspect,
    expires: Infinity,
  };
}

function isLost(error: unknown): boolean {
  return RsmError.is(error) && error.code === 'RSM_CONNECTION_LOST';
}

/** The instance a connection belongs to. */
export function instanceOf(connection: Connection): Instance {
  return connection.data as Instance;
}
