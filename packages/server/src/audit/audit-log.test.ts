import { type LogFields, type Logger, silentLogger } from '@mini-spire/runtime/log/logger'
import { describe, expect, it } from 'vitest'
import { GatheredAudit, noAudit } from './audit-event.ts'
import { writeAudit } from './audit-log.ts'

function recorder(): { readonly log: Logger; readonly lines: [string, LogFields | undefined][] } {
  const lines: [string, LogFields | undefined][] = []
  const log: Logger = { ...silentLogger, info: (message, fields) => lines.push([message, fields]) }
  return { log, lines }
}

describe('writeAudit', () => {
  it('writes one line for a call without items', () => {
    const { log, lines } = recorder()
    const audit = new GatheredAudit()
    audit.addFields({ ttl: 5 })
    audit.addFields({ spiffe_id: 'spiffe://a/b' })
    writeAudit(log, audit, { code: 0, message: '' })
    const fields = { type: 'audit', status: 'success', ttl: 5, spiffe_id: 'spiffe://a/b' }
    expect(lines).toEqual([['API accessed', fields]])
  })

  it('writes one line per item of a batch, each with its own status', () => {
    const { log, lines } = recorder()
    const audit = new GatheredAudit()
    audit.addItem({ status: { code: 0, message: 'OK' }, fields: { registration_id: 'a' } })
    audit.addItem({
      status: { code: 5, message: 'entry not found' },
      fields: { registration_id: 'b' },
    })
    writeAudit(log, audit, { code: 0, message: '' })
    expect(lines.map(([, fields]) => fields)).toEqual([
      { type: 'audit', status: 'success', registration_id: 'a' },
      {
        type: 'audit',
        status: 'error',
        status_code: 'NotFound',
        status_message: 'entry not found',
        registration_id: 'b',
      },
    ])
  })

  it('writes exactly one line with the error of a failed call, whatever its items', () => {
    const { log, lines } = recorder()
    const audit = new GatheredAudit()
    audit.addItem({ status: { code: 0, message: 'OK' }, fields: {} })
    writeAudit(log, audit, { code: 3, message: 'missing parameters' })
    expect(lines).toEqual([
      [
        'API accessed',
        {
          type: 'audit',
          status: 'error',
          status_code: 'InvalidArgument',
          status_message: 'missing parameters',
        },
      ],
    ])
  })
})

describe('noAudit', () => {
  it('takes everything and keeps nothing', () => {
    noAudit.addFields({ a: 1 })
    noAudit.addItem({ status: { code: 0, message: '' }, fields: {} })
    expect(noAudit.isEnabled).toBe(false)
  })
})
