import type { RegistrationEntry } from '../model/registration-entry.ts'

/** What the one who registers decides about an entry; the server adds the rest. */
export type EntryFields = Omit<RegistrationEntry, 'id' | 'revisionNumber' | 'createdAtSeconds'>

/** An entry to create. */
export interface NewEntry extends EntryFields {
  /** Empty: one is made. */
  readonly id: string
}

/** A change of an entry: the fields that are there are replaced, the others stay. */
export interface EntryPatch {
  readonly id: string
  readonly fields: Partial<EntryFields>
}
