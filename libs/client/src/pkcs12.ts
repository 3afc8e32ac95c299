import { createHash } from 'node:crypto'
import { BmpString, OctetString } from 'asn1js'
import {
  Attribute,
  AuthenticatedSafe,
  CertBag,
  Certificate,
  PFX,
  PKCS8ShroudedKeyBag,
  PrivateKeyInfo,
  SafeBag,
  SafeContents
} from 'pkijs'
import { useNodeCryptography } from './chain.js'
import { BAG_TYPES, passwordBytes, PBES2 } from './pkcs12-encryption.js'

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
  /** Rounds of key derivation; 600,000 when left out, of which those for the MAC hold the event loop for seconds. */
  readonly iterations?: number
}

const attributeTypes = { friendlyName: '1.2.840.113549.1.9.20', localKeyId: '1.2.840.113549.1.9.21' }

/** A PKCS#12 file with the key, its certificate and the chain (RFC 7292): PBES2 with AES-256-CBC, MAC with SHA-256. */
export async function buildPkcs12(contents: Pkcs12Contents): Promise<Uint8Array> {
  useNodeCryptography()
  const password = passwordBytes(contents.password)
  const iterations = contents.iterations ?? PBES2.iterationCount
  const encryption = { ...PBES2, iterationCount: iterations, password }
  const keyBag = new PKCS8ShroudedKeyBag({ parsedValue: PrivateKeyInfo.fromBER(Uint8Array.from(contents.privateKey)) })
  await keyBag.makeInternalValues(encryption)
  const localKeyId = createHash('sha1').update(contents.certificate).digest()
  const attributes = (): Attribute[] => [
    new Attribute({
      type: attributeTypes.localKeyId,
      values: [new OctetString({ valueHex: Uint8Array.from(localKeyId).buffer })]
    }),
    new Attribute({ type: attributeTypes.friendlyName, values: [new BmpString({ value: contents.friendlyName })] })
  ]
  const keys = new SafeContents({
    safeBags: [new SafeBag({ bagId: BAG_TYPES.shroudedKey, bagValue: keyBag, bagAttributes: attributes() })]
  })
  const certificates = new SafeContents({
    safeBags: [certificateBag(contents.certificate, attributes()), ...contents.chain.map(der => certificateBag(der))]
  })
  // The key is in a bag of its own encryption, so its container is plain; the certificates' container is encrypted.
  const safe = new AuthenticatedSafe({
    parsedValue: {
      safeContents: [
        { privacyMode: 0, value: keys },
        { privacyMode: 1, value: certificates }
      ]
    }
  })
  await safe.makeInternalValues({ safeContents: [{}, encryption] })
  const pfx = new PFX({ parsedValue: { integrityMode: 0, authenticatedSafe: safe } })
  await pfx.makeInternalValues({
    password,
    iterations,
    pbkdf2HashAlgorithm: 'SHA-256',
    hmacHashAlgorithm: 'SHA-256'
  })
  return Buffer.from(pfx.toSchema().toBER())
}

function certificateBag(der: Uint8Array, bagAttributes?: Attribute[]): SafeBag {
  return new SafeBag({
    bagId: BAG_TYPES.certificate,
    bagValue: new CertBag({ parsedValue: Certificate.fromBER(Uint8Array.from(der)) }),
    ...(bagAttributes === undefined ? {} : { bagAttributes })
  })
}
