import { RsmError } from '@nestjs-rsm/segments';

const SEPARATOR = '.';
const ONE = '*';
const REST = '>';

/** One token of the registered patterns. `here`: index of the pattern that ends with it; `rest`: of the one that goes on with `>`. */
interface Node {
  readonly tokens: Map<string, Node>;
  one: Node | undefined;
  here: number;
  rest: number;
}

/** Finds the registered patterns that a message's pattern meets. Nothing of the messages is kept. */
export interface PatternMatcher {
  /**
   * The registered patterns that `pattern` meets: the equal one first, then all with wildcards in the order of their registration. Work is bounded by the number
   * of registered tokens, however long the pattern is.
   */
  match(pattern: string): string[];
}

/** Whether a pattern has wildcard tokens. Object patterns (their text begins with `{`) never have. */
export function hasWildcards(pattern: string): boolean {
  return !pattern.startsWith('{') && pattern.split(SEPARATOR).some((token) => token === ONE || token === REST);
}

/**
 * Compiles patterns whose tokens are parted by dots: `*` meets any one token, `>` as the last token meets one or more. Throws RSM_INVALID_OPTIONS for `#` and for a
 * `>` that others follow. A pattern given twice counts once.
 */
export function compile(patterns: Iterable<string>): PatternMatcher {
  return new Matcher(patterns);
}

class Matcher implements PatternMatcher {
  private readonly exact = new Set<string>();
  private readonly wild: string[] = [];
  private readonly root = newNode();
  private depth = 0;

  constructor(patterns: Iterable<string>) {
    for (const pattern of patterns) {
      checkPattern(pattern);
      if (!hasWildcards(pattern)) {
        this.exact.add(pattern);
      } else if (!this.wild.includes(pattern)) {
        this.insert(pattern);
      }
    }
  }

  match(pattern: string): string[] {
    const found = this.exact.has(pattern) ? [pattern] : [];
    // No more tokens than the tree is deep, and one to know that there are more.
    const tokens = this.wild.length === 0 ? [] : pattern.split(SEPARATOR, this.depth + 1);
    const indexes: number[] = [];
    if (tokens.length > 0) {
      collect(this.root, tokens, 0, indexes);
    }
    for (const index of indexes.sort((a, b) => a - b)) {
      found.push(this.wild[index]!);
    }
    return found;
  }

  private insert(pattern: string): void {
    const tokens = pattern.split(SEPARATOR);
    const index = this.wild.push(pattern) - 1;
    this.depth = Math.max(this.depth, tokens.length);
    let node = this.root;
    for (const token of tokens) {
      if (token === REST) {
        node.rest = index;
        return;
      }
      node = descend(node, token);
    }
    node.here = index;
  }
}

function newNode(): Node {
  return { tokens: new Map(), one: undefined, here: -1, rest: -1 };
}

function descend(node: Node, token: string): Node {
  if (token === ONE) {
    return (node.one ??= newNode());
  }
  let next = node.tokens.get(token);
  if (next === undefined) {
    next = newNode();
    node.tokens.set(token, next);
  }
  return next;
}

function collect(node: Node, tokens: string[], position: number, indexes: number[]): void {
  if (position === tokens.length) {
    if (node.here >= 0) {
      indexes.push(node.here);
    }
    return;
  }
  if (node.rest >= 0) {
    indexes.push(node.rest);
  }
  const next = node.tokens.get(tokens[position]!);
  if (next !== undefined) {
    collect(next, tokens, position + 1, indexes);
  }
  if (node.one !== undefined) {
    collect(node.one, tokens, position + 1, indexes);
  }
}

function checkPattern(pattern: string): void {
  if (pattern.startsWith('{')) {
    return;
  }
  const tokens = pattern.split(SEPARATOR);
  if (tokens.includes('#')) {
    const meant = tokens.map((token) => (token === '#' ? REST : token)).join(SEPARATOR);
    throw new RsmError(
      'RSM_INVALID_OPTIONS',
      `Pattern '${pattern}': '#' is no wildcard here; write '>' for the rest of the tokens ('${meant}').`,
    );
  }
  const rest = tokens.indexOf(REST);
  if (rest >= 0 && rest < tokens.length - 1) {
    throw new RsmError('RSM_INVALID_OPTIONS', `Pattern '${pattern}': '>' is allowed as the last token only; write '*' for one token.`);
  }
}
