import { Enrollment, type RequestOptions } from '@app/client'
import { encodeSequence, encodeUtf8String } from '@app/der'
import { OID } from '@app/oid'
import { builtInTemplates, type CertificateTemplate } from '@app/templates'
import type { Extension } from '@app/x509'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { offerTemplate } from '../helpers/administration.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

const [, signature] = builtInTemplates() as [CertificateTemplate, CertificateTemplate]
const old: CertificateTemplate = { ...signature, name: 'Old', oid: '2.25.4001', schemaVersion: 1 }

let server: TestServer
let alice: TestPrincipal
beforeAll(async () => {
  server = await startTestServer()
  alice = await server.addPrincipal()
  await offerTemplate(server, old)
})
afterAll(() => server.stop())

/** What a request says of its template, in each of the places where it can. */
interface Places {
  /** The extension 1.3.6.1.4.1.311.20.2, or 1.3.6.1.4.1.311.21.7. */
  readonly extension?: RequestOptions['template']
  readonly extensions?: readonly Extension[]
  /** The signed pairs: 1.3.6.1.4.1.311.13.2.1 in a PKCS#10, the registration information of a CMC message. */
  readonly pair?: string
  /** The attributes beside the request. */
  readonly beside?: string
}

async function outcomeOf(
  type: 'pkcs10' | 'cmc',
  { extension, extensions = [], pair, beside }: Places
): Promise<string> {
  const enrollment = new Enrollment({ trust: server.root, key: { algorithm: 'p-256' } })
  const request = await enrollment.createRequest({
    type,
    subject: 'CN=Whoever',
    ...(extension === undefined ? {} : { template: extension }),
    ...(pair === undefined ? {} : { attributes: [{ name: 'CertificateTemplate', value: pair }] }),
    extensions
  })
  await using client = server.connect(alice)
  await client.submit(request, beside === undefined ? {} : { attributes: beside })
  const { template, lastStatus } = client.status
  return lastStatus === '0x00000000' ? `issued ${template}` : lastStatus
}

const name = 'UserSignature'
const version = (changes: object = {}) => ({ oid: signature.oid, major: 100, minor: 1, ...changes })

describe.each(['pkcs10', 'cmc'] as const)('a template in a message of the form %s', type => {
  it.each<[string, Places]>([
    ['by its name in an extension', { extension: { name } }],
    ['by its name in an extension, whatever the case', { extension: { name: 'USERsignature' } }],
    ['by its identifier in an extension', { extension: { oid: signature.oid } }],
    ['by its identifier and version', { extension: version() }],
    ['by its identifier and an older version', { extension: version({ major: 99, minor: 0 }) }],
    ['by its name in a signed pair', { pair: name }],
    ['by its name in an attribute beside the request', { beside: `CertificateTemplate:${name}` }],
    ['by an attribute as web pages send it', { beside: `cdc:dc1\r\nCertificate-Template: ${name}\r\nrmd:pc7\r\n` }],
    [
      'in all four places at once',
      {
        extension: version(),
        extensions: [templateName(name)],
        pair: 'usersignature',
        beside: `certificatetemplate:${name}`
      }
    ]
  ])('is found %s', async (_where, places) => {
    expect(await outcomeOf(type, places)).toBe('issued UserSignature')
  })

  it.each<[string, string, Places]>([
    ['is in none of them', '0x80094801', {}],
    ['is not known by its name', '0x80094800', { extension: { name: 'Nothing' } }],
    ['is not known by its identifier', '0x80094800', { extension: { oid: '1.2.3.4' } }],
    ['is known and not offered', '0x80094800', { extension: { name: 'KeyRecoveryAgent' } }],
    ['is another in the pair', '0x80094802', { extension: { name }, pair: 'WebServer' }],
    ['is another beside the request', '0x80094802', { extension: { name }, beside: 'CertificateTemplate:WebServer' }],
    ['is another in the pair than beside it', '0x80094802', { pair: name, beside: 'CertificateTemplate:WebServer' }],
    [
      'is another by name than by identifier',
      '0x80094802',
      { extension: version(), extensions: [templateName('WebServer')] }
    ],
    [
      'is twice another beside the request',
      '0x80094802',
      { beside: `CertificateTemplate:${name}\nCertificateTemplate:WebServer` }
    ],
    ['is wanted in a newer major version', '0x80094807', { extension: version({ major: 101 }) }],
    ['is wanted in a newer minor version', '0x80094807', { extension: version({ minor: 2 }) }],
    [
      'is wanted in a newer minor version of an older major one',
      '0x80094807',
      { extension: version({ major: 99, minor: 2 }) }
    ]
  ])('that %s is refused with %s', async (_what, status, places) => {
    expect(await outcomeOf(type, places)).toBe(status)
  })

  it('of schema version 1 has no versions to compare', async () => {
    expect(await outcomeOf(type, { extension: { oid: old.oid, major: 900, minor: 900 } })).toBe('issued Old')
  })
})

/** The name extension in the form of the text of MS-WCCE 2.2.2.7.7.1, which differs from that on the wire. */
function templateName(text: string): Extension {
  const value = encodeSequence(encodeUtf8String(text))
  return { oid: OID.szOID_ENROLL_CERTTYPE_EXTENSION, critical: false, value }
}
