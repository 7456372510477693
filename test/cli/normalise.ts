/** A text that differs between two runs of the same command, and the word that takes its place. */
interface Pattern {
  readonly expression: RegExp
  readonly replace: (found: string, ...groups: readonly string[]) => string
}

const dayMs = 86_400_000

/** Times near now come from the run; others stand in the command or in the fixed data and must come out right. */
function isNear(timeMs: number, nowMs: number | undefined): boolean {
  return nowMs !== undefined && Math.abs(timeMs - nowMs) < 400 * dayMs
}

function patterns(nowMs: number | undefined): readonly Pattern[] {
  const always = (expression: RegExp, word: string): Pattern => ({
    expression,
    replace: () => word,
  })
  const near = (expression: RegExp, word: string, msOf: (text: string) => number): Pattern => ({
    expression,
    replace: (found) => (isNear(msOf(found), nowMs) ? word : found),
  })
  return [
    {
      expression: /(-----BEGIN [A-Z ]+-----\n)[^-]*(\n-----END)/g,
      replace: (_, begin = '', end = '') => `${begin}<pem>${end}`,
    },
    always(/\bey[\w-]{8,}\.[\w-]+\.[\w-]+/g, '<jwt>'),
    always(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uuid>'),
    always(/[A-Za-z0-9+/]{60,}={0,2}/g, '<base64>'),
    always(/\b[0-9]{25,50}\b/g, '<serial>'),
    always(/\b[0-9a-f]{40}\b/g, '<key identifier>'),
    always(/(?<![\w-])[\w-]{43}(?![\w-])/g, '<coordinate>'),
    always(/\b[A-Za-z0-9]{32}\b/g, '<key id>'),
    near(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)/g, '<time>', Date.parse),
    near(/\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, '<time>', (text) => Date.parse(`${text}Z`)),
    near(/\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT/g, '<time>', Date.parse),
    near(/\b\d{10}\b/g, '<seconds>', (text) => Number(text) * 1000),
    {
      expression: /(svids? after |Uptime: +)[\dµ.hms]+/g,
      replace: (_, before = '') => `${before}<duration>`,
    },
    always(/"uptime":\d+/g, '"uptime":<seconds>'),
    always(/\b1\.15\.3(?:\+mini-spire\.[\d.]*\d)?/g, '<version>'),
  ]
}

/** What stands for the same thing in two runs: the folder of the scene, its ports. */
export type Names = Readonly<Record<string, string>>

/**
 * Replaces what differs from run to run (IDs, times near now, keys, signatures, the names given) by words, and nothing
 * else: a transcript must fail for everything that a script could read.
 *
 * @param nowMs the time of the run; without one no time is replaced
 */
export function normalise(text: string, names: Names, nowMs?: number): string {
  let result = text
  for (const [name, value] of Object.entries(names)) result = result.replaceAll(value, `<${name}>`)
  for (const { expression, replace } of patterns(nowMs)) {
    result = result.replace(expression, (found: string, ...groups: readonly string[]) =>
      replace(found, ...groups),
    )
  }
  return result
}
