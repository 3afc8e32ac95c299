import { decodePrivateKey } from '@app/client'
import { inspectRequest, type InspectionOptions, type OpenedArchivedKey } from '@app/cmc'
import { isAppError } from '@app/core'
import { decodeDerPemOrBase64 } from '@app/der'
import { openArchivedKey, openSealedKey, type OpenedKey } from '@app/escrow'
import { decrypterOf, type Decrypter } from '@app/keys'
import type { PublicKeyInfo } from '@app/x509'
import { printFacts, type Facts, type OutputFormat } from '../output.js'
import { readBytes, readSecret } from './connection.js'

/** What `request inspect` takes. */
export interface InspectCommand {
  readonly exchangeKey?: string
  readonly passphraseFile?: string
  readonly output: OutputFormat
}

/** `request inspect` */
export async function inspectMessage(file: string, options: InspectCommand): Promise<void> {
  const bytes = decodeDerPemOrBase64(await readBytes(file))
  const inspection = await inspectRequest(bytes, await openingOf(options))
  await printFacts(inspection as unknown as Facts, options.output)
}

async function openingOf({ exchangeKey, passphraseFile }: InspectCommand): Promise<InspectionOptions> {
  if (exchangeKey === undefined) return {}
  const passphrase = passphraseFile === undefined ? undefined : await readSecret(passphraseFile)
  const decrypter = decrypterOf(decodePrivateKey(await readBytes(exchangeKey), passphrase))
  return { openArchivedKey: (envelope, requestKey) => openForInspection(envelope, requestKey, decrypter) }
}

/** The smallest modulus that is read at all: an inspection judges no sizes. */
const SMALLEST = 512

async function openForInspection(
  envelope: Uint8Array,
  requestedPublicKey: PublicKeyInfo,
  decrypter: Decrypter
): Promise<OpenedArchivedKey> {
  try {
    const use = (key: OpenedKey): OpenedArchivedKey => describe(key, true)
    return await openArchivedKey({ envelope, requestedPublicKey, decrypter, minimumRsaBits: SMALLEST, use })
  } catch (error) {
    if (!isAppError(error, 'archived_key_mismatch')) throw error
    // Here is nobody to hide the cause from: open it for what it is, or say that it does not open.
    return openSealedKey({ sealed: envelope, decrypter, use: key => describe(key, false) })
  }
}

function describe({ format, algorithm, bits }: OpenedKey, matchesRequest: boolean): OpenedArchivedKey {
  return { format, algorithm, bits, matchesRequest }
}
