import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Evidence that AWS signed for an instance of somebody else, who published it. */
export interface PublishedDocument {
  readonly title: string
  readonly source: string
  readonly evidence: {
    readonly document: string
    /** Empty: it was not published. */
    readonly signature: string
    readonly rsa2048: string
  }
  readonly expected: {
    readonly accountId: string
    readonly region: string
    readonly availabilityZone: string
    readonly instanceId: string
    readonly imageId: string
  }
}

const file = join(import.meta.dirname, 'documents.json')

/** The first has both signatures. */
export const publishedDocuments: readonly [
  PublishedDocument,
  PublishedDocument,
  ...PublishedDocument[],
] = JSON.parse(readFileSync(file, 'utf8')).documents
