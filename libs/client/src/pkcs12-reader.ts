import type { KeyObject } from 'node:crypto'
import { OctetString } from 'asn1js'
import { CertBag, PFX, PKCS8ShroudedKeyBag, PrivateKeyInfo, type AuthenticatedSafe, type SafeBag } from 'pkijs'
import { AppError, equalBytes, wipe } from '@app/core'
import { privateKeyFromPkcs8, publicHalfOf } from '@app/keys'
import { OID } from '@app/oid'
import { decodeCertificate } from '@app/x509'
import { useNodeCryptography } from './node-cryptography.js'
import { passwordBytes } from './pkcs12-encryption.js'

/** Larger files are none that holds a key and its certificates. */
const MAX_BYTES = 1024 * 1024

/** More rounds of key derivation than any program writes: whoever made the file would choose how long reading takes. */
const MAX_ITERATIONS = 10_000_000

/** What there is to do about a file of an older program. */
const notPbes2 =
  'it is not encrypted with PBES2 and AES but, it seems, with 3DES or RC2 as older programs do; write it anew with "openssl pkcs12 -legacy -in OLD.p12 -out KEY.pem" and "openssl pkcs12 -export -in KEY.pem -out NEW.p12", and delete KEY.pem'

/** What a PKCS#12 file holds. */
export interface Pkcs12Identity {
  readonly privateKey: KeyObject
  /** DER of the key's certificate; absent when the file has none. */
  readonly certificate?: Uint8Array
  /** DER of every other certificate in it. */
  readonly otherCertificates: readonly Uint8Array[]
}

/**
 * Reads a PKCS#12 file with one private key (RFC 7292), its integrity checked with the password. Encryption must be
 * PBES2, as OpenSSL 3 and Windows since 2019 write it. Throws `key_store_locked` when the password is wrong,
 * `key_store_invalid` when the file cannot be read or has not exactly one key.
 */
export async function readPkcs12(bytes: Uint8Array, password: string): Promise<Pkcs12Identity> {
  useNodeCryptography()
  const safe = await openSafe(parse(bytes), passwordBytes(password))
  const bags = await bagsOf(safe, passwordBytes(password))
  const keys = await Promise.all(bags.map(bag => privateKeyIn(bag, passwordBytes(password))))
  const [privateKey, ...others] = keys.filter(key => key !== undefined)
  if (privateKey === undefined || others.length > 0) {
    throw invalid(`it has ${others.length + (privateKey === undefined ? 0 : 1)} private keys, not one`)
  }
  const certificates = bags.flatMap(certificateIn)
  const spki = publicHalfOf(privateKey).raw
  const certificate = certificates.find(der => equalBytes(decodeCertificate(der).publicKey.raw, spki))
  return {
    privateKey,
    ...(certificate === undefined ? {} : { certificate }),
    otherCertificates: certificates.filter(der => der !== certificate)
  }
}

function parse(bytes: Uint8Array): PFX {
  if (bytes.length > MAX_BYTES) throw invalid(`it has more than ${MAX_BYTES} bytes`)
  try {
    return PFX.fromBER(Uint8Array.from(bytes))
  } catch (cause) {
    throw invalid('it is no PKCS#12 in DER', cause)
  }
}

/** What the file says of its encryption is covered by the integrity check, which comes first. */
async function openSafe(pfx: PFX, password: ArrayBuffer): Promise<AuthenticatedSafe> {
  const rounds = pfx.macData?.iterations ?? 1
  if (rounds > MAX_ITERATIONS) throw invalid(`its integrity check has more than ${MAX_ITERATIONS} rounds`)
  try {
    await pfx.parseInternalValues({ password, checkIntegrity: true })
  } catch (cause) {
    if (cause instanceof Error && cause.message.startsWith('Integrity')) {
      throw new AppError('key_store_locked', 'The password does not open the PKCS#12 file, or the file is damaged.')
    }
    throw invalid('its integrity cannot be checked', cause)
  }
  const safe = pfx.parsedValue?.authenticatedSafe
  if (safe === undefined) throw invalid('it is empty')
  return safe
}

async function bagsOf(safe: AuthenticatedSafe, password: ArrayBuffer): Promise<readonly SafeBag[]> {
  try {
    await safe.parseInternalValues({ safeContents: safe.safeContents.map(() => ({ password })) })
  } catch (cause) {
    throw invalid(notPbes2, cause)
  }
  const parsed = safe.parsedValue as { readonly safeContents: readonly { readonly value: { safeBags: SafeBag[] } }[] }
  return parsed.safeContents.flatMap(({ value }) => value.safeBags)
}

async function privateKeyIn(bag: SafeBag, password: ArrayBuffer): Promise<KeyObject | undefined> {
  const info = await keyInfoIn(bag, password)
  if (info === undefined) return undefined
  const pkcs8 = Buffer.from(info.toSchema().toBER())
  try {
    return privateKeyFromPkcs8(pkcs8)
  } finally {
    wipe(pkcs8)
  }
}

async function keyInfoIn(bag: SafeBag, password: ArrayBuffer): Promise<PrivateKeyInfo | undefined> {
  const value: unknown = bag.bagValue
  if (bag.bagId === OID.keyBag && value instanceof PrivateKeyInfo) return value
  if (bag.bagId !== OID.pkcs8ShroudedKeyBag || !(value instanceof PKCS8ShroudedKeyBag)) return undefined
  try {
    // pkijs declares the method on the class and hides it from its types.
    await (
      value as unknown as { parseInternalValues(p: { password: ArrayBuffer }): Promise<void> }
    ).parseInternalValues({
      password
    })
  } catch (cause) {
    throw invalid(notPbes2, cause)
  }
  return value.parsedValue
}

function certificateIn(bag: SafeBag): Uint8Array[] {
  const value: unknown = bag.bagValue
  if (bag.bagId !== OID.certBag || !(value instanceof CertBag)) return []
  // The bytes as they stand in the file: pkijs would write the certificate anew.
  const octets: unknown = value.certValue
  return octets instanceof OctetString ? [new Uint8Array(octets.getValue())] : []
}

function invalid(why: string, cause?: unknown): AppError {
  return new AppError('key_store_invalid', `The PKCS#12 file cannot be read: ${why}.`, {}, { cause })
}
