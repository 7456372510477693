export {
  type AtomicWriteOptions,
  syncDirectory,
  writeFileAtomically,
} from '@mini-spire/sdk/internal/atomic-file'
