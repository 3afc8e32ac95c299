import { isAppError } from '@app/core'
import { OID } from '@app/oid'
import { findCertificationPath, type Certificate } from '@app/x509'
import { refused } from './registration-rules.js'

/**
 * The path from a client's certificate to an authority that is trusted, both included (RFC 5280, 6.1; see
 * `findCertificationPath`); usable for client authentication. An authority is trusted as it is, whoever signed it. Throws
 * `registration_refused` with the reason.
 */
export function findClientChain(
  client: Certificate,
  intermediates: readonly Certificate[],
  trusted: readonly Certificate[],
  at: Date
): readonly Certificate[] {
  try {
    return findCertificationPath(client, { intermediates, trusted, at, purpose: OID.id_kp_clientAuth })
  } catch (error) {
    if (!isAppError(error, 'chain_invalid')) throw error
    throw refused(`The certificate does not chain to a CA that this site trusts: ${error.message}`)
  }
}
