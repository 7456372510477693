import { describe, expect, it } from 'vitest'
import { IpNetworks } from './ip-networks.ts'

describe('networks', () => {
  const linkLocal = new IpNetworks(['169.254.0.0/16', 'fe80::/10'])

  it.each([
    '169.254.169.254',
    'fe80::1',
    'fe80::1%eth0',
    '::169.254.169.254',
    '::a9fe:a9fe',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '::ffff:0:169.254.169.254',
    '64:ff9b::169.254.169.254',
    '64:FF9B::A9FE:A9FE',
    '64:ff9b:1:a9fe:a9:fe00::',
    '64:ff9b:1:12a9:fe:a9fe::',
    '64:ff9b:1:1234:a9:fea9:fe00:0',
    '64:ff9b:1:1234:a9:fea9:fe00:7',
    '64:ff9b:1::169.254.169.254',
    '64:ff9b:1:1234:5678:9abc:169.254.169.254',
    '2002:a9fe:a9fe::1',
    '2001:0:102:304:0:ffff:5601:5601',
  ])('are reached by %s', (address) => {
    expect(linkLocal.mayBeReachedBy(address)).toBe(true)
  })

  it.each([
    '169.255.0.1',
    '8.8.8.8',
    '::ffff:8.8.8.8',
    '64:ff9b::8.8.8.8',
    '64:ff9b:1::8.8.8.8',
    '64:ff9b:2::169.254.169.254',
    '2002:808:808::a9fe:a9fe',
    '2001:4860:4860::a9fe:a9fe',
    'localhost',
    '',
  ])('are not reached by %j', (address) => {
    expect(linkLocal.mayBeReachedBy(address)).toBe(false)
  })

  it('nothing is taken for the zeros of an address that stands for another', () => {
    const nowhere = new IpNetworks(['0.0.0.0/8'])
    expect(nowhere.mayBeReachedBy('64:ff9b:1::8.8.8.8')).toBe(false)
    expect(nowhere.mayBeReachedBy('0.0.0.1')).toBe(true)
  })

  it('include only what is in them by its own number', () => {
    expect(linkLocal.include('64:ff9b::169.254.169.254')).toBe(false)
    expect(linkLocal.include('169.254.169.254')).toBe(true)
  })
})
