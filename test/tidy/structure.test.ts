import { describe, expect, it } from 'vitest'
import { readText } from '../kit/repository.ts'
import { mayImport, rankOf } from './ranks.ts'
import { codeOf, type Import, importsOf, type SourceFile, sourceFiles } from './source-files.ts'

const files = sourceFiles()
const production = files.filter((file) => !file.isTest)

describe('the tree', () => {
  it('has a rank for every place (test/tidy/ranks.ts)', () => {
    const unknown = production.filter((file) => !rankOf(file.package, file.inner))
    expect(unknown.map((file) => file.path)).toEqual([])
  })

  it('ARCHITECTURE.md names every folder', () => {
    const text = readText('ARCHITECTURE.md')
    const folders = new Set(
      files
        .map((file) => file.inner.split('/'))
        .flatMap(([first, ...rest]) => (rest.length > 0 ? [first] : [])),
    )
    expect([...folders].filter((folder) => !text.includes(`${folder}/`))).toEqual([])
  })

  it('imports point the way data flows: lower ranks or the own folder only', () => {
    const backwards = production.flatMap(importsOf).filter(isBackwards)
    expect(backwards.map(describeImport)).toEqual([])
  })

  it('only wire-facing files import generated types', () => {
    const reach = production.flatMap(importsOf).filter((found) => found.inner.startsWith('proto/'))
    expect(reach.filter((found) => !isWireFacing(found.from)).map(describeImport)).toEqual([])
  })

  it('@peculiar/x509 is imported by runtime/x509 and sdk/testing only', () => {
    const importers = production.filter((file) => /'@peculiar\/x509'/.test(codeOf(file.text)))
    const foreign = importers.filter(
      (file) => !/^packages\/(runtime\/src\/x509|sdk\/src\/testing)\//.test(file.path),
    )
    expect(foreign.map((file) => file.path)).toEqual([])
  })
})

describe('file sizes', () => {
  it('no file has more than 400 lines of code', () => {
    const long = production
      .map((file) => ({ path: file.path, lines: linesOfCode(file.text) }))
      .filter(({ lines }) => lines > 400)
    expect(long).toEqual([])
  })
})

function isBackwards(found: Import): boolean {
  const { from } = found
  if (!mayImport[from.package]?.includes(found.package)) return true
  if (found.package !== from.package) return false
  const [mine, theirs] = [rankOf(from.package, from.inner), rankOf(found.package, found.inner)]
  if (!mine || !theirs) return false
  return mine.place !== theirs.place && theirs.rank >= mine.rank
}

function isWireFacing(file: SourceFile): boolean {
  return (
    /(^|\/)(convert|service|client)(-[a-z0-9-]+)?\.ts$/.test(file.inner) ||
    /(^|\/)[a-z0-9-]+-(convert|service|client)\.ts$/.test(file.inner) ||
    /^(grpc|cli)\//.test(file.inner) ||
    /^(transport|server-api|testing)\//.test(file.inner)
  )
}

function describeImport(found: Import): string {
  return `${found.from.path} -> ${found.package}/${found.inner}`
}

function linesOfCode(text: string): number {
  return codeOf(text)
    .split('\n')
    .filter((line) => line.trim() !== '').length
}
