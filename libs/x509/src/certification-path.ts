import { AppError, equalBytes, isAppError } from '@app/core'
import { OID } from '@app/oid'
import { verifyCertificateSignature, type Certificate } from './certificate.js'
import { findExtension } from './extension.js'
import { decodeAuthorityKeyIdentifier, decodeSubjectKeyIdentifier } from './identifier-extension.js'
import { decodeNameConstraints, MAX_NAME_COMPARISONS, verifyNamesWithin } from './name-constraints.js'
import { decodeBasicConstraints, decodeExtendedKeyUsage, decodeKeyUsage } from './usage-extension.js'

/** Certificates between the first one and the trusted one, at most. */
const MAX_INTERMEDIATES = 8

/** Signatures that are verified in the search of one path, at most: whoever sends certificates pays for no more. */
const MAX_SIGNATURES = 64

/** The smallest RSA key that anybody is believed by (NIST SP 800-131A). */
const MIN_RSA_BITS = 2048

/** Critical extensions that are looked at here, or that say nothing of who may be believed. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID.id_ce_basicConstraints,
  OID.id_ce_keyUsage,
  OID.id_ce_extKeyUsage,
  OID.id_ce_subjectAltName,
  OID.id_ce_nameConstraints,
  // No policy is asked for, so that whichever there are will do; what demands or maps policies is not understood.
  OID.id_ce_certificatePolicies,
  OID.szOID_APPLICATION_CERT_POLICIES
])

/** What a path is looked for with. */
export interface PathMaterial {
  /** What may lie between, in any order. */
  readonly intermediates: readonly Certificate[]
  /** Whom to believe, whoever signed them. */
  readonly trusted: readonly Certificate[]
  readonly at: Date
  /** An extended key usage that the certificate must have when it has any. */
  readonly purpose?: string
  /** Signatures with SHA-1 and RSA keys below 2048 bits are none unless this is true. */
  readonly allowLegacy?: boolean
}

interface Search extends PathMaterial {
  signatures: number
  comparisons: number
  /** Why the last candidate was none, for the complaint. */
  why: string
}

/**
 * The path from a certificate to one that is trusted, both included (RFC 5280, 6.1): signatures, names compared by their
 * bytes, validity and size of keys, CA rights, path lengths, name constraints; nothing critical that is not understood. A trusted
 * certificate itself is a path of one. No revocation. Throws `chain_invalid` with the reason, also for what would cost
 * more than a path should: 8 certificates between, 64 signatures, 50,000 comparisons of names.
 */
export function findCertificationPath(certificate: Certificate, material: PathMaterial): readonly Certificate[] {
  const search: Search = { ...material, signatures: 0, comparisons: 0, why: 'nobody who is trusted issued it' }
  try {
    requireUsable(certificate, search)
    requirePurpose(certificate, search.purpose)
    if (search.trusted.some(({ raw }) => equalBytes(raw, certificate.raw))) return [certificate]
    requireNoConstraints(certificate)
  } catch (error) {
    throw refusalOf(error)
  }
  const path = extend([certificate], search)
  if (path === undefined) throw invalid(search.why)
  return path
}

/** Of several issuers the one that the key identifier names is tried first. */
function extend(path: readonly Certificate[], search: Search): readonly Certificate[] | undefined {
  const last = path.at(-1) as Certificate
  const anchor = issuersOf(last, search.trusted).find(candidate => mayHaveIssued(candidate, path, search))
  if (anchor !== undefined) return [...path, anchor]
  if (path.length > MAX_INTERMEDIATES) {
    search.why = `more than ${MAX_INTERMEDIATES} certificates lie between`
    return undefined
  }
  for (const issuer of issuersOf(last, search.intermediates)) {
    if (path.some(known => isSameHolder(known, issuer)) || !mayHaveIssued(issuer, path, search)) continue
    const found = extend([...path, issuer], search)
    if (found !== undefined) return found
  }
  return undefined
}

function issuersOf(issued: Certificate, candidates: readonly Certificate[]): readonly Certificate[] {
  const named = candidates.filter(({ subject }) => equalBytes(subject.raw, issued.issuer.raw))
  if (named.length < 2) return named
  const keyId = keyIdOf(issued, OID.id_ce_authorityKeyIdentifier)
  const fits = (candidate: Certificate): boolean => {
    const own = keyIdOf(candidate, OID.id_ce_subjectKeyIdentifier)
    return keyId !== undefined && own !== undefined && equalBytes(keyId, own)
  }
  return [...named.filter(fits), ...named.filter(candidate => !fits(candidate))]
}

