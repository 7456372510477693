import { describe, expect, it } from 'vitest'
import { nodeWarning, platformRefusal } from './platform.ts'

describe('a platform', () => {
  it.each(['win32', 'darwin', 'freebsd'] as const)('%s is refused, with the reason', (platform) => {
    expect(platformRefusal(platform)).toContain(`does not run on ${platform}`)
  })

  it('Linux is not', () => {
    expect(platformRefusal('linux')).toBeUndefined()
  })
})

describe('Node', () => {
  it.each(['18.20.0', '20.19.5', '20.20.1', '21.7.3', '22.22.1', '23.1.0', '24.14.0'])(
    '%s is warned about',
    (release) => {
      expect(nodeWarning(release)).toContain(`Node ${release} leaks`)
    },
  )

  it.each(['20.20.2', '20.21.0', '22.22.2', '24.14.1', '24.21.0', '25.0.0', '26.1.0'])(
    '%s is not',
    (release) => {
      expect(nodeWarning(release)).toBeUndefined()
    },
  )
})
