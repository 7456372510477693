import { encodeName } from '@mini-spire/runtime/x509/name'
import { describe, expect, it } from 'vitest'
import { subjectText } from './subject-text.ts'

describe('a subject', () => {
  it('is printed last part first, as Go prints it', () => {
    const raw = encodeName({ country: ['US'], organization: ['SPIFFE'], serialNumber: '42' })
    expect(subjectText(raw)).toBe('SERIALNUMBER=42,O=SPIFFE,C=US')
    expect(subjectText(encodeName({}))).toBe('')
  })

  it('joins values of one attribute and escapes what would be read as something else', () => {
    const raw = encodeName({ organization: ['a,b'], commonName: ' #x" ' })
    expect(subjectText(raw)).toBe('CN=\\ #x\\"\\ ,O=a\\,b')
    expect(subjectText(encodeName({ organizationalUnit: ['b', 'a'] }))).toBe('OU=a+OU=b')
  })
})