/** A hint only: what cannot be read is none. */
function keyIdOf(certificate: Certificate, oid: string): Uint8Array | undefined {
  const extension = findExtension(certificate, oid)
  if (extension === undefined) return undefined
  try {
    return oid === OID.id_ce_subjectKeyIdentifier
      ? decodeSubjectKeyIdentifier(extension.value)
      : decodeAuthorityKeyIdentifier(extension.value).keyId
  } catch (error) {
    if (!isAppError(error)) throw error
    return undefined
  }
}

/** One holder of one key counts once, or certificates that sign each other would make paths without end. */
function isSameHolder(one: Certificate, other: Certificate): boolean {
  return equalBytes(one.subject.raw, other.subject.raw) && equalBytes(one.publicKey.raw, other.publicKey.raw)
}

/** Whether a CA may have issued, and has, the last certificate of a path; `search.why` tells why not. */
function mayHaveIssued(candidate: Certificate, path: readonly Certificate[], search: Search): boolean {
  try {
    requireUsable(candidate, search)
    requireCaRights(candidate, path)
    requireNames(candidate, path, search)
    if (++search.signatures > MAX_SIGNATURES) throw invalid(`more than ${MAX_SIGNATURES} signatures were tried`)
    const { allowLegacy = false } = search
    verifyCertificateSignature(path.at(-1) as Certificate, candidate.publicKey, { allowSha1: allowLegacy })
    return true
  } catch (error) {
    const refusal = refusalOf(error)
    search.why = refusal.message.replace(/\.$/, '')
    return false
  }
}

function requireUsable({ notBefore, notAfter, extensions, publicKey }: Certificate, search: Search): void {
  const { at, allowLegacy = false } = search
  if (publicKey.algorithm === 'rsa' && publicKey.bits < MIN_RSA_BITS && !allowLegacy) {
    throw invalid(`an RSA key in it has less than ${MIN_RSA_BITS} bits`)
  }
  if (at < notBefore || at > notAfter) throw invalid('a certificate is outside of its validity')
  const unknown = extensions.find(({ critical, oid }) => critical && !UNDERSTOOD.has(oid))
  if (unknown !== undefined) throw invalid(`a critical extension is not known (${unknown.oid})`)
}

function requirePurpose(certificate: Certificate, purpose: string | undefined): void {
  const usage = findExtension(certificate, OID.id_ce_extKeyUsage)
  if (usage === undefined) return
  const purposes = decodeExtendedKeyUsage(usage.value)
  if (purpose !== undefined && !purposes.includes(purpose)) throw invalid(`the certificate is not for ${purpose}`)
}

/** Name constraints are for CAs (RFC 5280, 4.2.1.10). */
function requireNoConstraints(certificate: Certificate): void {
  if (findExtension(certificate, OID.id_ce_nameConstraints) === undefined) return
  const constraints = findExtension(certificate, OID.id_ce_basicConstraints)
  if (constraints !== undefined && decodeBasicConstraints(constraints.value).isCa) return
  throw invalid('a certificate that is no CA has name constraints')
}

function requireCaRights(candidate: Certificate, path: readonly Certificate[]): void {
  const constraints = findExtension(candidate, OID.id_ce_basicConstraints)
  const { isCa, pathLength } = constraints === undefined ? { isCa: false } : decodeBasicConstraints(constraints.value)
  if (!isCa) throw invalid('the issuer is no CA')
  const usage = findExtension(candidate, OID.id_ce_keyUsage)
  if (usage !== undefined && !decodeKeyUsage(usage.value).has('keyCertSign')) {
    throw invalid('the key of the issuer is not for signing certificates')
  }
  const below = path.slice(1).filter(certificate => !isSelfIssued(certificate)).length
  if (pathLength !== undefined && below > pathLength) {
    throw invalid(`a CA in it may have ${pathLength} CAs below and has ${below}`)
  }
}

/** The names of everything below, but of those CAs that issued themselves (RFC 5280, 6.1.3, b). */
function requireNames(candidate: Certificate, path: readonly Certificate[], search: Search): void {
  const extension = findExtension(candidate, OID.id_ce_nameConstraints)
  if (extension === undefined) return
  const constraints = decodeNameConstraints(extension.value)
  for (const [index, certificate] of path.entries()) {
    if (index > 0 && isSelfIssued(certificate)) continue
    verifyNamesWithin(certificate, constraints, comparisons => {
      search.comparisons += comparisons
      if (search.comparisons > MAX_NAME_COMPARISONS)
        throw invalid('it has more names and constraints than are compared')
    })
  }
}

function isSelfIssued({ issuer, subject }: Certificate): boolean {
  return equalBytes(issuer.raw, subject.raw)
}

function invalid(why: string): AppError {
  return new AppError('chain_invalid', `${why}.`)
}

/** What broke a certificate is the reason why the chain is none. Any other error passes through. */
function refusalOf(error: unknown): AppError {
  if (!isAppError(error)) throw error
  return error.code === 'chain_invalid' ? error : new AppError('chain_invalid', error.message, {}, { cause: error })
}
