/** Instructions that functions executed themselves, by name. */
export type Functions = ReadonlyMap<string, number>;

/** Reads a file that `valgrind --tool=callgrind` wrote: the total, and what each function executed itself. */
export function parseCallgrind(text: string): { readonly total: number; readonly functions: Functions } {
  const names = new Map<string, string>();
  const functions = new Map<string, number>();
  let total = 0;
  let current = '';
  let isCall = false;
  for (const line of text.split('\n')) {
    const named = /^fn=\((\d+)\)(?: (.*))?$/.exec(line);
    if (named) {
      if (named[2]) names.set(named[1]!, named[2]);
      current = names.get(named[1]!) ?? named[1]!;
    } else if (/^cfn=/.test(line)) {
      const [, id, name] = /^cfn=\((\d+)\)(?: (.*))?$/.exec(line) ?? [];
      if (id && name) names.set(id, name);
    } else if (line.startsWith('calls=')) {
      isCall = true; // the next line's cost is that of the called function
    } else if (/^(summary|totals): /.test(line)) {
      total = Number(line.split(' ')[1]);
    } else if (/^[+*\-\d]/.test(line)) {
      const cost = Number(line.split(' ')[1]);
      if (!isCall && Number.isFinite(cost)) functions.set(current, (functions.get(current) ?? 0) + cost);
      isCall = false;
    }
  }
  return { total, functions };
}

/** The functions whose cost grew most, with by how many instructions, most first. */
export function grown(base: Functions, branch: Functions, most: number): [name: string, instructions: number][] {
  return [...branch]
    .map(([name, cost]): [string, number] => [name, cost - (base.get(name) ?? 0)])
    .filter(([, difference]) => difference > 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, most);
}
