import {
  type IdentityDocument,
  verifyIdentityDocument,
} from '@mini-spire/server/plugins/node-attestor/aws-iid/identity-document'
import { RegionCertificates } from '@mini-spire/server/plugins/node-attestor/aws-iid/region-certificates'
import { describe, expect, it } from 'vitest'
import { publishedDocuments } from './published-documents.ts'

const certificates = RegionCertificates.published()
const verify = (evidence: object): Promise<IdentityDocument> =>
  verifyIdentityDocument(Buffer.from(JSON.stringify(evidence)), certificates)
const [both, other] = publishedDocuments

describe.each(publishedDocuments)('$title, from $source', ({ evidence, expected }) => {
  it('verifies by the certificate that AWS publishes for its region', async () => {
    expect(await verify(evidence)).toEqual(expected)
  })

  it('is refused with every fourth character of the document changed', async () => {
    const { document } = evidence
    for (let index = 0; index < document.length; index += 4) {
      const changed = `${document.slice(0, index)}${document[index] === '0' ? '1' : '0'}${document.slice(index + 1)}`
      await expect(verify({ ...evidence, document: changed })).rejects.toThrow()
    }
  })

  it('is refused as one of another region', async () => {
    const document = evidence.document.replace(`"${expected.region}"`, '"eu-west-1"')
    await expect(verify({ ...evidence, document })).rejects.toThrow('somebody else signed it')
  })
})

describe('a bare signature by RSA-1024', () => {
  it('verifies by the certificate that AWS publishes for its region', async () => {
    expect(await verify({ ...both.evidence, rsa2048: '' })).toEqual(both.expected)
  })

  it('is not looked at where there is a PKCS #7', async () => {
    expect(await verify({ ...both.evidence, signature: 'rubbish' })).toEqual(both.expected)
    await expect(verify({ ...both.evidence, rsa2048: other.evidence.rsa2048 })).rejects.toThrow()
  })
})
