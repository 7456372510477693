import 'reflect-metadata'
import { derElement, derOid, derSequence, derTag } from '@mini-spire/sdk/x509'
import { Name } from '@peculiar/x509'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeName, parseName } from './name.ts'

const attribute = (oid: string, tag: number, text: string | Buffer): Buffer =>
  derElement(
    derTag.set,
    derSequence(derOid(oid), derElement(tag, typeof text === 'string' ? Buffer.from(text) : text)),
  )

describe('a distinguished name', () => {
  it('with text that is not what its type says is refused', () => {
    const notUtf8 = derSequence(attribute('2.5.4.3', derTag.utf8String, Buffer.of(0xc0, 0x80)))
    const notAscii = derSequence(attribute('2.5.4.3', derTag.printableString, Buffer.of(0xe4)))
    const oddBmp = derSequence(attribute('2.5.4.3', 0x1e, Buffer.of(0, 0x41, 0)))
    for (const raw of [notUtf8, notAscii, oddBmp])
      expect(() => parseName(raw)).toThrow('asn1: structure error: text in a name')
  })

  it('is written in the order of Go, PrintableString where it can be', () => {
    const raw = encodeName({
      serialNumber: '42',
      commonName: '*.example.org',
      organizationalUnit: ['Ü'],
      organization: ['SPIRE'],
      country: ['US'],
    })
    expect(new Name(raw).toString()).toBe('C=US, O=SPIRE, OU=Ü, CN=*.example.org, 2.5.4.5=42')
    expect(raw.toString('hex')).toContain(Buffer.from('\x13\x05SPIRE').toString('hex'))
    expect(raw.toString('hex')).toContain(Buffer.from('\x0c\x0d*.example.org').toString('hex'))
  })

  it('has other attributes last, in place of fields with the same OID, as Go has them', () => {
    const raw = encodeName({
      commonName: 'replaced',
      organization: ['SPIRE'],
      extraNames: [
        { oid: '2.5.4.45', value: 'id' },
        { oid: '2.5.4.3', value: 'name' },
      ],
    })
    expect(new Name(raw).toString()).toBe('O=SPIRE, 2.5.4.45=id, CN=name')
    expect(parseName(raw).name).toEqual({ organization: ['SPIRE'], commonName: 'name' })
  })

  it('has several values of a type in one set, sorted as DER asks', () => {
    const raw = encodeName({ organization: ['bb', 'a'] })
    expect(raw.subarray(0, 4)).toEqual(Buffer.of(0x30, raw.length - 2, 0x31, raw.length - 4))
    expect(raw.indexOf('\x13\x01a')).toBeLessThan(raw.indexOf('\x13\x02bb'))
  })

  it('keeps the standard attributes only, of single ones the last', () => {
    const raw = derSequence(
      attribute('2.5.4.3', derTag.utf8String, 'first'),
      attribute('0.9.2342.19200300.100.1.25', derTag.ia5String, 'dropped'),
      attribute('2.5.4.3', 0x14, 'second'),
      attribute('2.5.4.10', 0x1e, Buffer.from([0, 0x41, 0x04, 0x14])),
    )
    expect(parseName(raw)).toEqual({
      name: { commonName: 'second', organization: ['AД'] },
      isEmpty: false,
    })
  })

  it('of foreign attributes only is not empty, but leaves nothing', () => {
    const raw = derSequence(attribute('0.9.2342.19200300.100.1.25', derTag.ia5String, 'x'))
    expect(parseName(raw)).toEqual({ name: {}, isEmpty: false })
  })

  it('reads back as it was written', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 70 })
    const list = fc.uniqueArray(text, { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(
        fc.record({ country: list, locality: list, commonName: text }, { requiredKeys: [] }),
        (name) => {
          const read = parseName(encodeName(name)).name
          expect(read.commonName).toBe(name.commonName)
          expect([...(read.country ?? [])].sort()).toEqual([...(name.country ?? [])].sort())
          expect([...(read.locality ?? [])].sort()).toEqual([...(name.locality ?? [])].sort())
        },
      ),
    )
  })
})
