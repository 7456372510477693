export type { RegistrationEntry } from './model/registration-entry.ts'
