import { dirname, posix } from 'node:path'
import { readText, repositoryFiles } from '../kit/repository.ts'

/** One source file of a package, generated ones left out. */
export interface SourceFile {
  readonly path: string
  readonly package: string
  /** Path below `src/`. */
  readonly inner: string
  readonly text: string
  readonly isTest: boolean
}

export function sourceFiles(): readonly SourceFile[] {
  return repositoryFiles()
    .filter((path) => /^packages\/[^/]+\/src\/.*\.ts$/.test(path) && !path.includes('/src/proto/'))
    .map((path) => {
      const [, name = '', inner = ''] = /^packages\/([^/]+)\/src\/(.*)$/.exec(path) ?? []
      const isTest = /\.(test|contract)\.ts$/.test(path) || inner.includes('.test-kit')
      return { path, package: name, inner, text: readText(path), isTest }
    })
}

/** The text without comments and with string contents blanked, so that a rule sees code only. Lines stay lines. */
export function codeOf(text: string): string {
  return text
    .replaceAll(/\/\*[\s\S]*?\*\//g, (comment) => comment.replaceAll(/[^\n]/g, ' '))
    .replaceAll(/^([^'"`\n]*?)\/\/.*$/gm, '$1')
}

export interface Import {
  readonly from: SourceFile
  /** `sdk`, `runtime`, … */
  readonly package: string
  /** Path below `src/` of what is imported. */
  readonly inner: string
  readonly isTypeOnly: boolean
}

const pattern =
  /(?:^|\n)\s*(?:import|export)\s+(type\s+)?[^'"]*?from\s+'([^']+)'|import\('([^']+)'\)|\bimport\s+'([^']+)'/g

/** Imports of the project's own files, resolved. */
export function importsOf(file: SourceFile): readonly Import[] {
  const found: Import[] = []
  for (const match of codeOf(file.text).matchAll(pattern)) {
    const specifier = match[2] ?? match[3] ?? match[4] ?? ''
    const isTypeOnly = match[1] !== undefined
    const own = /^@mini-spire\/([^/]+)(?:\/(.*))?$/.exec(specifier)
    if (own) {
      found.push({
        from: file,
        package: own[1] ?? '',
        inner: ownInner(own[1] ?? '', own[2]),
        isTypeOnly,
      })
    } else if (specifier.startsWith('.')) {
      const inner = posix.normalize(posix.join(dirname(file.inner), specifier))
      found.push({ from: file, package: file.package, inner, isTypeOnly })
    }
  }
  return found
}

function ownInner(name: string, rest: string | undefined): string {
  if (rest === undefined) return 'index.ts'
  if (name === 'sdk') return sdkInner(rest)
  return `${rest}.ts`
}

/** What daemons share with the SDK beyond what it promises; the rest of `internal/` are wire types. */
const internals: Readonly<Record<string, string>> = {
  'internal/atomic-file': 'atomic-file.ts',
  'internal/sent-certificates': 'sent-certificates.ts',
  'internal/socket-path': 'socket-path.ts',
  'internal/clock': 'clock.ts',
  'internal/http': 'http/',
}

function sdkInner(rest: string): string {
  return (
    internals[rest] ??
    (rest.startsWith('internal/') ? rest.replace('internal', 'proto') : `${rest}/`)
  )
}
