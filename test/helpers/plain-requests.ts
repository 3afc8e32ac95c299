import type { KeyObject } from 'node:crypto'
import { OID } from '@app/oid'
import { encodeAttribute, encodeExtensions } from '@app/x509'
import { wishesOf } from './archival-requests.js'
import { buildSampleRequest, nameOf, toSampleKey } from './x509-samples.js'
import { freshKey } from './enrollment-ca.js'

/** A PKCS#10; for a fresh P-256 key unless one is given, so that no two are the same. */
export interface Pkcs10Parts {
  readonly template?: string
  readonly privateKey?: KeyObject
  readonly subject?: string
  readonly dnsNames?: readonly string[]
}

/** A PKCS#10 with a template and names. */
export function pkcs10Request(parts: Pkcs10Parts = {}): Promise<Uint8Array> {
  const { privateKey, subject = 'CN=Whoever' } = parts
  const extensions = wishesOf(parts)
  const attributes =
    extensions.length === 0 ? [] : [encodeAttribute(OID.extensionRequest, [encodeExtensions(extensions)])]
  const key = privateKey === undefined ? freshKey() : toSampleKey(privateKey)
  return buildSampleRequest(key, { subject: nameOf(subject), attributes })
}

/** A PKCS#10 that waits for an officer when a computer sends it. */
export function webServerRequest(name = 'www.example.org'): Promise<Uint8Array> {
  return pkcs10Request({ template: 'WebServer', subject: `CN=${name}`, dnsNames: [name] })
}
