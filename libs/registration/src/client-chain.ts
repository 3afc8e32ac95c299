import { equalBytes, isAppError } from '@app/core'
import { OID } from '@app/oid'
import {
  decodeBasicConstraints,
  decodeExtendedKeyUsage,
  decodeKeyUsage,
  findExtension,
  verifyCertificateSignature,
  type Certificate
} from '@app/x509'
import { refused } from './registration-rules.js'

/** Certificates between a client's and a root, at most. */
const MAX_DEPTH = 8

/** The critical extensions that are looked at here, or that say nothing of who may be believed. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID.id_ce_basicConstraints,
  OID.id_ce_keyUsage,
  OID.id_ce_extKeyUsage,
  OID.id_ce_subjectAltName
])

/**
 * The path from a client's certificate to an authority that is trusted, both included (RFC 5280, 6.1): signatures, names,
 * validity, CA rights and path lengths; nothing critical that is not understood; usable for client authentication. An
 * authority is trusted as it is, whoever signed it. Throws `registration_refused` with the reason.
 */
export function findClientChain(
  client: Certificate,
  intermediates: readonly Certificate[],
  trusted: readonly Certificate[],
  now: Date
): readonly Certificate[] {
  requireUsable(client, now)
  const usage = findExtension(client, OID.id_ce_extKeyUsage)
  if (usage !== undefined && !decodeExtendedKeyUsage(usage.value).includes(OID.id_kp_clientAuth)) {
    throw refused('The certificate is not for client authentication.')
  }
  const chain = extend([client], { intermediates, trusted, now })
  if (chain === undefined) throw refused('The certificate does not chain to a CA that this site trusts.')
  return chain
}

interface Material {
  readonly intermediates: readonly Certificate[]
  readonly trusted: readonly Certificate[]
  readonly now: Date
}

function extend(path: readonly Certificate[], material: Material): readonly Certificate[] | undefined {
  const last = path.at(-1)
  if (last === undefined || path.length > MAX_DEPTH) return undefined
  const issuers = (candidates: readonly Certificate[]): readonly Certificate[] =>
    candidates.filter(candidate => isIssuer(candidate, last, path.length - 1, material.now))
  const [anchor] = issuers(material.trusted)
  if (anchor !== undefined) return [...path, anchor]
  for (const issuer of issuers(material.intermediates)) {
    if (path.some(certificate => equalBytes(certificate.raw, issuer.raw))) continue
    const found = extend([...path, issuer], material)
    if (found !== undefined) return found
  }
  return undefined
}

/** Whether a certificate may and did issue another, with so many CAs below it. */
function isIssuer(candidate: Certificate, issued: Certificate, below: number, now: Date): boolean {
  if (!equalBytes(candidate.subject.raw, issued.issuer.raw)) return false
  try {
    requireUsable(candidate, now)
    const constraints = findExtension(candidate, OID.id_ce_basicConstraints)
    const usage = findExtension(candidate, OID.id_ce_keyUsage)
    if (constraints === undefined) return false
    const { isCa, pathLength } = decodeBasicConstraints(constraints.value)
    if (!isCa || (pathLength !== undefined && below > pathLength)) return false
    if (usage !== undefined && !decodeKeyUsage(usage.value).has('keyCertSign')) return false
    verifyCertificateSignature(issued, candidate.publicKey)
    return true
  } catch (error) {
    if (isAppError(error)) return false
    throw error
  }
}

function requireUsable(certificate: Certificate, now: Date): void {
  const { notBefore, notAfter, extensions } = certificate
  if (now < notBefore || now > notAfter) throw refused('The certificate is outside of its validity.')
  const unknown = extensions.find(({ critical, oid }) => critical && !UNDERSTOOD.has(oid))
  if (unknown !== undefined)
    throw refused(`The certificate has a critical extension that is not known (${unknown.oid}).`)
}
