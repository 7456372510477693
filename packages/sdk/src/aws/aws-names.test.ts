import { describe, expect, it } from 'vitest'
import { SpiffeId } from '../spiffe-id/index.ts'
import { awsEndpoint, sessionName } from './aws-names.ts'

describe('the name of a session', () => {
  it.each([
    ['spiffe://example.org/ns/web/sa/db', 'ns-web-sa-db'],
    ['spiffe://example.org/a', 'spiffe'],
    ['spiffe://example.org', 'spiffe'],
    [`spiffe://example.org/${'a'.repeat(80)}/end`, `${'a'.repeat(60)}-end`],
  ])('of %s is %s', (id, name) => {
    expect(sessionName(undefined, SpiffeId.parse(id))).toBe(name)
  })
})

describe('the address of a service', () => {
  it.each([
    ['eu-central-1', 'https://sts.eu-central-1.amazonaws.com/'],
    ['us-gov-west-1', 'https://sts.us-gov-west-1.amazonaws.com/'],
    ['cn-north-1', 'https://sts.cn-north-1.amazonaws.com.cn/'],
  ])('in %s is %s', (region, url) => {
    expect(awsEndpoint('sts', { region }).href).toBe(url)
  })
})
