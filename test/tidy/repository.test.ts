import { describe, expect, it } from 'vitest'
import { complete } from '../../scripts/complete-lock.mjs'
import { readText, repositoryFiles } from '../kit/repository.ts'

describe('the repository', () => {
  it('has a lock file that names every optional package and no host', () => {
    const text = readText('package-lock.json')
    expect(text).not.toMatch(/"resolved": "https?:/)
    const lock = JSON.parse(text)
    expect(Object.keys(complete(lock).packages)).toEqual(Object.keys(lock.packages).sort(byText))
  })

  it('names no folder of the machine it was written on', () => {
    const machine = /(^|[\s"'`(=])\/(root|home\/[a-z]+|work)\/[\w.]/m
    const found = repositoryFiles()
      .filter(
        (file) =>
          /\.(ts|mjs|js|json|md|yaml|yml|sh|conf|hcl|go|py)$/.test(file) || file === '.ci/run',
      )
      .filter((file) => machine.test(readText(file)))
    expect(found).toEqual([])
  })
})

function byText(a: string, b: string): number {
  return a < b ? -1 : 1
}
