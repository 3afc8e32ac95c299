import { encodeContentInfo } from '@app/cms'
import {
  encodeBmpString,
  encodeContext,
  encodeInteger,
  encodeOctetString,
  encodeOid,
  encodePrimitiveContext,
  encodeSequence,
  encodeSetOf
} from '@app/der'
import { hash } from 'node:crypto'
import { OID } from '@app/oid'
import { encodeAttribute } from '@app/x509'
import { passwordCipher, type PasswordCipher, type Pkcs12Profile } from './pkcs12-profile.js'

/** What goes into one PKCS#12 file. */
export interface Pkcs12Contents {
  /** PKCS#8, DER. The caller wipes it. */
  readonly privateKey: Uint8Array
  /** DER */
  readonly certificate: Uint8Array
  /** DER of the certificates above it. */
  readonly chain: readonly Uint8Array[]
  /** What people see in a list of keys. */
  readonly friendlyName: string
  readonly password: string
  /** `modern` when left out. */
  readonly profile?: Pkcs12Profile
  /** Rounds of key derivation, instead of those of the profile. */
  readonly iterations?: number
}

/**
 * A PKCS#12 file with the key, its certificate and the chain, in DER (RFC 7292, 4). The key is in a bag of its own
 * encryption, so that its container is plain; the container of the certificates is encrypted.
 */
export async function buildPkcs12(contents: Pkcs12Contents): Promise<Uint8Array> {
  const cipher = passwordCipher(contents.profile ?? 'modern', contents.password, contents.iterations)
  const attributes = [
    encodeAttribute(OID.localKeyId, [encodeOctetString(hash('sha1', contents.certificate, 'buffer'))]),
    encodeAttribute(OID.friendlyName, [encodeBmpString(contents.friendlyName)])
  ]
  const [key, others] = [await cipher.encrypt(contents.privateKey), contents.chain.map(der => certificateBag(der))]
  const shrouded = encodeSequence(key.algorithm, encodeOctetString(key.ciphertext))
  const keys = encodeSequence(bag(OID.pkcs8ShroudedKeyBag, shrouded, attributes))
  const certificates = encodeSequence(certificateBag(contents.certificate, attributes), ...others)
  const safe = encodeSequence(dataContent(keys), await encryptedContent(certificates, cipher))
  return encodeSequence(encodeInteger(3), dataContent(safe), cipher.authenticate(safe))
}

/** SafeBag (RFC 7292, 4.2). */
function bag(type: string, value: Uint8Array, attributes: readonly Uint8Array[] = []): Uint8Array {
  const set = attributes.length === 0 ? [] : [encodeSetOf(attributes)]
  return encodeSequence(encodeOid(type), encodeContext(0, value), ...set)
}

function certificateBag(der: Uint8Array, attributes?: readonly Uint8Array[]): Uint8Array {
  const value = encodeSequence(encodeOid(OID.x509Certificate), encodeContext(0, encodeOctetString(der)))
  return bag(OID.certBag, value, attributes)
}

function dataContent(content: Uint8Array): Uint8Array {
  return encodeContentInfo(OID.id_data, encodeOctetString(content))
}

/** EncryptedData (RFC 5652, 8). */
async function encryptedContent(content: Uint8Array, cipher: PasswordCipher): Promise<Uint8Array> {
  const { algorithm, ciphertext } = await cipher.encrypt(content)
  const info = encodeSequence(encodeOid(OID.id_data), algorithm, encodePrimitiveContext(0, ciphertext))
  return encodeContentInfo(OID.id_encryptedData, encodeSequence(encodeInteger(0), info))
}
